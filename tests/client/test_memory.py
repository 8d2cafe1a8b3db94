"""What is news and what is not: CL-35, CL-36, CL-39. Pure, no sockets."""

from __future__ import annotations

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rsx.client import Fill, Order, OrderUpdate
from rsx.client.memory import Memory

D = Decimal


def order(oid: int, status: str = "resting", filled: int = 0, seq: int = 0, **changes) -> Order:
    base = Order(
        oid=oid, cid=f"c{oid}", symbol="BTC-PERP", side="buy", price=D(50000), qty=D(10),
        filled=D(filled), remaining=D(10 - filled), status=status, seq=seq,
    )  # fmt: skip
    return msgspec.structs.replace(base, **changes)


def fill(oid: int, seq: int, qty: int = 1, remaining: int | None = None) -> Fill:
    return Fill(
        oid=oid, cid=f"c{oid}", symbol="BTC-PERP", side="buy", price=D(50000), qty=D(qty),
        fee=D(0), maker=True, ts_ns=seq, seq=seq,
        remaining=None if remaining is None else D(remaining),
    )  # fmt: skip


def name(event: Fill | OrderUpdate) -> tuple:
    if isinstance(event, Fill):
        return ("fill", event.oid, event.seq)
    return (event.order.status, event.order.oid)


def test_a_repeated_fill_or_update_is_no_news():
    memory = Memory()

    assert memory.on_update(order(1, seq=1))
    assert not memory.on_update(order(1, seq=1))
    assert memory.on_fill(fill(1, 2, remaining=9))
    assert not memory.on_fill(fill(1, 2, remaining=9))
    assert memory.on_update(order(1, "cancelled", filled=1, seq=3))
    assert not memory.on_update(order(1, "cancelled", filled=1, seq=3))
    assert not memory.on_update(order(1, seq=1))


def test_a_fill_moves_the_known_order():
    memory = Memory()
    memory.on_update(order(1, seq=1))

    memory.on_fill(fill(1, 2, qty=3, remaining=7))
    memory.on_fill(fill(1, 3, qty=2))

    assert (memory.open[1].filled, memory.open[1].remaining) == (D(5), D(5))


def test_both_sides_of_a_trade_with_oneself_are_events():
    memory = Memory()
    assert memory.on_fill(fill(1, 7))
    assert memory.on_fill(fill(2, 7))
    assert memory.recover([], [fill(1, 7), fill(2, 7)], []) == []


def test_the_second_side_of_a_trade_with_oneself_is_recovered():
    memory = Memory()
    memory.on_fill(fill(1, 7))
    assert [name(e) for e in memory.recover([], [fill(2, 7), fill(1, 7)], [])] == [("fill", 2, 7)]


def test_what_was_there_at_the_first_connection_is_no_news():
    memory = Memory()
    memory.prime([order(1)], [fill(1, 5), fill(9, 5)])

    assert memory.recover([order(1)], [fill(1, 5), fill(9, 5), fill(3, 4)], []) == []
    assert memory.last_fill_seq == 5


def test_an_order_that_ended_before_the_baseline_was_taken_stays_ended():
    memory = Memory()
    memory.on_update(order(1, "filled", filled=10, seq=3))
    memory.prime([order(1)], [])
    assert memory.open == {}


def test_a_terminal_update_follows_its_fills_and_the_log_order_holds():
    memory = Memory()
    memory.on_update(order(1, seq=1))
    memory.on_update(order(2, seq=2))

    events = memory.recover(
        [order(3)],
        [fill(2, 9, 10), fill(1, 5, 4), fill(1, 7, 6)],
        [order(2, "filled", filled=10, seq=9), order(1, "filled", filled=10, seq=7)],
    )

    assert [name(e) for e in events] == [
        ("fill", 1, 5), ("fill", 1, 7), ("filled", 1), ("fill", 2, 9), ("filled", 2),
        ("resting", 3),
    ]  # fmt: skip


