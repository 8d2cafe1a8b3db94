"""A compiled ledger that folds records of one market, written briefly."""

from __future__ import annotations

from typing import Any

from model.symbols import make_symbol

from rsx import records

HOUR_S = 3600
START_S = 86_400 * 20_000
MINUTE_NS = 60 * 10**9
PPB = 10**9
BUY, SELL = 0, 1


class Fold:
    """A ledger that folds records of market 1."""

    def __init__(self, users: int = 4, **changes: Any):
        from rsx.risk.ledger import Ledger

        self.symbol = make_symbol(**{
            "reference_px": 333, "funding_interval_s": HOUR_S, "funding_damp_ppb": 0,
            "funding_cap_ppb": PPB, **changes,
        })  # fmt: skip
        self.ledger = Ledger((self.symbol,), accounts_max=64, positions_max=64,
                             mark_source="feed", stale_ns=10 * MINUTE_NS)  # fmt: skip
        self.seq = self.oid = 0
        for user in range(1, users + 1):
            self.put("DEPOSIT", user_id=user, amount=1 << 40)

    def put(self, name: str, **values: Any) -> None:
        self.seq += 1
        record = records.BY_NAME[name]
        if "symbol_id" in record.offsets:
            values = {"symbol_id": 1, **values}
        self.ledger.apply(record.pack(seq=self.seq, stream=1, **values))

    def mark(self, minute: float, px: int, index: int, state: int = 0) -> None:
        ts_ns = START_S * 10**9 + round(minute * 60) * 10**9
        self.put("MARK_PRICE", mark_px=px, index_px=index, state=state, ts_ns=ts_ns)

    def trade(self, buyer: int, seller: int, qty: int, px: int = 333) -> None:
        self.oid += 2
        order = {"px": px, "qty": qty}
        self.put("ORDER_ACCEPTED", oid=self.oid, user_id=seller, side=SELL, flags=4, **order)
        self.put("ORDER_ACCEPTED", oid=self.oid + 1, user_id=buyer, side=BUY, **order)
        self.put("FILL", taker_oid=self.oid + 1, maker_oid=self.oid, taker_user_id=buyer,
                 maker_user_id=seller, **order)  # fmt: skip

    def settle(self, rate: int, px: int = 333, hour: int = 1) -> None:
        self.put("FUNDING_SETTLED", interval_id=START_S // HOUR_S + hour, rate_ppb=rate, mark_px=px)

    def pay(self, rows: list[tuple[int, int, int, int]], hour: int = 1) -> None:
        for user, leg, amount, net in rows:
            self.put("FUNDING_PAYMENT", interval_id=START_S // HOUR_S + hour, user_id=user, leg=leg,
                     amount=amount, net_qty=net)  # fmt: skip

    def end(self, hour: int = 1) -> int:
        state = self.ledger.funding(1)
        sums = {name: state[name] for name in ("paid", "received", "payments")}
        interval_id = START_S // HOUR_S + hour
        self.put("FUNDING_DONE", interval_id=interval_id, residue=state["pool"], **sums)
        return int(state["pool"])
