"""What the gateway is given after a start: orders with their terms, triggers, modes, settings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from world import make_config

from rsx.edge.orders import PENDING, RESTING, WAITING, OpenOrder, time_of
from rsx.edge.recovery import load_arguments
from rsx.records import BY_NAME, HeaderFlag, OrderFlag
from rsx.wal.state import State

RESTS, KEPT = int(OrderFlag.RESTS), int(OrderFlag.KEPT)
REDUCE_ONLY, ON_DISCONNECT = int(OrderFlag.REDUCE_ONLY), int(OrderFlag.ON_DISCONNECT)


class Log:
    """Records as a log has them, folded into a State one by one."""

    def __init__(self) -> None:
        self.state = State(make_config())
        self.seq = 0

    def write(self, name: str, symbol: int = 1, **values: Any) -> None:
        self.seq += 1
        if "cid" in values:
            values["cid_len"] = len(values["cid"])
        if name not in ("DEPOSIT", "ACCOUNT_CONFIG"):
            values["symbol_id"] = symbol
        self.state.apply(
            BY_NAME[name].pack(
                seq=self.seq, ts_ns=self.seq, stream=symbol, epoch=1,
                header_flags=HeaderFlag.GROUP_END, **values,
            )
        )  # fmt: skip

    def rests(self, oid: int, user: int, side: int, px: int, qty: int, **more: Any) -> None:
        flags = more.pop("flags", 0) | RESTS
        self.write(
            "ORDER_ACCEPTED", oid=oid, user_id=user, side=side, px=px, qty=qty, flags=flags, **more
        )

    def loaded(self) -> dict[str, Any]:
        start = SimpleNamespace(epoch=2, next_seq=self.seq + 1)
        return load_arguments(SimpleNamespace(state=self.state, start=start))


def test_orders_triggers_modes_and_settings_as_the_log_left_them() -> None:
    log = Log()
    for user in (1, 2):
        log.write("DEPOSIT", user_id=user, amount=10**12)
    limit = {"oid": 11, "user_id": 1, "kind": 3, "stp": 2, "expire_s": 9, "tif": 3, "px": 1000,
             "qty": 200, "flags": ON_DISCONNECT}  # fmt: skip
    log.write("TRIGGER_PLACED", trigger_px=1100, cid=b"gtd", **limit)
    log.write("TRIGGER_FIRED", trigger_px=1100, fired_px=1105, **limit)
    log.write("ORDER_ACCEPTED", cid=b"gtd", **limit | {"flags": ON_DISCONNECT | RESTS})
    waits = {"user_id": 2, "tif": 1, "side": 1, "qty": 50, "trigger_px": 900}
    log.write("TRIGGER_PLACED", oid=12, kind=2, cid=b"stop", stp=1, **waits)
    log.write("TRIGGER_PLACED", oid=13, kind=6, trail_ppm=500, flags=32, **waits | {"side": 0})
    log.write("TRIGGER_PLACED", oid=14, kind=2, **waits)
    log.write("TRIGGER_FIRED", oid=14, kind=2, fired_px=895, **waits)
    log.write("TRADING_MODE", symbol=2, mode=2, user_id=9)
    log.write("ACCOUNT_CONFIG", user_id=1, owner_group=7, stp=3)

    loaded = log.loaded()

    assert sorted(loaded["open_orders"]) == [
        OpenOrder(11, 1, 1, 0, 1000, 200, 0, 3, ON_DISCONNECT, "gtd", time_of(11), 0, 200,
                  3, 2, 9, RESTING),
        OpenOrder(12, 2, 1, 1, 0, 50, 0, 1, 0, "stop", time_of(12), 0, 50, 2, 1, 0, WAITING, 900),
        OpenOrder(13, 2, 1, 0, 0, 50, 0, 1, 32, "", time_of(13), 0, 50, 6, 0, 0, WAITING, 900, 0,
                  500),
        OpenOrder(14, 2, 1, 1, 0, 50, 0, 1, 0, "", time_of(14), 0, 50, 2, 0, 0, PENDING, 900, 0, 0,
                  895),
    ]  # fmt: skip
    assert loaded["modes"] == {1: 0, 2: 2}
    assert loaded["settings"] == {1: (7, 3)}
    assert (loaded["epoch"], loaded["seq"]) == (2, log.seq)
    assert loaded["next_oid_floor"] == 14


def test_what_was_cut_is_forgotten_by_an_amendment() -> None:
    """AM-1: qty is new, earlier cuts are not in it; a cut after it counts again."""
    log = Log()
    for user in (1, 2):
        log.write("DEPOSIT", user_id=user, amount=10**12)
    trade = {"px": 1000, "qty": 200, "taker_user_id": 1, "maker_user_id": 2}
    log.rests(20, 2, 1, 1000, 200)
    log.write("ORDER_ACCEPTED", oid=21, user_id=1, side=0, px=1000, qty=200)
    log.write("FILL", taker_oid=21, maker_oid=20, **trade)
    of_order = {"oid": 22, "user_id": 1, "side": 1, "flags": REDUCE_ONLY, "px": 1100}
    log.rests(22, 1, 1, 1100, 200, flags=REDUCE_ONLY)
    log.write("ORDER_REDUCED", cancelled_qty=50, remaining=150, reason=3103, **of_order)
    assert told(log) == (200, 150)

    amended = of_order | {"flags": REDUCE_ONLY | KEPT}
    log.write("ORDER_AMENDED", qty=120, remaining=120, **amended)
    assert told(log) == (120, 120)
    log.write("ORDER_REDUCED", cancelled_qty=20, remaining=100, reason=3103, **of_order)

    assert told(log) == (120, 100)


def told(log: Log) -> tuple[int, int]:
    """Whole and open quantity of the one order that rests."""
    (order,) = log.loaded()["open_orders"]
    return order.qty, order.remaining
