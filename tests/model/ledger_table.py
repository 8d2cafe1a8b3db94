"""Cases of accounts and margin as tables, one event a line; what stands behind an arrow is due.

u1 deposits 1000
u1 buys 10 @ 100 of u9                     both orders accepted with nothing reserved, then filled
mark 110                                   a MARK_PRICE; `in 2` at a line's end: symbol 2
now 90                                     the clock (s), for marks and checks from here on
u1 asks buy 10 @ 100         -> passes 101           or: refused 2001 needs 101 of 100
u1 asks buy 10 @ 100 reduce  -> passes 0
accepted #1                                the order of the first `asks` line reached the log
rejected #1
cancelled #1 4 releases 40                 `cut` in place of `cancelled`: ORDER_REDUCED
filled #1 4 @ 100 releases 40 fee 2 by u9
u1 equity available          -> 1100 900   fields of the account
u1 position                  -> 10 1000 0  net, cost, realised
u1 open                      -> 61 6 0     frozen, open buys, open sells
"""

from __future__ import annotations

import re
from typing import Any

from model.wire import order_request, view

from rsx import records

NS = 1_000_000_000
POSITION = ("net_qty", "entry_cost", "realised")
OPEN = ("frozen", "open_buy_qty", "open_sell_qty")


class LedgerTable:
    """Runs lines against one ledger; `log` keeps every record applied, `fold` applies them anew."""

    def __init__(self, ledger: Any):
        self.ledger = ledger
        self.now_ns = 0
        self.asked: dict[int, Any] = {}  # order number -> (request, reserved)
        self.hidden = 1 << 40  # ids of the orders that `buys` makes up
        self.log: list[bytes] = []

    def run(self, text: str) -> None:
        for raw in filter(None, (line.strip() for line in text.splitlines())):
            line, arrow, due = (part.strip() for part in raw.partition("->"))
            seen = self.line(line)
            assert seen == due or not arrow, f"{line}\n  due  {due}\n  seen {seen}"

    def line(self, line: str) -> str:
        line, _, symbol = line.partition(" in ")
        symbol_id = int(symbol or 1)
        for pattern, method in PATTERNS:
            if found := re.fullmatch(pattern, line):
                return str(getattr(self, method)(symbol_id, *found.groups()) or "")
        raise AssertionError(f"cannot read the line: {line}")

    def apply(self, record: records.Record, live: bool = False, **values: Any) -> None:
        data = record.pack(ts_ns=self.now_ns, seq=len(self.log) + 1, stream=1, **values)
        self.log.append(data)
        self.ledger.apply(data, live=live)

    # --- lines --------------------------------------------------------------------------

    def deposits(self, _: int, user: str, amount: str) -> None:
        self.apply(records.DEPOSIT, user_id=int(user), amount=int(amount))

    def now(self, _: int, seconds: str) -> None:
        self.now_ns = int(seconds) * NS

    def mark(self, symbol_id: int, px: str) -> None:
        self.apply(records.MARK_PRICE, symbol_id=symbol_id, mark_px=int(px))

    def trades(
        self, symbol_id: int, user: str, verb: str, qty: str, px: str, other: str, fees: str | None
    ) -> None:
        taker_fee, maker_fee = map(int, fees.split("/")) if fees else (0, 0)
        side = int(verb == "sells")
        self.hidden += 2
        for oid, who, way in ((self.hidden, user, side), (self.hidden + 1, other, 1 - side)):
            self.apply_order(
                records.ORDER_ACCEPTED, symbol_id, oid=oid, user_id=int(who), side=way,
                qty=int(qty), px=int(px),
            )  # fmt: skip
        self.apply_order(
            records.FILL, symbol_id, taker_oid=self.hidden, maker_oid=self.hidden + 1, px=int(px),
            qty=int(qty), taker_user_id=int(user), maker_user_id=int(other), taker_side=side,
            taker_fee=taker_fee, maker_fee=maker_fee,
        )  # fmt: skip

    def apply_order(self, record: records.Record, symbol_id: int, **values: Any) -> None:
        live = values.pop("live", False)
        data = record.pack(
            ts_ns=self.now_ns, seq=len(self.log) + 1, stream=symbol_id, symbol_id=symbol_id,
            **values,
        )  # fmt: skip
        self.log.append(data)
        self.ledger.apply(data, live=live)

    def asks(
        self, symbol_id: int, user: str, verb: str, qty: str, px: str, reduce: str | None
    ) -> str:
        oid = len(self.asked) + 1
        request = order_request(
            oid=oid, user_id=int(user), symbol_id=symbol_id, side=int(verb == "sell"),
            qty=int(qty), px=int(px), flags=2 if reduce else 0,
        )  # fmt: skip
        reason, required, available = self.ledger.check(request, self.now_ns)
        self.asked[oid] = (view(request), required)
        if not reason:
            return f"passes {required}"
        if reason == 2001:
            return f"refused {reason} needs {required} of {available}"
        return f"refused {reason}"

    def answered(self, _: int, word: str, oid: str) -> None:
        request, required = self.asked[int(oid)]
        accepted = word == "accepted"
        money = {"reserved" if accepted else "released": required}
        self.apply_order(
            records.ORDER_ACCEPTED if accepted else records.ORDER_REJECTED, request.symbol_id,
            live=True, oid=int(oid), user_id=request.user_id, side=request.side, px=request.px,
            qty=request.qty, flags=request.flags, **money,
        )  # fmt: skip

    def ended(self, _: int, word: str, oid: str, qty: str, released: str) -> None:
        request, _required = self.asked[int(oid)]
        self.apply_order(
            records.ORDER_CANCELLED if word == "cancelled" else records.ORDER_REDUCED,
            request.symbol_id, oid=int(oid), user_id=request.user_id, side=request.side,
            cancelled_qty=int(qty), released=int(released), flags=request.flags,
        )  # fmt: skip

    def filled(
        self, _: int, oid: str, qty: str, px: str, released: str, fee: str, maker: str
    ) -> None:
        """The order takes from a maker that nothing was reserved for."""
        request, _required = self.asked[int(oid)]
        symbol_id, side = request.symbol_id, request.side
        self.hidden += 1
        self.apply_order(
            records.ORDER_ACCEPTED, symbol_id, oid=self.hidden, user_id=int(maker), side=1 - side,
            qty=int(qty), px=int(px),
        )  # fmt: skip
        self.apply_order(
            records.FILL, symbol_id, taker_oid=int(oid), maker_oid=self.hidden, px=int(px),
            qty=int(qty), taker_user_id=request.user_id, maker_user_id=int(maker), taker_side=side,
            taker_fee=int(fee), taker_release=int(released), taker_flags=request.flags,
        )  # fmt: skip

    def account(self, symbol_id: int, user: str, words: str) -> str:
        if words in ("position", "open"):
            seen = self.ledger.position(int(user), symbol_id) or {}
            return " ".join(
                str(seen.get(n, 0)) for n in (POSITION if words == "position" else OPEN)
            )
        seen = self.ledger.account(int(user), self.now_ns)
        return " ".join(str(seen[name]) for name in words.split()) if seen else "none"


PATTERNS = (
    (r"u(\d+) deposits (-?\d+)", "deposits"),
    (r"now (\d+)", "now"),
    (r"mark (\d+)", "mark"),
    (r"u(\d+) (buys|sells) (\d+) @ (\d+) of u(\d+)(?: fees (-?\d+/-?\d+))?", "trades"),
    (r"u(\d+) asks (buy|sell) (\d+) @ (\d+)( reduce)?", "asks"),
    (r"(accepted|rejected) #(\d+)", "answered"),
    (r"(cancelled|cut) #(\d+) (\d+) releases (\d+)", "ended"),
    (r"filled #(\d+) (\d+) @ (\d+) releases (\d+) fee (-?\d+) by u(\d+)", "filled"),
    (r"u(\d+) ([a-z_ ]+)", "account"),
)
