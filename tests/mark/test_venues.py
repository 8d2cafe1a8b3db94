"""Messages of venues, and what becomes of them. Source: specs/mark.md MK-31..35."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsx.mark.feeds import CAUSES, Target, VenueFeed
from rsx.mark.index import NS, Index, IndexRules
from rsx.mark.venues import VENUES, Ask, VenueError

RULES = IndexRules(
    fresh_ns=10 * NS, far_times=10, outlier_ppm=10_000, step_ppm_per_s=1_000_000, min_sources=1
)
MS = 1_700_000_000_000
T = MS * 1_000_000
ISO = "2023-11-14T22:13:20.000000Z"  # the same


def index(decimals=2):
    return Index(RULES, 2, 10**15, 50_000 * 10**decimals)


def feed(venue="binance", product="btcusdt", stream="bookTicker", decimals=2, alarm_s=30):
    own = VenueFeed(VENUES[venue], alarm_s * NS, T)
    into = index(decimals)
    own.add(Ask(product, stream), Target(into, 0, decimals))
    return own, into


def coinbase():
    return feed("coinbase", "BTC-USD", "")


def book(bid="50000.10", ask="50000.20", **more):
    return {"u": 1, "s": "BTCUSDT", "b": bid, "B": "1", "a": ask, "A": "2"} | more


def trade(kind="trade", price="50000.10", **more):
    return {"e": kind, "E": MS + 1, "s": "BTCUSDT", "t": 1, "p": price, "q": "1", "T": MS} | more


def mark(price="50000.10", **more):
    return {"e": "markPriceUpdate", "E": MS, "s": "BTCUSDT", "p": price, "T": MS + 10**7} | more


def ticker(price="50000.10", time=ISO, product="BTC-USD", **more):
    return {"type": "ticker", "product_id": product, "price": price, "time": time} | more


def given_to(own, message, now_ns=T):
    return own.message(message if isinstance(message, str | bytes) else json.dumps(message), now_ns)


def dropped(own):
    return {cause: count for cause, count in own.dropped.items() if count}


# --- what is a price --------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("stream", "message", "px", "event_ns"),
    [
        ("bookTicker", book(), 5_000_015, 0),
        ("bookTicker", book(ask="50000.11"), 5_000_010, 0),  # floor of the middle
        ("bookTicker", book(e="bookTicker", E=MS + 3, T=MS + 2), 5_000_015, T + 2_000_000),
        ("trade", trade(), 5_000_010, T),
        ("aggTrade", trade("aggTrade"), 5_000_010, T),
        ("markPrice", mark(), 5_000_010, T),
    ],
)
def test_binance_prices_bare_and_wrapped_mrk_10(wrapped, stream, message, px, event_ns):
    own, into = feed(stream=stream)
    if wrapped:
        message = {"stream": f"btcusdt@{stream}", "data": message}

    assert given_to(own, message)
    assert (into.slots[0].px, into.slots[0].event_ns) == (px, event_ns)
    assert into.slots[0].received_ns == T
    assert (own.messages, own.prices, own.last_price_ns) == (1, 1, T)


def test_coinbase_prices():
    own, into = coinbase()

    assert given_to(own, ticker())
    assert (into.slots[0].px, into.slots[0].event_ns) == (5_000_010, T)


@pytest.mark.parametrize("decimals", [2, 3, 4, 6])
def test_each_symbol_has_its_own_scale_mrk_13(decimals):
    own, into = feed(decimals=decimals, stream="trade")
    given_to(own, trade(price="50000.123456789"))

    assert into.slots[0].px == 50_000_123_456 * 10**decimals // 10**6


def test_two_symbols_may_take_one_product():
    own, first = feed(stream="trade")
    second = index(4)
    own.add(Ask("btcusdt", "trade"), Target(second, 1, 4))
    given_to(own, trade())

    assert (first.slots[0].px, second.slots[1].px) == (5_000_010, 500_001_000)
    assert own.asks == [Ask("btcusdt", "trade")]
    assert own.prices == 1


def test_addresses_and_subscriptions():
    asks = [Ask("btcusdt", "bookTicker"), Ask("ethusdt", "trade")]
    binance = VENUES["binance"]

    assert binance.address("ws://h:1", asks) == (
        "ws://h:1/stream?streams=btcusdt@bookTicker/ethusdt@trade"
    )
    assert binance.hello(asks) == []
    (hello,) = VENUES["coinbase"].hello([Ask("BTC-USD", ""), Ask("ETH-USD", "")])
    assert json.loads(hello) == {
        "type": "subscribe", "product_ids": ["BTC-USD", "ETH-USD"],
        "channels": ["ticker", "heartbeat"],
    }  # fmt: skip


# --- what is none -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [{"result": None, "id": 1}, {"e": "24hrTicker", "s": "BTCUSDT", "c": "1"},
     {"stream": "x", "data": {"e": "kline"}}],
)  # fmt: skip
def test_binance_says_things_that_are_no_prices_and_no_errors(message):
    own, _ = feed()

    assert not given_to(own, message)
    assert dropped(own) == {}
    assert own.messages == 1


@pytest.mark.parametrize("kind", ["subscriptions", "heartbeat", "received"])
def test_coinbase_says_things_that_are_no_prices_and_no_errors(kind):
    own, _ = coinbase()

    assert not given_to(own, {"type": kind, "product_id": "BTC-USD", "time": ISO})
    assert dropped(own) == {}


@pytest.mark.parametrize(
    ("venue", "message", "words"),
    [
        ("binance", {"error": {"code": 3, "msg": "Invalid JSON"}, "id": 1}, "Invalid JSON"),
        ("binance", {"code": 2, "msg": "Invalid request: no such stream"}, "no such stream"),
        ("coinbase", {"type": "error", "message": "Failed to subscribe", "reason": "X-Y is bad"},
         "Failed to subscribe: X-Y is bad"),
        ("coinbase", {"type": "error"}, ""),
    ],
)  # fmt: skip
def test_a_refusal_is_raised_with_the_venues_words(venue, message, words):
    own, _ = feed() if venue == "binance" else coinbase()

    with pytest.raises(VenueError) as caught:
        given_to(own, message)
    assert words in str(caught.value)


BINANCE_DROPS = [
    ("garbage", "{"), ("garbage", ""), ("garbage", "[1]"), ("garbage", "7"), ("garbage", "null"),
    ("garbage", b"\xff\xfe"), ("garbage", '{"s": "BTCUSDT", "p": NaN}'), ("garbage", "[" * 5000),
    ("form", {"data": 7}), ("form", {"data": None}), ("form", {}), ("form", {"e": 5}),
    ("form", {"e": None, "s": "BTCUSDT"}), ("form", {"e": ["trade"]}),
    ("form", trade(price=50000.1)), ("form", trade(price=None)), ("form", trade(price=["1"])),
    ("form", trade(s=7)), ("form", trade(T="1")), ("form", trade(T=1.5)), ("form", trade(T=True)),
    ("form", trade(T=0)), ("form", trade(T=-5)), ("form", {"e": "trade", "p": "1"}),
    ("number", trade(price="NaN")), ("number", trade(price="inf")), ("number", trade(price="")),
    ("number", trade(price="5e4")), ("number", trade(price="9" * 30)),
    ("unknown", trade(s="ETHUSDT")), ("unknown", trade(s="btcusdt")), ("unknown", book()),
    ("zero", trade(price="0")), ("zero", trade(price="0.00")), ("zero", trade(price="0.001")),
    ("zero", trade(price="-0.00")), ("negative", trade(price="-50000")),
    ("negative", trade(price="-0.001")),
    ("range", trade(price="10000000000000.01")), ("far", trade(price="5000000")),
    ("far", trade(price="500")), ("old", trade(T=MS - 3_600_000)), ("old", trade(T=MS - 10_000)),
    ("early", trade(T=MS + 10_000)), ("early", trade(T=MS * 1000)), ("form", trade(T=10**30)),
]  # fmt: skip


@pytest.mark.parametrize(("cause", "message"), BINANCE_DROPS)
def test_what_is_no_price_is_dropped_and_counted_by_its_cause(cause, message):
    own, into = feed(stream="trade")

    assert not given_to(own, message)
    assert dropped(own) == {cause: 1}
    assert into.slots[0].px == 0
    assert into.read(T).sources == 0


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        ("form", ticker(price=50000)), ("form", ticker(time=5)), ("form", ticker(time="noon")),
        ("form", ticker(time="1970-01-01T00:00:00Z")),
        ("form", {"type": 5}), ("form", {"price": "1"}), ("form", ticker(product=None)),
        ("form", {"type": "ticker", "product_id": "BTC-USD", "price": "50000"}),
        ("number", ticker(price="50,000")), ("unknown", ticker(product="BTC-EUR")),
        ("zero", ticker(price="0")), ("negative", ticker(price="-1")),
        ("far", ticker(price="5000000")), ("old", ticker(time="2023-11-14T21:13:20Z")),
        ("early", ticker(time="2023-11-14T22:13:30Z")),
    ],
)  # fmt: skip
def test_the_same_for_coinbase(cause, message):
    own, into = coinbase()

    assert not given_to(own, message)
    assert dropped(own) == {cause: 1}
    assert into.slots[0].px == 0


def test_a_middle_needs_both_of_its_prices():
    own, into = feed()
    for message in (book(bid="0"), book(ask="-1"), book(ask="x"), book(ask=1)):
        assert not given_to(own, message)

    assert dropped(own) == {"zero": 1, "negative": 1, "number": 1, "form": 1}
    assert into.slots[0].px == 0


def test_a_late_price_does_not_replace_a_newer_one():
    own, into = feed(stream="trade")
    given_to(own, trade(price="50001", T=MS))
    given_to(own, trade(price="50002", T=MS - 1))

    assert into.slots[0].px == 5_000_100
    assert dropped(own) == {"order": 1}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["data", "e", "s", "p", "b", "a", "T", "E", "type", "price", "time",
                         "product_id", "result", "id", "u"]), inner, max_size=6),
    max_leaves=10,
)  # fmt: skip


@given(st.sampled_from(["binance", "coinbase"]), JSON.map(json.dumps) | st.binary(max_size=60))
def test_no_message_does_more_than_count(venue, message):
    own, into = feed() if venue == "binance" else coinbase()

    assert not given_to(own, message)
    assert sum(own.dropped.values()) <= 1 == own.messages
    assert into.slots[0].px == 0


def test_every_cause_is_in_the_spec():
    from pathlib import Path

    page = (Path(__file__).parents[2] / "specs/mark.md").read_text()
    for cause in CAUSES:
        assert f"`{cause}`" in page


# --- alarm (MK-37) ----------------------------------------------------------------------------


def test_a_venue_without_a_price_for_so_long_is_an_alarm_once_until_one_comes():
    own, _ = feed(stream="trade")
    assert not own.watch(T + 30 * NS - 1)
    assert own.trouble(T + 30 * NS - 1) == ""

    assert own.watch(T + 30 * NS)
    own.last_error = "connection refused"
    assert not own.watch(T + 31 * NS)
    assert own.trouble(T + 31 * NS) == "binance: no price for 31 s (connection refused)"
    assert own.alarms == 1

    given_to(own, trade(T=MS + 31_000), T + 31 * NS)
    assert own.watch(T + 31 * NS)
    assert own.trouble(T + 31 * NS) == ""
    assert own.watch(T + 61 * NS)
    assert own.alarms == 2
