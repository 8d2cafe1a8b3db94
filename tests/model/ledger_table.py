"""Cases of accounts and margin as tables, one event a line; what stands behind an arrow is due.

u1 deposits 1000
u1 buys 10 @ 100 of u9                     both orders accepted with nothing reserved, then filled
u1 buys 10 @ 100 of u9 closing             the first reduces only; orders of hedgers name their leg
u1 withdraws 10
u1 sets leverage 5, u1 sets isolated 5, u1 hedges
u1 moves 50 to leg 0                       collateral to (negative: from) an isolated position
mark 110                                   a MARK_PRICE; `in 2` at a line's end: symbol 2
now 90                                     the clock (s), for marks and checks from here on
u1 asks buy 10 @ 100         -> passes 101           or: refused 2001 needs 101 of 100
u1 asks buy 10 @ 100 reduce  -> passes 0
u1 asks buy 10 @ market      -> passes 105 @ 105
u1 fired buy 10 @ market     -> passes 105 @ 105     a trigger's order
u1 amends #1 to 15 @ 100     -> passes 150 for 15 extra 50 and 5     margin, for how much, in flight
amended #1                   the first amendment of it without an answer; then ` matching`: it does
amendment refused #1         `cancelled by amendment #1`: to no more than had traded
released #1                  its order came after its trigger had ended
accepted #1                                the order of the first `asks` line reached the log
rejected #1
cancelled #1 4 releases 40                 `cut` in place of `cancelled`: ORDER_REDUCED
filled #1 4 @ 100 releases 40 fee 2 by u9
u1 equity available          -> 1100 900   fields of the account
u1 position                  -> 10 1000 0  net, cost, realised
u1 open                      -> 61 6 0     frozen, open buys, open sells
u1 wallet                    -> 50         of leg 0; `u1 short leg` tells the position of leg 1
"""

from __future__ import annotations

import re
from typing import Any

from model.wire import make_request, view

from rsx import records
from rsx.records import View

NS = 1_000_000_000
REDUCE_ONLY, RESTS, HEDGE = 2, 4, 128
POSITION = ("net_qty", "entry_cost", "realised")
OPEN = ("frozen", "open_buy_qty", "open_sell_qty")


