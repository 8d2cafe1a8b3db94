"""What a caller asks for becomes exactly one frame, or an error before anything is sent: CL-3,
CL-6, CL-17, CL-18, CL-41. Pure, no sockets."""

from __future__ import annotations

from decimal import Decimal as D
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsx.client import InvalidAmount, Symbol
from rsx.client.orders import amendment, new_order, new_trigger

SYMBOL = Symbol(
    id=1, name="BTC-PERP", tick=D("0.10"), lot=D("0.0001"), price_decimals=2, qty_decimals=6,
    money_decimals=8, max_price=D(10**6), max_qty=D(1000), max_notional=D(10**7),
    tick_table=((D(1000), D("0.50")), (D(60000), D(2))),
)  # fmt: skip
BUY = {"side": "buy", "qty": "0.01"}


@pytest.mark.parametrize(
    ("terms", "tail"),
    [
        ({"price": "50000"}, [5_000_000, 10_000, "c", 0, 0, 0]),
        ({"price": "50000", "tif": "FOK"}, [5_000_000, 10_000, "c", 2, 0, 0]),
        ({"price": "50000", "reduce_only": True}, [5_000_000, 10_000, "c", 0, 1, 0]),
        ({"price": None, "kind": "market"}, [0, 10_000, "c", 1, 0, 0, {"kind": 1}]),
        ({"price": None, "kind": "market", "tif": "FOK"}, [0, 10_000, "c", 2, 0, 0, {"kind": 1}]),
        ({"price": 50000, "expire_s": 2_000_000_000},
         [5_000_000, 10_000, "c", 3, 0, 0, {"expire_s": 2_000_000_000}]),
        ({"price": D(50000), "stp": "none"}, [5_000_000, 10_000, "c", 0, 0, 0, {"stp": 0}]),
        ({"price": "5e4", "post_only": True, "reprice": True, "stp": "both"},
         [5_000_000, 10_000, "c", 0, 0, 1, {"stp": 3, "reprice": 1}]),
    ],
)  # fmt: skip
def test_an_order_is_a_frame_with_what_was_asked_for(terms, tail):
    fields, template = new_order(SYMBOL, "c", **BUY, **terms)

    assert fields == [1, 0, *tail]
    assert (template.status, template.remaining, template.cid) == ("pending", D("0.01"), "c")
    assert template.tif == ("GTC", "IOC", "FOK", "GTD")[tail[3]]


@pytest.mark.parametrize(
    ("terms", "error", "text"),
    [
        ({"price": None}, ValueError, "a limit order needs one"),
        ({"price": "1", "kind": "market"}, ValueError, "a market order has no price"),
        ({"price": "1", "kind": "stop_market"}, ValueError, "triggers have their own calls"),
        ({"price": "1", "qty": None}, TypeError, "qty is missing"),
        ({"price": "1", "stp": "oldest "}, ValueError, "must be none, newest, oldest or both"),
        ({"price": "1", "tif": "DAY"}, ValueError, "must be GTC, IOC, FOK or GTD"),
        ({"price": "1", "side": "long"}, ValueError, "must be 'buy' or 'sell'"),
        ({"price": "1", "expire_s": 1.5}, TypeError, "seconds since 1970"),
        ({"price": "1", "expire_s": True}, TypeError, "seconds since 1970"),
        ({"price": "1000.10"}, InvalidAmount, r"price '1000\.10': .* tick 0\.50"),
        ({"price": "60001"}, InvalidAmount, r"tick 2\.00"),
        ({"price": "0.15"}, InvalidAmount, r"tick 0\.10"),
    ],
)
def test_an_order_that_can_not_be_is_refused_here(terms, error, text):
    with pytest.raises(error, match=text):
        new_order(SYMBOL, "c", **{**BUY, **terms})


@pytest.mark.parametrize(
    ("terms", "due"),
    [
        ({"kind": "stop_market", "trigger_price": "45000"},
         [1, 2, 0, 10_000, 4_500_000, 0, "c", 1, 0]),
        ({"kind": "stop_limit", "trigger_price": "45000", "price": "44900", "reduce_only": True},
         [1, 3, 0, 10_000, 4_500_000, 4_490_000, "c", 0, 1]),
        ({"kind": "take_profit_limit", "trigger_price": "45000", "price": "44900",
          "expire_s": 2_000_000_000, "post_only": True, "reprice": True, "trigger_on": "last"},
         [1, 5, 0, 10_000, 4_500_000, 4_490_000, "c", 3, 0,
          {"expire_s": 2_000_000_000, "reprice": 1, "last": 1, "post_only": 1}]),
        ({"kind": "trailing_stop", "trigger_price": None, "trail": "250.05", "stp": "newest"},
         [1, 6, 0, 10_000, 0, 0, "c", 1, 0, {"stp": 1, "trail_px": 25_005}]),
        ({"kind": "trailing_stop", "trigger_price": "52000", "trail_fraction": "0.005"},
         [1, 6, 0, 10_000, 5_200_000, 0, "c", 1, 0, {"trail_ppm": 5000}]),
    ],
)  # fmt: skip
def test_a_trigger_is_a_frame_with_what_was_asked_for(terms, due):
    fields, template = new_trigger(SYMBOL, "c", **BUY, **terms)

    assert fields == due
    assert template.is_trigger and template.kind == terms["kind"]
    assert template.trigger_on == terms.get("trigger_on", "mark")
    assert template.trigger_price == (D(terms["trigger_price"]) if due[4] else None)