def test_the_end_of_a_forgotten_order_is_told_by_its_fills():
    memory = Memory()
    memory.on_update(order(1, seq=1))
    memory.on_update(order(2, seq=2))
    memory.on_fill(fill(2, 3, remaining=9))

    whole = memory.guess_end(memory.open[1], [fill(1, 8, 4), fill(1, 9, 6)])
    part = memory.guess_end(memory.open[2], [fill(2, 3, 1), fill(2, 8, 2)])

    assert (whole.status, whole.filled, whole.reason) == ("filled", D(10), None)
    assert (part.status, part.filled, part.remaining) == ("cancelled", D(3), D(7))
    assert part.reason == "UNKNOWN"


def test_a_rejected_duplicate_does_not_take_the_client_id_of_the_live_order():
    memory = Memory()
    memory.on_update(order(1, seq=1))
    memory.on_update(order(2, "rejected", seq=2, cid="c1", reason="DUPLICATE_CLIENT_ID"))
    assert memory.find("BTC-PERP", "c1").oid == 1


def test_what_ended_is_forgotten_in_bounds():
    memory = Memory(remembered_max=3)
    for oid in range(1, 8):
        memory.on_fill(fill(oid, oid))
        memory.on_update(order(oid, "filled", filled=10, seq=oid))
    assert list(memory.ended) == [5, 6, 7]
    assert memory.find(None, "c1") is None and memory.find(None, "c7").oid == 7


@st.composite
def histories(draw):
    """A log of one user's events: ("rest" | "fill" | "end", oid, filled so far), from seq 1."""
    log, open_orders, oid = [], {}, 0
    for _ in range(draw(st.integers(1, 40))):
        what = draw(st.sampled_from(["rest", "fill", "fill", "cancel"]))
        if what == "rest" or not open_orders:
            oid += 1
            open_orders[oid] = 0
            log.append(("rest", oid, 0))
            continue
        chosen = draw(st.sampled_from(sorted(open_orders)))
        if what == "fill":
            open_orders[chosen] += draw(st.integers(1, 10 - open_orders[chosen]))
            log.append(("fill", chosen, open_orders[chosen]))
        if what == "cancel" or open_orders[chosen] == 10:
            log.append(("end", chosen, open_orders.pop(chosen)))
    return log


def replay(log, start, stop):
    """The frames of a stretch of the log, as the client would be told."""
    before: dict[int, int] = {}
    for seq, (what, oid, filled) in enumerate(log[:stop], 1):
        if seq > start:
            if what == "rest":
                yield order(oid, seq=seq)
            elif what == "fill":
                yield fill(oid, seq, filled - before[oid], remaining=10 - filled)
            else:
                yield order(oid, "filled" if filled == 10 else "cancelled", filled, seq)
        before[oid] = filled


@given(histories(), st.data())
def test_any_outage_is_made_up_for_exactly_once(log, data):
    cuts = sorted(data.draw(st.tuples(*[st.integers(0, len(log))] * 4)))
    lost_from, asked_at, resumed_at = cuts[0], cuts[1], cuts[2]
    overlap = data.draw(st.integers(0, resumed_at - lost_from))
    memory, events = Memory(), []

    def take(message):
        news = memory.on_fill(message) if isinstance(message, Fill) else memory.on_update(message)
        if news:
            events.append(news)

    for message in replay(log, 0, lost_from):
        take(message)
    # What the exchange answers: O and FL at `asked_at`, lookups of what is gone a little later.
    told = list(replay(log, 0, asked_at))
    last = {o.oid: o for o in told if isinstance(o, Order)}
    sums = {}
    for message in told:
        if isinstance(message, Fill):
            sums[message.oid] = sums.get(message.oid, D(0)) + message.qty
    rows = [
        msgspec.structs.replace(
            o, filled=sums.get(oid, D(0)), remaining=10 - sums.get(oid, D(0)), seq=0
        )
        for oid, o in last.items()
        if o.is_open
    ]
    history = [m for m in told if isinstance(m, Fill)]
    gone = [last[o.oid] for o in memory.gone(rows)]
    events += memory.recover(rows, history, gone)
    # Live events that came meanwhile, some of them told before.
    for message in replay(log, max(lost_from, min(asked_at, resumed_at - overlap)), len(log)):
        take(message)

    names = [name(event) for event in events]
    assert len(names) == len(set(names)), "an event came twice"
    due_fills = [("fill", m.oid, m.seq) for m in replay(log, 0, len(log)) if isinstance(m, Fill)]
    assert [n for n in names if n[0] == "fill"] == due_fills
    ended = {oid for what, oid, _ in log if what == "end"}
    seen_ended = [n[1] for n in names if n[0] in ("filled", "cancelled")]
    # An order that came and went inside the outage was never known: its fills alone are told.
    known = {n[1] for n in names if n[0] == "resting"}
    assert set(seen_ended) == ended & (known | set(seen_ended)) and known >= set(memory.open)
    for oid in seen_ended:
        end = max(i for i, n in enumerate(names) if n[0] in ("filled", "cancelled") and n[1] == oid)
        assert all(i < end for i, n in enumerate(names) if n[0] == "fill" and n[1] == oid)