class LedgerTable:
    """Runs lines against one ledger; `log` keeps every record applied, `fold` applies them anew."""

    def __init__(self, ledger: Any):
        self.ledger = ledger
        self.now_ns = 0
        self.asked: dict[int, Any] = {}  # order number -> (request, reserved)
        self.orders: dict[int, dict[str, int]] = {}  # accepted: px, left, filled, reserved
        self.amending: list[tuple[Any, dict[str, int]]] = []  # without an answer
        self.requests = 0
        self.hedgers: set[int] = set()
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
        data = record.pack(
            ts_ns=self.now_ns, seq=len(self.log) + 1, stream=values.get("symbol_id", 1), **values
        )
        self.log.append(data)
        self.ledger.apply(data, live=live)

    # --- lines --------------------------------------------------------------------------

    def deposits(self, _: int, user: str, amount: str) -> None:
        self.apply(records.DEPOSIT, user_id=int(user), amount=int(amount))

    def now(self, _: int, seconds: str) -> None:
        self.now_ns = int(seconds) * NS

    def mark(self, symbol_id: int, px: str) -> None:
        self.apply(records.MARK_PRICE, symbol_id=symbol_id, mark_px=int(px))

    def withdraws(self, _: int, user: str, amount: str) -> None:
        self.apply(records.WITHDRAWAL, user_id=int(user), amount=int(amount))

    def sets(self, symbol_id: int, user: str, mode: str, leverage: str) -> None:
        self.apply(records.MARGIN_CONFIG, user_id=int(user), symbol_id=symbol_id,
                   leverage=int(leverage), margin_mode=int(mode == "isolated"),
                   position_mode=int(int(user) in self.hedgers))  # fmt: skip

    def hedges(self, _: int, user: str) -> None:
        self.hedgers.add(int(user))
        self.apply(records.MARGIN_CONFIG, user_id=int(user), position_mode=1)

    def moves(self, symbol_id: int, user: str, amount: str, leg: str) -> None:
        self.apply(records.MARGIN_TRANSFERRED, user_id=int(user), symbol_id=symbol_id,
                   amount=int(amount), leg=int(leg))  # fmt: skip

    def trades(
        self, symbol_id: int, user: str, verb: str, qty: str, px: str, other: str,
        fees: str | None, closing: str | None,
    ) -> None:  # fmt: skip
        taker_fee, maker_fee = map(int, fees.split("/")) if fees else (0, 0)
        side = int(verb == "sells")
        legs = [HEDGE if int(who) in self.hedgers else 0 for who in (other, user)]
        legs[1] |= REDUCE_ONLY if closing else 0
        self.hidden += 2
        taker, maker = self.hidden, self.hidden + 1
        for oid, who, way, flags, leg in (
            (maker, other, 1 - side, RESTS, legs[0]), (taker, user, side, 0, legs[1])
        ):  # fmt: skip
            self.apply_order(
                records.ORDER_ACCEPTED, symbol_id, oid=oid, user_id=int(who), side=way,
                qty=int(qty), px=int(px), flags=flags | leg,
            )  # fmt: skip
        self.apply_order(
            records.FILL, symbol_id, taker_oid=taker, maker_oid=maker, px=int(px),
            qty=int(qty), taker_user_id=int(user), maker_user_id=int(other), taker_side=side,
            taker_fee=taker_fee, maker_fee=maker_fee, taker_flags=legs[1], maker_flags=legs[0],
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
        self, symbol_id: int, user: str, way: str, verb: str, qty: str, px: str, reduce: str | None
    ) -> str:
        oid = len(self.asked) + 1
        market = px == "market"
        kind = int(market) if way == "asks" else 2 if market else 3
        request = make_request(
            "ORDER_REQUEST" if way == "asks" else "TRIGGER_FIRED", oid=oid, user_id=int(user),
            symbol_id=symbol_id, side=int(verb == "sell"), qty=int(qty),
            px=0 if market else int(px), flags=REDUCE_ONLY if reduce else 0, kind=kind,
            tif=int(market),
        )  # fmt: skip
        reason, required, available, price, *_ = self.ledger.check(request, self.now_ns)
        self.asked[oid] = (view(request), required, price)
        if not reason:
            return f"passes {required} @ {price}" if market else f"passes {required}"
        if reason == 2001:
            return f"refused {reason} needs {required} of {available}"
        return f"refused {reason}"

    def answered(self, _: int, word: str, oid: str) -> None:
        request, required, px = self.asked[int(oid)]
        values = {"oid": int(oid), "user_id": request.user_id, "side": request.side,
                  "qty": request.qty, "flags": request.flags}  # fmt: skip
        if word == "accepted":
            order = {"px": px, "left": request.qty, "filled": 0, "reserved": required}
            self.orders[int(oid)] = order
            values["flags"] |= RESTS
            self.apply_order(records.ORDER_ACCEPTED, request.symbol_id, live=True, px=px,
                             reserved=required, **values)  # fmt: skip
            return
        record = {"rejected": records.ORDER_REJECTED, "duplicate": records.ORDER_DUPLICATE,
                  "released": records.ORDER_RELEASED}[word]  # fmt: skip
        self.apply_order(record, request.symbol_id, live=True, released=required, **values)

    def ended(self, _: int, word: str, oid: str, qty: str, released: str) -> None:
        request = self.asked[int(oid)][0]
        order = self.orders[int(oid)]
        order["left"] -= int(qty)
        order["reserved"] -= int(released)
        values = {
            "oid": int(oid),
            "user_id": request.user_id,
            "side": request.side,
            "cancelled_qty": int(qty),
            "released": int(released),
            "flags": request.flags,
        }
        if word == "cancelled":
            values["filled_qty"] = order["filled"]
        else:
            values["remaining"] = order["left"]
        self.apply_order(
            records.ORDER_CANCELLED if word == "cancelled" else records.ORDER_REDUCED,
            request.symbol_id, **values,
        )  # fmt: skip

    def filled(
        self, _: int, oid: str, qty: str, px: str, released: str, fee: str, maker: str
    ) -> None:
        """The order takes from a maker that nothing was reserved for, and rests again."""
        request, order = self.asked[int(oid)][0], self.orders[int(oid)]
        symbol_id, side = request.symbol_id, request.side
        self.hidden += 1
        self.apply_order(
            records.ORDER_ACCEPTED, symbol_id, oid=self.hidden, user_id=int(maker), side=1 - side,
            qty=int(qty), px=int(px), flags=RESTS,
        )  # fmt: skip
        self.in_hand(request, order)
        order["left"] -= int(qty)
        order["filled"] += int(qty)
        order["reserved"] -= int(released)
        self.apply_order(
            records.FILL, symbol_id, taker_oid=int(oid), maker_oid=self.hidden, px=int(px),
            qty=int(qty), taker_user_id=request.user_id, maker_user_id=int(maker), taker_side=side,
            taker_fee=int(fee), taker_release=int(released), taker_flags=request.flags,
            taker_remaining=order["left"],
        )  # fmt: skip
        if order["left"]:
            self.apply_order(
                records.ORDER_RESTED, symbol_id, oid=int(oid), user_id=request.user_id, side=side,
                px=order["px"], remaining=order["left"], reserved=order["reserved"],
                qty=order["left"] + order["filled"], flags=request.flags,
            )  # fmt: skip

    def in_hand(self, request: View, order: dict[str, int]) -> None:
        """An amendment that changes nothing, and that nobody asked for, takes it in hand."""
        self.apply_order(
            records.ORDER_AMENDED, request.symbol_id, oid=request.oid, user_id=request.user_id,
            side=request.side, flags=request.flags, px=order["px"], remaining=order["left"],
            reserved=order["reserved"], qty=order["left"] + order["filled"],
        )  # fmt: skip

    def amends(self, _: int, user: str, oid: str, qty: str, px: str) -> str:
        request = self.asked[int(oid)][0]
        self.requests += 1
        amendment = records.AMEND_REQUEST.pack(
            oid=int(oid), user_id=int(user), symbol_id=request.symbol_id, px=int(px),
            qty=int(qty), request_id=self.requests, side=request.side, flags=request.flags,
        )  # fmt: skip
        reason, reserved, assumed, extra, extra_qty, available = self.ledger.check_amend(
            amendment, self.now_ns
        )
        if reason == 2001:
            return f"refused {reason} needs {extra} of {available}"
        if reason:
            return f"refused {reason}"
        margin = {"reserved": reserved, "assumed": assumed, "extra": extra, "extra_qty": extra_qty}
        self.amending.append((view(amendment), margin))
        return f"passes {reserved} for {assumed} extra {extra} and {extra_qty}"

    def amendment(self, oid: str) -> tuple[View, dict[str, int]]:
        """The oldest one of an order without an answer, which it now gets."""
        at = next(i for i, (r, _) in enumerate(self.amending) if r.oid == int(oid))
        return self.amending.pop(at)

    def amended(self, _: int, oid: str, matching: str | None) -> None:
        """Answered as matching does (AM-6)."""
        asked, margin = self.amendment(oid)
        request, order = self.asked[int(oid)][0], self.orders[int(oid)]
        left = asked.qty - order["filled"]
        order.update(px=asked.px, left=left)
        order["reserved"] = -(-margin["reserved"] * left // margin["assumed"])
        self.apply_order(
            records.ORDER_AMENDED, request.symbol_id, live=True, oid=int(oid), px=asked.px,
            qty=asked.qty, remaining=left, reserved=order["reserved"], extra=margin["extra"],
            extra_qty=margin["extra_qty"], request_id=asked.request_id, user_id=request.user_id,
            side=request.side, flags=request.flags | (0 if matching else RESTS),
        )  # fmt: skip

    def amendment_refused(self, _: int, oid: str) -> None:
        asked, margin = self.amendment(oid)
        self.apply_order(
            records.AMEND_REJECTED, asked.symbol_id, live=True, oid=int(oid), px=asked.px,
            qty=asked.qty, extra=margin["extra"], extra_qty=margin["extra_qty"],
            request_id=asked.request_id, user_id=asked.user_id, side=asked.side, reason=3007,
        )  # fmt: skip

    def cancelled_by_amendment(self, _: int, oid: str) -> None:
        """AM-2."""
        asked, margin = self.amendment(oid)
        order = self.orders[int(oid)]
        values = {"oid": int(oid), "user_id": asked.user_id, "side": asked.side,
                  "flags": asked.flags}  # fmt: skip
        if margin["extra"] or margin["extra_qty"]:
            self.apply_order(
                records.ORDER_RELEASED, asked.symbol_id, live=True, qty=margin["extra_qty"],
                released=margin["extra"], **values,
            )  # fmt: skip
        self.apply_order(
            records.ORDER_CANCELLED, asked.symbol_id, live=True, cancelled_qty=order["left"],
            filled_qty=order["filled"], released=order["reserved"], reason=3109,
            request_id=asked.request_id, **values,
        )  # fmt: skip

    def account(self, symbol_id: int, user: str, words: str) -> str:
        if words in ("position", "open"):
            seen = self.ledger.position(int(user), symbol_id) or {}
            return " ".join(
                str(seen.get(n, 0)) for n in (POSITION if words == "position" else OPEN)
            )
        if words == "short leg":
            seen = self.ledger.position(int(user), symbol_id, 1) or {}
            return " ".join(str(seen.get(n, 0)) for n in POSITION)
        if words == "wallet":
            return str((self.ledger.position(int(user), symbol_id) or {}).get("wallet", 0))
        seen = self.ledger.account(int(user), self.now_ns)
        return " ".join(str(seen[name]) for name in words.split()) if seen else "none"


PATTERNS = (
    (r"u(\d+) deposits (-?\d+)", "deposits"),
    (r"now (\d+)", "now"),
    (r"mark (\d+)", "mark"),
    (r"u(\d+) (buys|sells) (\d+) @ (\d+) of u(\d+)(?: fees (-?\d+/-?\d+))?( closing)?", "trades"),
    (r"u(\d+) withdraws (\d+)", "withdraws"),
    (r"u(\d+) sets (leverage|isolated) (\d+)", "sets"),
    (r"u(\d+) hedges", "hedges"),
    (r"u(\d+) moves (-?\d+) to leg (\d)", "moves"),
    (r"u(\d+) (asks|fired) (buy|sell) (\d+) @ (\d+|market)( reduce)?", "asks"),
    (r"u(\d+) amends #(\d+) to (\d+) @ (\d+)", "amends"),
    (r"amended #(\d+)( matching)?", "amended"),
    (r"amendment refused #(\d+)", "amendment_refused"),
    (r"cancelled by amendment #(\d+)", "cancelled_by_amendment"),
    (r"(accepted|rejected|duplicate|released) #(\d+)", "answered"),
    (r"(cancelled|cut) #(\d+) (\d+) releases (\d+)", "ended"),
    (r"filled #(\d+) (\d+) @ (\d+) releases (\d+) fee (-?\d+) by u(\d+)", "filled"),
    (r"u(\d+) ([a-z_ ]+)", "account"),
)