@pytest.mark.parametrize(
    ("terms", "error", "text"),
    [
        ({"trigger_price": None}, TypeError, "trigger_price is missing"),
        ({"trigger_price": "45000.01"}, InvalidAmount, "trigger_price '45000.01'"),
        ({"trigger_on": "index"}, ValueError, "must be mark or last"),
        ({"kind": "trailing_stop"}, ValueError, "either trail or trail_fraction"),
        ({"kind": "trailing_stop", "trail": "1", "trail_fraction": "0.1"}, ValueError, "either"),
        ({"kind": "trailing_stop", "trail": "0.001"}, InvalidAmount, "more than 2 decimals"),
        ({"kind": "trailing_stop", "trail_fraction": "0.0000001"}, InvalidAmount, "6 decimals"),
        ({"kind": "trailing_stop", "trail_fraction": 0.01}, TypeError, "float"),
    ],
)
def test_a_trigger_that_can_not_be_is_refused_here(terms, error, text):
    with pytest.raises(error, match=text):
        new_trigger(
            SYMBOL, "c", **{"kind": "stop_market", "trigger_price": "45000", **BUY, **terms}
        )


def test_an_amendment_names_what_changes_and_leaves_the_rest():
    assert amendment(SYMBOL, 7, "50000", None) == [7, 5_000_000, None, 1]
    assert amendment(SYMBOL, "c", None, "0.02") == ["c", None, 20_000, 1]
    with pytest.raises(ValueError, match="new price or a new quantity"):
        amendment(SYMBOL, 7, None, None)
    with pytest.raises(ValueError, match="name its symbol"):
        amendment(None, 7, "1", None)
    with pytest.raises(InvalidAmount):
        amendment(SYMBOL, 7, "1000.10", None)


# --- ticks (CL-6, PX-1) ---------------------------------------------------------------------------


def on_tick(price: D) -> bool:
    return Fraction(price) % Fraction(SYMBOL.tick_at(price)) == 0


@pytest.mark.parametrize(
    ("price", "tick"),
    [("0.1", "0.10"), ("999.9", "0.10"), ("999.999", "0.10"), ("1000", "0.50"),
     ("59999.99", "0.50"), ("60000", "2"), (10**6, "2")],
)  # fmt: skip
def test_the_tick_at_a_price_is_that_of_its_row(price, tick):
    assert SYMBOL.tick_at(price) == D(tick)


PRICES = st.one_of(
    st.decimals(0, 10**6, places=4), st.sampled_from([D("999.95"), D("999.96"), D("59999.51")])
)


@given(PRICES)
def test_rounding_goes_to_the_nearest_price_on_tick_and_never_beyond(price):
    down, up = SYMBOL.round_price(price), SYMBOL.round_price(price, up=True)

    assert down <= price <= up
    assert on_tick(down) and on_tick(up)
    assert (down == up) == (down == price)
    if down != up:
        assert SYMBOL.next_price(down) == up and SYMBOL.next_price(up, up=False) == down


def test_one_tick_below_a_row_is_the_finer_one():
    assert SYMBOL.next_price("1000", up=False) == D("999.90")
    assert SYMBOL.next_price("999.90") == D(1000)
    assert SYMBOL.next_price("1000") == D("1000.50")
    with pytest.raises(InvalidAmount):
        SYMBOL.next_price("1000.10")


@given(st.decimals(0, 1000, places=8))
def test_quantities_round_to_whole_lots(qty):
    down, up = SYMBOL.round_qty(qty), SYMBOL.round_qty(qty, up=True)

    assert down <= qty <= up and up - down in (0, SYMBOL.lot)
    assert SYMBOL.qty_units(down) % 100 == 0


@pytest.mark.parametrize("price", [50000.0, True, None])
def test_floats_are_no_prices_to_round(price):
    with pytest.raises(TypeError):
        SYMBOL.round_price(price)
    with pytest.raises(InvalidAmount):
        SYMBOL.round_price("1e99")
    assert SYMBOL.round_price("1e-999") == 0 and SYMBOL.round_price("1e-999", up=True) == D("0.10")