# --- amendments, cuts and triggers (CL-35) ----------------------------------------------------


def row(oid: int, **changes) -> Order:
    """As `O` lists it: without a log number."""
    return msgspec.structs.replace(order(oid), seq=0, **changes)


def states(events) -> list[tuple]:
    return [(e.order.status, e.order.price, e.order.qty, e.order.remaining) for e in events]


AMENDED = {"price": D(49999), "qty": D(8), "remaining": D(8)}
CUT = {"remaining": D(6)}
FIRED = {"status": "pending", "fired_price": D(45000), "kind": "stop_limit"}
TRIGGER = {"status": "waiting", "kind": "stop_limit"}


def test_an_amendment_is_news_each_time_and_only_once():
    memory = Memory()
    memory.on_update(order(1, seq=1))

    assert memory.on_update(order(1, seq=2, kept_place=False, **AMENDED))
    assert not memory.on_update(order(1, seq=2, kept_place=False, **AMENDED))
    assert memory.on_update(order(1, seq=3, kept_place=False, **AMENDED)), "asked for again"
    assert memory.open[1].price == D(49999)


def test_what_changed_in_an_outage_is_told_once_and_what_did_not_is_not():
    for before, after, told in (
        ({}, {}, False),
        ({}, AMENDED, True),
        ({}, CUT, True),
        ({}, {"filled": D(4), "remaining": D(6)}, False),
        ({}, {"filled": D(4), "remaining": D(2)}, True),
        (TRIGGER, TRIGGER, False),
        (TRIGGER, FIRED, True),
        (TRIGGER, {**FIRED, "status": "resting"}, True),
        ({}, {"status": "pending"}, False),
    ):
        memory = Memory()
        memory.on_update(order(1, seq=1, **before))
        events = memory.recover([row(1, **after)], [], [])
        assert states(events) == (states([OrderUpdate(order=row(1, **after))]) if told else [])
        assert memory.recover([row(1, **after)], [], []) == []
        known = memory.open[1]
        assert (known.filled, known.remaining) == (
            row(1, **after).filled,
            row(1, **after).remaining,
        )


def test_a_live_update_of_what_the_list_had_already_is_no_news():
    for changes, live in (
        (AMENDED, {**AMENDED, "kept_place": False}),
        (CUT, {**CUT, "reason": "REDUCE_ONLY_EXCESS"}),
    ):
        memory = Memory()
        memory.on_update(order(1, seq=1))
        assert len(memory.recover([row(1, **changes)], [], [])) == 1
        assert not memory.on_update(order(1, seq=5, **live))
        later = {**live, "remaining": D(3), "qty": D(5)}
        assert memory.on_update(order(1, seq=9, **later))


def test_fills_that_are_newer_than_the_list_are_kept():
    memory = Memory()
    memory.on_update(order(1, seq=1))

    events = memory.recover([row(1, **AMENDED)], [fill(1, 8, 3)], [])

    assert [name(e) for e in events] == [("fill", 1, 8), ("resting", 1)]
    assert (memory.open[1].filled, memory.open[1].remaining) == (D(3), D(5))


def test_a_fired_trigger_that_was_never_known_is_news_and_a_handed_over_order_is_not():
    memory = Memory()

    assert memory.on_update(order(1, seq=1, **FIRED))
    assert not memory.on_update(order(2, "pending"))
    memory.prime([row(3, status="pending"), row(4, **FIRED), row(5, **TRIGGER)], [])
    assert set(memory.open) == {1, 4, 5}
