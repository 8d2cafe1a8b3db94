"""What was told, and what the log says of it after an end.

`Witness` hears every record as it is released, keeps it, and folds it into the two auditors of
this package once it can no longer be lost. After a recovery it is shown the log: whatever was
promised (specs/wal.md L-25) must be in it, unchanged and in its place. It reads bytes alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from rsx.records import BY_NAME, RECORD_SIZE, RECORDS
from rsx.sim.auditor.fold import LIVE, Fold
from rsx.sim.auditor.orders import Auditor
from rsx.sim.auditor.rows import ROWS, is_sealed, rows

DURABLE = frozenset(record.type for record in RECORDS if record.durable)
LOG_STARTED = BY_NAME["LOG_STARTED"].type
STEP = BY_NAME["LIQUIDATION_STEP"].type
# Requests of these kinds carry a number of their own, and are executed at most once.
ONCE = frozenset(
    BY_NAME[name].type
    for name in ("DEPOSIT", "WITHDRAWAL", "MARGIN_TRANSFERRED", "CANCEL_ALL_DONE", "TRADING_MODE",
                 "ACCOUNT_CONFIG", "MARGIN_CONFIG", "CANCEL_REJECTED", "AMEND_REJECTED")
)  # fmt: skip
TAKEN = frozenset(BY_NAME[name].type for name in ("ORDER_ACCEPTED", "TRIGGER_PLACED"))
COUNT_EVERY = 512
SEAL_EVERY = 64
NS = 1_000_000_000


class Broken(Exception):
    """A promise or an invariant does not hold. rule: as in specs; seq: of the record, 0 = none."""

    def __init__(self, rule: str, seq: int, text: str):
        super().__init__(f"{rule} at record {seq}: {text}" if seq else f"{rule}: {text}")
        self.rule = rule
        self.seq = seq


def type_at(log: bytes | bytearray, seq: int) -> int:
    at = (seq - 1) * RECORD_SIZE
    return log[at + 2] | log[at + 3] << 8


class Witness:
    """Args  symbols: the rules before the log says others; mark_source: as in the configuration;
    durability: the mode whose promises hold; window_ns: of client ids (D-1)
    """

    def __init__(
        self, symbols: Iterable[Any], mark_source: str, durability: str, window_ns: int
    ):  # fmt: skip
        self.symbols, self.mark_source = tuple(symbols), mark_source
        self.durability, self.window_ns = durability, window_ns
        self.log = bytearray()  # every record there is, in order
        self.told = 0  # the newest that was released
        self.fed = 0  # the newest that market data was given
        self.floor = 0  # up to here a recovery found it and made it durable
        self.pending: deque[Any] = deque()  # rows not yet folded
        self.epoch = self.epoch_told = 0
        self.rebuilt = 0
        self.begin()

    def begin(self) -> None:
        """Auditors that have read nothing."""
        self.orders = Auditor()
        self.money = Fold(self.symbols, self.mark_source)
        self.audited = 0
        self.done: set[tuple[int, int]] = set()  # (type, request id)
        self.taken: dict[tuple[int, int, str], tuple[int, int, int]] = {}
        self.cids_taken = 0

    @property
    def last(self) -> int:
        return len(self.log) // RECORD_SIZE

    # --- while it runs --------------------------------------------------------------------

    def starts(self, epoch: int) -> None:
        """A process begins to write records of this epoch."""
        last = self.log[-RECORD_SIZE:]
        used = int.from_bytes(last[12:16], "little")
        # LOG_STARTED is durable before anything of its life is told; not so in mode async.
        if self.durability != "async":
            used = max(used, self.epoch_told)
        if epoch <= used:
            raise Broken("INV-5", 0, f"epoch {epoch} after {used}")
        self.epoch = epoch

    def hear(self, data: bytes) -> list[Any]:
        """Records that were just released; returns them as rows."""
        heard = list(rows(data))
        due = self.last + 1
        for index, row in enumerate(heard):
            if row.seq != due + index:
                raise Broken("INV-5", row.seq, f"released where {due + index} is due")
            if row.epoch != self.epoch:
                raise Broken("INV-5", row.seq, f"epoch {row.epoch} in the life of {self.epoch}")
            if row.type == LOG_STARTED:
                self.epoch_told = row.epoch  # SEGMENT_STARTED may come before it, and says nothing
            if row.seq % SEAL_EVERY == 0:
                at = index * RECORD_SIZE
                if not is_sealed(data[at : at + RECORD_SIZE]):
                    raise Broken("L-20", row.seq, f"{row.record.name} is not sealed")
        self.log += data
        self.told = self.last
        self.pending.extend(heard)
        return heard

    def hear_feed(self, data: bytes) -> None:
        """What market data was given: the same records in the same order, some may be left out."""
        for at in range(0, len(data), RECORD_SIZE):
            seq = int.from_bytes(data[at + 16 : at + 24], "little")
            if not self.fed < seq:
                raise Broken("INV-7", seq, f"given to market data after {self.fed}")
            self.fed = seq
            place = (seq - 1) * RECORD_SIZE
            known = self.log[place : place + RECORD_SIZE]
            # The gateway may not have fetched it yet; then it is compared when the life ends.
            if known and known != data[at : at + RECORD_SIZE]:
                raise Broken("INV-10", seq, "market data was told another record than the gateway")

    def is_promised(self, kind: int) -> bool:
        """Whether a record of this type that was seen survives the machine."""
        return self.durability == "all" or (self.durability == "fill" and kind in DURABLE)

    # --- after an end ---------------------------------------------------------------------

    def recovered(self, first: int, log: bytes, *, machine: bool, trusted: bool) -> int:
        """Hold the log that a start found against what was told; returns how many were lost.

        Args  first: number of its first record; log: its records; machine: the power was cut, and
              not only the process killed; trusted: the disk has kept its word
        """
        end = first - 1 + len(log) // RECORD_SIZE
        if first > self.last + 1:
            raise Broken("L-22", first, f"the log begins there, {self.last} is the newest known")
        self.same(first, log, min(end, self.last))
        lost = range(end + 1, self.last + 1)
        for seq in lost:
            kind = type_at(self.log, seq)
            name = ROWS[kind][0].__self__.record.name
            if trusted and not machine and seq <= self.told:
                raise Broken("L-25", seq, f"{name} was told, and is lost with the process")
            if trusted and seq <= self.floor:
                raise Broken("L-23", seq, f"{name} was found by a recovery, and is lost")
            if trusted and seq <= self.told and self.is_promised(kind):
                raise Broken("L-25", seq, f"{name} was told in mode {self.durability}, and is lost")
        if self.audited > end:
            self.read_again(end)
        del self.log[end * RECORD_SIZE :]
        while self.pending and self.pending[-1].seq > end:
            self.pending.pop()
        found = log[(self.last + 1 - first) * RECORD_SIZE :]
        self.pending.extend(rows(found))
        self.log += found
        self.told = self.floor = end
        self.fed = min(self.fed, end)
        if not trusted:
            self.epoch_told = 0
        self.audit(end)
        return len(lost)

    def same(self, first: int, log: bytes, last: int) -> None:
        """What the log has of records that are known is what is known."""
        mine = self.log[(first - 1) * RECORD_SIZE : last * RECORD_SIZE]
        if mine == log[: len(mine)]:
            return
        for at in range(0, len(mine), RECORD_SIZE):
            if mine[at : at + RECORD_SIZE] != log[at : at + RECORD_SIZE]:
                seq = first + at // RECORD_SIZE
                was, now = next(rows(mine[at : at + RECORD_SIZE])), log[at : at + RECORD_SIZE]
                told = "told" if seq <= self.told else "recovered"
                raise Broken("L-25", seq, f"{was.record.name} was {told}; the log has {now.hex()}")

    def read_again(self, end: int) -> None:
        """A disk that broke its word has lost what was folded already."""
        self.rebuilt += 1
        self.begin()
        self.pending = deque(rows(self.log[: end * RECORD_SIZE]))

    # --- folding --------------------------------------------------------------------------

    def audit(self, seq: int) -> None:
        """Fold what is known up to a number that nothing can take back."""
        pending = self.pending
        while pending and pending[0].seq <= seq:
            self.fold(pending.popleft())

    def fold(self, row: Any) -> None:
        if row.seq != self.audited + 1:
            raise Broken("INV-5", row.seq, f"the log has it behind {self.audited}")
        self.audited = row.seq
        self.orders.read(row)
        if self.orders.found:
            seq, rule, text = self.orders.found[0]
            raise Broken(rule, seq, text)
        try:
            self.money.apply(row)
            if row.seq % COUNT_EVERY == 0:
                self.money.conserved()
        except (AssertionError, KeyError) as error:
            finding = error.args[0] if error.args else ""
            rule = finding[0] if isinstance(finding, tuple) else "A-8"
            raise Broken(str(rule), row.seq, f"{finding} by {row}") from None
        if row.type in ONCE and row.request_id:
            if (row.type, row.request_id) in self.done:
                raise Broken("L-25", row.seq, f"request {row.request_id} was executed twice: {row}")
            self.done.add((row.type, row.request_id))
        if row.type in TAKEN and row.cid_len:
            self.take_cid(row)

    def take_cid(self, row: Any) -> None:
        """D-1: one execution for a client id, as long as it is remembered."""
        key = (row.user_id, row.symbol_id, row.client_id)
        oid, ts_ns, count = self.taken.get(key, (row.oid, row.ts_ns, self.cids_taken))
        if oid != row.oid:
            remembered = row.ts_ns - ts_ns <= self.window_ns
            if remembered and self.cids_taken - count < self.places_kept:
                raise Broken("D-1", row.seq, f"client id {key} of {oid} is taken again by {row}")
        if oid != row.oid or key not in self.taken:
            self.cids_taken += 1
            self.taken[key] = (row.oid, row.ts_ns, self.cids_taken)

    places_kept = 1 << 62  # acceptances after which a client id may be forgotten

    # --- at rest --------------------------------------------------------------------------

    def answered(self, requests: Iterable[Any], refused: set[int]) -> None:
        """INV-2, INV-13: each of these has its answer, which is about that order."""
        for request in requests:
            self.orders.answered(request, refused)
        if self.orders.found:
            seq, rule, text = self.orders.found[0]
            raise Broken(rule, seq, text)

    def at_rest(self, now_ns: int, stale_ns: int) -> None:
        """LQ-1: everything is folded and nothing moves: nobody is left below maintenance."""
        try:
            self.money.audit()
        except AssertionError as error:
            raise Broken(str(error.args[0][0]), self.audited, str(error)) from None
        self.orders.conservation()
        if self.mark_source == "last":
            return
        for key in list(self.money.buckets()):
            markets = [self.money.markets[s] for _, s, _ in self.money.bucket_positions(key)]
            if any(m.mark is None or m.mark.state != LIVE or m.mode
                   or now_ns - m.mark.ts_ns > stale_ns for m in markets):  # fmt: skip
                continue
            equity, maintenance = self.money.bucket(key)
            if equity < maintenance and key not in self.money.liquidations:
                raise Broken("LQ-1", self.audited, f"bucket {key} is left with {equity} below "
                             f"{maintenance}")  # fmt: skip

    # --- against the exchange ---------------------------------------------------------------

    def compare(self, ledger: Any, engines: dict[int, Any]) -> None:
        """Every account, position, sum, order and trigger of the exchange is what the log says."""
        money = self.money
        self.equal("totals", ledger.totals(), money.totals())
        for user, account in money.accounts.items():
            due = {"collateral": account.collateral, "realised": account.realised,
                   "fees": account.fees, "position_mode": account.position_mode}  # fmt: skip
            seen = ledger.account(user) or dict.fromkeys(due, 0)
            self.equal(f"account {user}", {n: seen[n] for n in due}, due)
        self.equal("accounts", set(ledger.users()) - money.accounts.keys(), set())
        for (user, symbol, leg), p in money.positions.items():
            due = {"net_qty": p.net, "entry_cost": p.cost, "wallet": p.wallet, "owed": p.owed,
                   "realised": p.realised}  # fmt: skip
            seen = ledger.position(user, symbol, leg) or dict.fromkeys(due, 0)
            self.equal(f"position {user} {symbol} {leg}", {n: seen[n] for n in due}, due)
        for symbol, engine in engines.items():
            resting = {row[0]: row[1:5] for row in engine.orders()}
            due_rows = {
                oid: (o.user, o.px, o.left, o.reserved)
                for oid, o in self.orders.resting[symbol].items()
            }
            self.equal(f"orders of market {symbol}", resting, due_rows)
            waiting = {row["oid"] for row in engine.triggers()}
            known = {o for o, t in self.orders.triggers.items()
                     if not t.ended and t.placed.symbol_id == symbol}  # fmt: skip
            self.equal(f"triggers of market {symbol}", waiting, known)

    def equal(self, what: str, seen: Any, due: Any) -> None:
        if seen == due:
            return
        if isinstance(seen, dict):
            keys = [k for k in {**seen, **due} if seen.get(k) != due.get(k)][:4]
            seen, due = {k: seen.get(k) for k in keys}, {k: due.get(k) for k in keys}
        raise Broken("INV-14", self.audited, f"{what}: the exchange has {seen}, the log says {due}")
