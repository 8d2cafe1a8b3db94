"""The risk tile alone: what goes on to matching, what is refused, what waits for a full ring.

Covers specs/risk.md V-9 to V-15, K-3, A-7; specs/tiles.md T-6.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from model.symbols import make_symbol, rules_records
from model.wire import make_request, view

from rsx import records
from rsx.core.check import InvariantError
from rsx.core.clock import Clock
from rsx.core.ring import Ring
from rsx.records import RECORD_SIZE, View
from rsx.risk.ledger import Ledger
from rsx.tiles.risk import RiskTile

NOW_NS = 1_700_000_000_000_000_000
DEPTH = 128  # an account query needs room for 65 records
BUY, SELL = 0, 1
RESTS, REDUCE_ONLY = 4, 2
INPUTS = ("gateway_risk", "mark_risk", "wal_risk")
OUTPUTS = ("risk_gateway", "risk_wal")


class Desk:
    """A risk tile between rings that this test fills and empties; symbols 1 and 2, mark 100."""

    def __init__(self) -> None:
        symbols = tuple(make_symbol(id=n, reference_px=100, market_band_ppm=50_000) for n in (1, 2))
        self.ledger = Ledger(symbols, accounts_max=8, positions_max=16, orders_max=128)
        self.rings = {name: Ring(name, 4096) for name in INPUTS}
        self.rings |= {name: Ring(name, DEPTH) for name in OUTPUTS}
        self.matching = [Ring(f"matching{s.id}", DEPTH) for s in symbols]
        self.tile = RiskTile(
            "risk", Clock.manual(NOW_NS), self.ledger, **self.rings,
            matching_rings=self.matching, next_seq=1,
        )  # fmt: skip
        self.seq = 0
        for user in (1, 2):
            self.release("DEPOSIT", user_id=user, amount=1 << 40)

    def release(self, name: str, symbol: int = 1, **values: Any) -> None:
        """Let the log release a record, and risk settle it."""
        self.seq += 1
        record = records.BY_NAME[name]
        if "symbol_id" in record.offsets:
            values["symbol_id"] = symbol
        self.rings["wal_risk"].push(record.pack(seq=self.seq, stream=symbol, **values))
        self.tile.step()

    def ask(self, name: str, **values: Any) -> None:
        values = {"user_id": 1, **values}
        if "symbol_id" in records.BY_NAME[name].offsets:
            values = {"symbol_id": 1, **values}
        self.rings["gateway_risk"].push(make_request(name, **values))

    def order(self, oid: int, **values: Any) -> None:
        self.ask("ORDER_REQUEST", oid=oid, **{"px": 100, "qty": 10, "side": BUY, **values})

    def taken(self, ring: Ring) -> list[View]:
        data = ring.pop(4096)
        return [view(data[at : at + RECORD_SIZE]) for at in range(0, len(data), RECORD_SIZE)]

    def sent(self, symbol: int = 1) -> list[View]:
        return self.taken(self.matching[symbol - 1])

    def answers(self) -> list[View]:
        return self.taken(self.rings["risk_gateway"])

    def logged(self) -> list[View]:
        return self.taken(self.rings["risk_wal"])

    def fill(self, ring: Ring) -> None:
        """Leave no room in an output ring."""
        while ring.push(records.ACCOUNT_QUERY.pack()):
            pass

    def fired(self, oid: int, **values: Any) -> dict[str, Any]:
        return {"oid": oid, "user_id": 1, "kind": 2, "side": BUY, "tif": 1, "qty": 10, **values}


@pytest.fixture
def desk() -> Desk:
    return Desk()


def names(views: list[View]) -> list[str]:
    return [v.record.name for v in views]


# --- what goes on --------------------------------------------------------------------------------

PASSED = [
    ("CANCEL_REQUEST", "ORDER_CANCEL", {"oid": 7, "cid": "mine", "reason": 3107}),
    ("CANCEL_ALL_REQUEST", "ORDER_CANCEL_ALL", {"scope": 2, "sides": 1, "reason": 3108}),
    ("MODE_REQUEST", "MODE_REQUEST", {"mode": 2}),
]


@pytest.mark.parametrize(("asked", "passed", "values"), PASSED)
def test_a_request_that_risk_has_no_say_in_goes_on_as_it_is(
    desk: Desk, asked: str, passed: str, values: dict[str, Any]
) -> None:
    """V-15."""
    desk.ask(asked, request_id=3, symbol_id=2, user_id=5, **values)
    desk.tile.step()

    (seen,) = desk.sent(2)
    assert (seen.record.name, seen.ts_ns) == (passed, NOW_NS)
    due = view(make_request(asked, request_id=3, symbol_id=2, user_id=5, **values)).as_dict()
    told = seen.as_dict()
    skipped = ("type", "ts_ns")
    assert {n: v for n, v in told.items() if n not in skipped} == {
        n: v for n, v in due.items() if n not in skipped
    }


@pytest.mark.parametrize(("asked", "_passed", "values"), PASSED)
def test_for_an_unknown_market_it_is_refused_by_its_number(
    desk: Desk, asked: str, _passed: str, values: dict[str, Any]
) -> None:
    desk.ask(asked, request_id=3, symbol_id=9, **values)
    desk.tile.step()

    (seen,) = desk.answers()
    assert (seen.record.name, seen.reason) == ("REQUEST_REJECTED", 1007)
    assert (seen.oid, seen.request_id, seen.user_id, seen.symbol_id) == (0, 3, 1, 9)


def test_an_order_has_its_accounts_group_and_default(desk: Desk) -> None:
    """V-10."""
    desk.release("ACCOUNT_CONFIG", user_id=1, owner_group=7, stp=3)
    desk.order(1, stp=4, tif=3, expire_s=99, cid="c", received_ns=5, flags=1)
    desk.order(2, stp=1, user_id=2)
    desk.tile.step()

    first, second = desk.sent()
    assert first.record.name == "ORDER_NEW"
    assert (first.owner_group, first.stp, first.tif, first.expire_s) == (7, 3, 3, 99)
    assert (first.client_id, first.received_ns, first.flags, first.kind) == ("c", 5, 1, 0)
    assert (first.reserved, first.ts_ns, first.px, first.qty) == (100, NOW_NS, 100, 10)
    assert (second.owner_group, second.stp) == (0, 1)


def test_a_market_order_goes_on_with_its_protection_price(desk: Desk) -> None:
    """V-9."""
    desk.order(1, kind=1, px=0, tif=1)
    desk.tile.step()
    (seen,) = desk.sent()
    assert (seen.px, seen.kind, seen.reserved) == (105, 1, 155)


def test_an_amendment_goes_on_with_its_margin_or_is_refused_by_its_number(desk: Desk) -> None:
    """V-11."""
    desk.order(1)
    desk.tile.step()
    desk.sent()
    desk.release(
        "ORDER_ACCEPTED", oid=1, user_id=1, side=BUY, px=100, qty=10, reserved=100, flags=RESTS
    )
    desk.ask("AMEND_REQUEST", oid=1, px=100, qty=15, request_id=4, side=BUY)
    desk.ask("AMEND_REQUEST", oid=1, px=100, qty=15, request_id=5, side=BUY, user_id=2)
    desk.ask("AMEND_REQUEST", oid=2, px=100, qty=1 << 40, request_id=6, side=BUY)
    desk.ask("AMEND_REQUEST", oid=2, px=100, qty=5, request_id=7, side=BUY, symbol_id=9)
    desk.tile.step()

    (seen,) = desk.sent()
    assert seen.record.name == "ORDER_AMEND"
    assert (seen.oid, seen.px, seen.qty, seen.request_id, seen.side) == (1, 100, 15, 4, BUY)
    assert (seen.reserved, seen.assumed, seen.extra, seen.extra_qty) == (150, 15, 50, 5)
    told = [(a.oid, a.request_id, a.reason) for a in desk.answers()]
    assert told == [(0, 5, 3007), (0, 6, 2001), (0, 7, 1007)]


def test_a_refused_amendment_tells_what_it_would_take(desk: Desk) -> None:
    desk.ask("AMEND_REQUEST", oid=2, px=100, qty=1 << 40, request_id=6, side=BUY)
    desk.tile.step()
    (seen,) = desk.answers()
    assert (seen.required, seen.available) == (10 << 40, 1 << 40)


def test_settings_are_logged_in_full(desk: Desk) -> None:
    """A-7."""
    desk.ask("ACCOUNT_CONFIG_REQUEST", request_id=1, owner_group=5, fields=1)
    desk.ask("ACCOUNT_CONFIG_REQUEST", request_id=2, stp=3, fields=2)
    desk.ask("ACCOUNT_CONFIG_REQUEST", request_id=3, stp=4, fields=2)
    desk.ask("ACCOUNT_CONFIG_REQUEST", request_id=4, stp=1, fields=2, user_id=6)
    desk.tile.step()

    logged = [(r.record.name, r.request_id, r.user_id, r.owner_group, r.stp, r.header_flags)
              for r in desk.logged()]  # fmt: skip
    assert logged == [("ACCOUNT_CONFIG", 1, 1, 5, 0, 1), ("ACCOUNT_CONFIG", 2, 1, 5, 3, 1)]
    assert [(a.request_id, a.reason) for a in desk.answers()] == [(3, 1014), (4, 2007)]


def test_marks_go_on_to_their_symbol_in_order(desk: Desk) -> None:
    """K-3."""
    for px, symbol in ((101, 1), (300, 2), (102, 1)):
        desk.rings["mark_risk"].push(
            records.MARK_UPDATE.pack(ts_ns=9, mark_px=px, index_px=px + 1, symbol_id=symbol)
        )
    desk.tile.step()
    told = [(m.mark_px, m.index_px, m.ts_ns) for m in desk.sent(1)]
    assert told == [(101, 102, 9), (102, 103, 9)]
    assert [m.mark_px for m in desk.sent(2)] == [300]
    assert desk.ledger.mark(1) == 100, "it counts when released"


def test_a_mark_of_an_unknown_market_stops_the_exchange(desk: Desk) -> None:
    desk.rings["mark_risk"].push(records.MARK_UPDATE.pack(mark_px=1, symbol_id=9))
    with pytest.raises(InvariantError, match="1401"):
        desk.tile.step()


# --- full rings ----------------------------------------------------------------------------------


def order_to(desk: Desk) -> None:
    desk.order(50)


def amend_to(desk: Desk) -> None:
    desk.ask("AMEND_REQUEST", oid=1, px=100, qty=15, request_id=50, side=BUY)


def trigger_to(desk: Desk) -> None:
    desk.ask("TRIGGER_REQUEST", oid=50, kind=2, qty=1, trigger_px=120)


def cancel_to(desk: Desk) -> None:
    desk.ask("CANCEL_REQUEST", oid=50)


def cancel_all_to(desk: Desk) -> None:
    desk.ask("CANCEL_ALL_REQUEST", scope=3, sides=3)


def mode_to(desk: Desk) -> None:
    desk.ask("MODE_REQUEST", mode=3)


@pytest.mark.parametrize(
    "request_to", [order_to, amend_to, trigger_to, cancel_to, cancel_all_to, mode_to]
)
def test_a_request_waits_for_its_symbols_ring_and_those_behind_it_too(
    desk: Desk, request_to: Callable[[Desk], None]
) -> None:
    """T-6: nothing is lost, doubled or overtaken, and settling goes on."""
    desk.fill(desk.matching[0])
    request_to(desk)
    desk.order(60, symbol_id=2)
    for _ in range(3):
        desk.tile.step()
    assert desk.sent(2) == []
    assert desk.ledger.account(1)["frozen"] == 0, "nothing is reserved while it waits"
    assert desk.tile.counters()["stalls"] >= 3
    desk.release("MARK_PRICE", mark_px=100)
    assert desk.tile.released_seq == desk.seq

    desk.sent(1)
    desk.tile.step()
    assert len(desk.sent(1)) == 1
    assert [o.oid for o in desk.sent(2)] == [60]


def test_a_refusal_waits_for_room_at_the_gateway(desk: Desk) -> None:
    desk.fill(desk.rings["risk_gateway"])
    desk.ask("CANCEL_REQUEST", symbol_id=9, request_id=1)
    desk.ask("CANCEL_REQUEST", oid=8, request_id=2)
    desk.tile.step()
    assert desk.sent() == []
    desk.answers()
    desk.tile.step()
    assert [a.request_id for a in desk.answers()] == [1]
    assert [c.oid for c in desk.sent()] == [8]


@pytest.mark.parametrize("ring", ["risk_wal", "risk_gateway"])
@pytest.mark.parametrize("name", ["DEPOSIT_REQUEST", "ACCOUNT_CONFIG_REQUEST"])
def test_what_is_logged_waits_for_room_and_is_logged_once(desk: Desk, ring: str, name: str) -> None:
    desk.fill(desk.rings[ring])
    values = {"amount": 5} if name == "DEPOSIT_REQUEST" else {"fields": 1, "owner_group": 3}
    desk.ask(name, request_id=1, **values)
    for _ in range(3):
        desk.tile.step()
    desk.answers()
    desk.logged()
    desk.tile.step()
    assert [r.request_id for r in desk.logged()] == [1]


WAITING = [
    ("ORDER_REQUEST", {"oid": 9, "px": 100, "qty": 10}),
    ("TRIGGER_REQUEST", {"oid": 9, "kind": 2, "qty": 1, "trigger_px": 120}),
    ("ACCOUNT_CONFIG_REQUEST", {"fields": 1, "owner_group": 3}),
    ("MARGIN_CONFIG_REQUEST", {"fields": 1, "leverage": 4}),
    ("WITHDRAW_REQUEST", {"amount": 5}),
]


@pytest.mark.parametrize(("name", "values"), WAITING, ids=[name for name, _ in WAITING])
def test_requests_wait_for_the_settings_that_will_hold(
    desk: Desk, name: str, values: dict[str, Any]
) -> None:
    """V-17: and those behind them; what came before the settings does not."""
    desk.order(1)
    desk.ask("MARGIN_CONFIG_REQUEST", request_id=1, fields=1, leverage=2)
    desk.ask(name, **values)
    desk.order(60, user_id=2, symbol_id=2)
    for _ in range(3):
        desk.tile.step()
    assert [o.oid for o in desk.sent()] == [1]
    assert desk.sent(2) == []
    (asked,) = desk.logged()
    assert (asked.record.name, asked.leverage) == ("MARGIN_CONFIG", 2)
    assert desk.tile.counters()["stalls"] >= 3

    desk.release("MARGIN_CONFIG", user_id=1, leverage=2, request_id=1)
    desk.tile.step()
    assert [o.oid for o in desk.sent(2)] == [60]
    answered = desk.sent() + desk.logged()
    assert len(answered) == 1
    if name == "ORDER_REQUEST":
        assert answered[0].reserved == 500, "judged by the new leverage"


def test_those_of_others_do_not_wait_for_the_settings_of_one(desk: Desk) -> None:
    """V-17."""
    desk.ask("MARGIN_CONFIG_REQUEST", request_id=1, fields=1, leverage=2)
    desk.order(60, user_id=2)
    desk.tile.step()
    assert [o.oid for o in desk.sent()] == [60]


@pytest.mark.parametrize("room", range(4))
def test_the_rules_of_a_market_go_on_together(desk: Desk, room: int) -> None:
    """SY-3: with room for fewer than four nothing of them goes, and nothing behind them."""
    rules = rules_records(make_symbol(id=1, reference_px=100), version=2)
    for _ in range(DEPTH - room):
        assert desk.matching[0].push(records.ACCOUNT_QUERY.pack())
    for record in rules:
        desk.rings["gateway_risk"].push(record)
    desk.order(60)
    for _ in range(3):
        desk.tile.step()
    assert names(desk.sent()) == ["ACCOUNT_QUERY"] * (DEPTH - room)
    desk.tile.step()

    assert names(desk.sent()) == [
        "SYMBOL_CONFIG", "SYMBOL_LIMITS", "SYMBOL_RISK", "SYMBOL_BRACKETS", "ORDER_NEW",
    ]  # fmt: skip


def test_marks_wait_for_their_symbols_ring(desk: Desk) -> None:
    desk.fill(desk.matching[0])
    for px, symbol in ((101, 1), (300, 2)):
        desk.rings["mark_risk"].push(records.MARK_UPDATE.pack(mark_px=px, symbol_id=symbol))
    desk.tile.step()
    assert desk.sent(2) == []
    desk.sent(1)
    desk.tile.step()
    assert [m.mark_px for m in desk.sent(1)] == [101]
    assert [m.mark_px for m in desk.sent(2)] == [300]


# --- fired triggers ------------------------------------------------------------------------------


def test_an_order_sees_the_margin_that_was_freed_in_the_same_duty_cycle(desk: Desk) -> None:
    """PRE-18: what the log released is settled before requests are judged."""
    qty = (1 << 40) // 19  # at 100 and 10 % more than half of what there is
    desk.order(1, qty=qty)
    desk.order(2, qty=qty)
    desk.tile.step()
    (sent,) = desk.sent()
    assert [view.oid for view in desk.answers()] == [2]

    desk.order(3, qty=qty)
    desk.release("ORDER_REJECTED", oid=1, user_id=1, side=BUY, qty=qty, reason=3001,
                 released=sent.reserved)  # fmt: skip
    assert [view.oid for view in desk.sent()] == [3]


def test_a_fired_trigger_becomes_an_order_of_its_own_kind_id_and_flags(desk: Desk) -> None:
    """V-14."""
    desk.release("TRIGGER_FIRED", **desk.fired(9, flags=32, stp=1))
    desk.release(
        "TRIGGER_FIRED", symbol=2, **desk.fired(10, kind=3, px=90, tif=3, expire_s=77, flags=1)
    )
    (first,), (second,) = desk.sent(1), desk.sent(2)
    assert (first.record.name, first.oid, first.kind, first.flags) == ("ORDER_NEW", 9, 2, 32)
    assert (first.px, first.tif, first.reserved, first.stp, first.cid_len) == (105, 1, 155, 1, 0)
    assert (second.px, second.tif, second.expire_s, second.reserved) == (90, 3, 77, 100)


def test_a_fired_trigger_that_cannot_be_an_order_is_refused_to_matching(desk: Desk) -> None:
    desk.release("TRIGGER_FIRED", **desk.fired(9, qty=1 << 50, kind=3, px=100))
    (seen,) = desk.sent()
    assert seen.record.name == "TRIGGER_REFUSED"
    assert (seen.oid, seen.user_id, seen.symbol_id, seen.reason) == (9, 1, 1, 2001)
    assert desk.answers() == []
    assert desk.ledger.account(1)["frozen"] == 0


def test_fired_triggers_wait_in_line_before_every_request_and_settling_goes_on(desk: Desk) -> None:
    desk.fill(desk.matching[0])
    desk.order(60)
    for oid in (9, 10, 11):
        desk.release("TRIGGER_FIRED", **desk.fired(oid))
    desk.release("TRIGGER_FIRED", symbol=2, **desk.fired(12))
    desk.release("MARK_PRICE", mark_px=100)
    assert desk.tile.counters()["triggers_fired"] == 4
    assert (desk.tile.released_seq, desk.sent(2)) == (desk.seq, [])

    desk.sent(1)
    desk.tile.step()
    assert [o.oid for o in desk.sent(1)] == [9, 10, 11, 60]
    assert [o.oid for o in desk.sent(2)] == [12]
    assert desk.tile.counters()["triggers_fired"] == 0


def test_as_many_as_can_have_fired_fit_and_one_more_stops_the_exchange(desk: Desk) -> None:
    """TR-5: 1024 of each symbol."""
    for ring in desk.matching:
        desk.fill(ring)
    for oid in range(1, 2049):
        desk.release("TRIGGER_FIRED", symbol=1 + oid % 2, **desk.fired(oid))
    with pytest.raises(InvariantError, match="1403"):
        desk.release("TRIGGER_FIRED", **desk.fired(3000))


def test_requests_wait_for_all_that_fired_also_for_more_than_one_cycles_worth(desk: Desk) -> None:
    seen: list[int] = []
    desk.fill(desk.matching[0])
    for oid in range(1, 1025):
        desk.release("TRIGGER_FIRED", **desk.fired(oid, qty=1, kind=3, px=50))
    desk.order(5000)
    desk.sent()
    for _ in range(20):
        desk.tile.step()
        seen += [o.oid for o in desk.sent()]
    assert seen == [*range(1, 1025), 5000]


def test_they_go_round_the_circle_in_the_order_in_which_they_fired(desk: Desk) -> None:
    seen = []
    for oid in range(1, 5001):
        desk.release("TRIGGER_FIRED", **desk.fired(oid, qty=1, kind=3, px=50))
        seen += [o.oid for o in desk.sent()]
    assert seen == list(range(1, 5001))


def test_those_that_the_log_left_are_given_to_it_before_the_start(desk: Desk) -> None:
    """TR-9."""
    desk.tile.load_fired(records.TRIGGER_FIRED.pack(symbol_id=1, **desk.fired(9)))
    with pytest.raises(ValueError, match="no TRIGGER_FIRED"):
        desk.tile.load_fired(records.DEPOSIT.pack(user_id=1, amount=1))
    with pytest.raises(ValueError, match="12 bytes"):
        desk.tile.load_fired(b"x" * 12)
    desk.tile.step()
    assert [o.oid for o in desk.sent()] == [9]
