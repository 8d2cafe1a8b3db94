"""Many clients behind one gateway: what they ask, what they hear, what they ask again.

Stands where the gateway stands: requests go into gateway_risk as the edge would send them (what
the edge refuses is not sent), and every one of them must be answered. Source: specs/sim.md 5.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from rsx import records
from rsx.records import BY_NAME
from rsx.rules import RuleError, SymbolConfig, check_rules, from_records, to_records
from rsx.sim.chance import MILLION, Chance
from rsx.sim.plan import Plan

BUY, SELL = 0, 1
GTC, IOC, FOK, GTD = range(4)
POST_ONLY, REDUCE_ONLY, REPRICE, LAST_PRICE, HEDGE = 1, 2, 8, 32, 128
MARKET, STOP_MARKET, STOP_LIMIT, TAKE_MARKET, TAKE_LIMIT, TRAILING = range(1, 7)
ADMIN = 9
SECOND = 1_000_000_000
OF_ORDERS = frozenset(
    BY_NAME[name].type
    for name in ("ORDER_ACCEPTED", "ORDER_REJECTED", "ORDER_DUPLICATE", "TRIGGER_PLACED",
                 "TRIGGER_REJECTED", "REQUEST_REJECTED")
)  # fmt: skip
ENDS = frozenset(
    BY_NAME[name].type for name in ("ORDER_CANCELLED", "ORDER_REJECTED", "TRIGGER_CANCELLED")
)
ACCEPTED, PLACED, FILL, AMENDED, MARGIN_CONFIG, BRACKETS, REFUSED = (
    BY_NAME[name].type
    for name in ("ORDER_ACCEPTED", "TRIGGER_PLACED", "FILL", "ORDER_AMENDED", "MARGIN_CONFIG",
                 "SYMBOL_BRACKETS", "REQUEST_REJECTED")
)  # fmt: skip
RULES = frozenset(
    BY_NAME[name].type
    for name in ("SYMBOL_CONFIG", "SYMBOL_LIMITS", "SYMBOL_RISK", "SYMBOL_BRACKETS")
)
KNOWN_MAX = 400
OF_A_LIVE_ONE = ("oid", "user_id", "symbol_id", "side", "flags", "px", "qty")


class Clients:
    """Args  push(user, record) -> bool: hands a request over, False = OVERLOADED"""

    def __init__(self, plan: Plan, chance: Chance, push: Callable[[int, bytes], bool]):
        self.chance, self.push = chance, push
        self.users, self.features = plan.users, plan.features
        self.bold_ppm = plan.bold_ppm
        self.rules: dict[int, SymbolConfig] = {s.id: s for s in plan.config.symbols}
        self.px = {s.id: s.reference_px for s in plan.config.symbols}
        self.rules_coming: dict[int, list[Any]] = {}
        self.rules_asked: dict[int, int] = {}  # market -> version that is on its way
        self.hedged: set[int] = set()
        self.live: dict[int, tuple[int, int, int, int, int, int]] = {}
        self.known: deque[tuple[int, ...]] = deque(maxlen=KNOWN_MAX)  # lately sent; as in live
        self.asked: dict[tuple[str, int], Any] = {}  # without an answer
        self.completed: list[Any] = []  # orders that were answered since the last rest
        self.refused: set[int] = set()
        self.again: deque[dict[str, Any]] = deque()  # unanswered at the end of a process
        self.oid = self.request_id = self.cid = 0
        self.overloaded = self.duplicates = 0
        self.now_ns = 0
        self.acts = self.draw_acts()

    def draw_acts(self) -> list[Callable[[], None]]:
        """What is asked, with the chances of this seed."""
        chance, features = self.chance, self.features
        table: list[tuple[Callable[[], None], int]] = [
            (self.order, 30), (self.cancel, 14), (self.deposit, 2),
        ]  # fmt: skip
        optional = {
            "triggers": (self.trigger, 6), "amend": (self.amend, 10),
            "withdraw": (self.withdraw, 2), "cancel_all": (self.cancel_all, 2),
            "modes": (self.mode, 1), "rules": (self.rule, 1),
            "leverage": (self.leverage, 2), "isolated": (self.isolate, 3), "hedge": (self.hedge, 1),
            "queries": (self.query, 2), "owners": (self.owner, 1),
        }  # fmt: skip
        table += [row for name, row in optional.items() if name in features]
        if "isolated" in features:
            table.append((self.transfer, 2))
        return [act for act, weight in table for _ in range(weight * chance.within(1, 3))]

    # --- hearing --------------------------------------------------------------------------

    def hear(self, row: Any) -> None:
        """A released record."""
        kind = row.type
        if kind in OF_ORDERS:
            self.answered("oid", row.oid)
            if kind in (ACCEPTED, PLACED):
                flags = row.flags & ~4
                self.live[row.oid] = (row.user_id, row.symbol_id, row.side, flags, row.px, row.qty)
        elif kind == FILL:
            if not row.taker_remaining:
                self.live.pop(row.taker_oid, None)
            if not row.maker_remaining:
                self.live.pop(row.maker_oid, None)
            return
        elif kind == AMENDED and row.oid in self.live:
            self.live[row.oid] = (*self.live[row.oid][:4], row.px, row.qty)
        elif kind == MARGIN_CONFIG and not row.symbol_id:
            (self.hedged.add if row.position_mode else self.hedged.discard)(row.user_id)
        elif kind in RULES:
            self.hear_rules(row)
        if kind in ENDS:
            self.live.pop(row.oid, None)
        request_id = getattr(row, "request_id", 0)
        if request_id:
            self.answered("request_id", request_id)

    def hear_rules(self, row: Any) -> None:
        coming = self.rules_coming.setdefault(row.symbol_id, [])
        coming.append(row)
        if row.type == BRACKETS:
            self.rules[row.symbol_id] = from_records(coming)
            coming.clear()
            if row.config_version == self.rules_asked.get(row.symbol_id):
                del self.rules_asked[row.symbol_id]

    def hear_answer(self, row: Any) -> None:
        """From risk, past the log."""
        if row.type == REFUSED:
            if row.oid and self.answered("oid", row.oid):
                self.refused.add(row.oid)
            elif row.request_id:
                self.answered("request_id", row.request_id)
        elif row.record.name == "ACCOUNT_STATE":
            self.answered("request_id", row.request_id)

    def answered(self, key: str, number: int) -> bool:
        request = self.asked.pop((key, number), None)
        if request is not None and key == "oid":
            self.completed.append(request)
        return request is not None

    # --- a new process --------------------------------------------------------------------

    def process_ended(self) -> None:
        """What was not answered is unknown; the clients will send it again, with the same id."""
        for (key, _), request in self.asked.items():
            if key == "oid" and request.cid_len and request.record.name == "ORDER_REQUEST":
                values = {f.name: getattr(request, f.name) for f in request.record.fields}
                self.again.append(values)
        self.asked.clear()
        self.completed.clear()
        self.rules_coming.clear()
        self.rules_asked.clear()
        while len(self.again) > 64:
            self.again.popleft()

    def process_started(self, oid_max: int, rules: dict[int, SymbolConfig], orders: Any) -> None:
        """orders: auditor of the log that was recovered; what it has open is open."""
        self.oid = max(self.oid, oid_max)
        self.rules = rules
        self.live = {
            row.oid: (row.user, row.symbol, row.side, row.flags & ~4, row.px, row.qty - row.cut)
            for resting in orders.resting.values() for row in resting.values()
        }  # fmt: skip
        for oid, trigger in orders.triggers.items():
            if not trigger.ended:
                p = trigger.placed
                self.live[oid] = (p.user_id, p.symbol_id, p.side, p.flags, p.px, p.qty)

    # --- asking ---------------------------------------------------------------------------

    def act(self) -> None:
        if self.again and self.chance.happens(MILLION // 4):
            self.ask_again()
        else:
            self.chance.pick(self.acts)()

    def send(self, name: str, user: int, key: str, values: dict[str, Any]) -> bool:
        record = BY_NAME[name]
        data = record.pack(**values)
        if not self.push(user, data):
            self.overloaded += 1
            return False
        self.asked[key, values[key]] = records.View(record, record.codec.unpack_from(data))
        return True

    def ask(self, name: str, user: int, **values: Any) -> bool:
        self.request_id += 1
        return self.send(name, user, "request_id", {**values, "request_id": self.request_id})

    def ask_again(self) -> None:
        values = self.again.popleft()
        self.oid += 1
        self.send_order("ORDER_REQUEST", {**values, "oid": self.oid})

    def with_cid(self) -> dict[str, Any]:
        """Mostly new ones; some that have been used."""
        if "cids" not in self.features or self.chance.happens(MILLION // 2):
            return {}
        number = self.cid - self.chance.below(8)
        if self.chance.happens(9 * MILLION // 10):
            self.cid += 1
            number = self.cid
        cid = b"c%d" % number
        return {"cid": cid, "cid_len": len(cid)}

    def price(self, symbol: SymbolConfig) -> int:
        """On tick, near the mark; sometimes anywhere."""
        chance, mark = self.chance, self.px[symbol.id]
        if chance.below(16) == 0:
            px = chance.within(1, symbol.px_max)
        else:
            px = mark * chance.within(970_000, 1_030_000) // MILLION
        px = max(1, min(px, symbol.px_max))
        return max(symbol.tick, px - px % symbol.tick_at(px))

    def quantity(self, symbol: SymbolConfig) -> int:
        worth = self.chance.pick((500, 5_000, 50_000))
        lots = self.chance.within(1, 2 * worth) // self.px[symbol.id] // symbol.lot
        return max(1, lots) * symbol.lot

    def flags(self, user: int) -> int:
        flags = HEDGE if user in self.hedged else 0
        if "garbage" in self.features and self.chance.below(64) == 0:
            flags ^= HEDGE
        if "reduce_only" in self.features and self.chance.below(5) == 0:
            flags |= REDUCE_ONLY
        return flags

    def terms(self) -> dict[str, Any]:
        """An order or trigger, but for its kind and prices."""
        chance, features = self.chance, self.features
        symbol = chance.pick(list(self.rules.values()))
        user = chance.pick(self.users)
        self.oid += 1
        return {
            "oid": self.oid, "user_id": user, "symbol_id": symbol.id, "side": chance.below(2),
            "qty": self.quantity(symbol), "flags": self.flags(user), "ts_ns": self.now_ns,
            "stp": chance.below(5) if "stp" in features else 4, **self.with_cid(),
        }  # fmt: skip

    def order(self) -> None:
        chance, features = self.chance, self.features
        values = self.terms()
        symbol, way = self.rules[values["symbol_id"]], chance.below(16)
        if way < 2 and "market" in features:
            values |= {"kind": MARKET, "tif": IOC}
        else:
            values |= {"px": self.price(symbol), "tif": GTC}
            if way < 5 and "ioc" in features:
                values["tif"] = IOC
            elif way < 6 and "fok" in features:
                values["tif"] = FOK
            elif way < 8 and "gtd" in features:
                values |= self.expiry()
            elif way < 10 and "post_only" in features:
                values["flags"] |= chance.pick((POST_ONLY, POST_ONLY | REPRICE))
        if "garbage" in features and chance.below(50) == 0:
            wrong = ({"qty": 0}, {"tif": GTD}, {"px": symbol.px_max + 7})
            values |= chance.pick(wrong[: 3 - ("kind" in values)])
        self.send_order("ORDER_REQUEST", values)

    def send_order(self, name: str, values: dict[str, Any]) -> None:
        if self.send(name, values["user_id"], "oid", values):
            self.known.append(tuple(values.get(field, 0) for field in OF_A_LIVE_ONE))

    def expiry(self) -> dict[str, int]:
        return {"tif": GTD, "expire_s": self.now_ns // SECOND + self.chance.within(1, 90)}

    def trigger(self) -> None:
        chance = self.chance
        values = self.terms()
        symbol, kind = self.rules[values["symbol_id"]], chance.within(STOP_MARKET, TRAILING)
        values |= {"kind": kind, "trigger_px": self.price(symbol), "tif": IOC}
        if kind in (STOP_LIMIT, TAKE_LIMIT):
            values |= {"px": self.price(symbol), "tif": GTC}
            if chance.below(4) == 0:
                values |= self.expiry()
        if kind == TRAILING:
            values["trigger_px"] *= chance.below(2)
            values |= chance.pick(({"trail_px": chance.within(1, 50)},
                                   {"trail_ppm": chance.within(1, 50_000)}))  # fmt: skip
        if chance.below(3) == 0:
            values["flags"] |= LAST_PRICE
        self.send_order("TRIGGER_REQUEST", values)

    def any_order(self) -> tuple[int, ...] | None:
        """An id that lives, or lived, or was never answered, with what is known of it."""
        if not self.known:
            return None
        for _ in range(3):
            sent = self.chance.pick(self.known)
            if sent[0] in self.live:
                return (sent[0], *self.live[sent[0]])
        return sent

    def cancel(self) -> None:
        found = self.any_order()
        if found is not None:
            oid, user, symbol = found[:3]
            if self.chance.below(32) == 0:
                user = self.chance.pick(self.users)
            self.ask("CANCEL_REQUEST", user, oid=oid, user_id=user, symbol_id=symbol)

    def amend(self) -> None:
        found = self.any_order()
        if found is None:
            return
        oid, user, number, side, flags, px, qty = found
        symbol = self.rules[number]
        if self.chance.below(2):
            px = self.price(symbol)
        qty += self.chance.within(-3, 3) * symbol.lot
        self.ask("AMEND_REQUEST", user, oid=oid, user_id=user, symbol_id=number, side=side,
                 flags=flags, px=max(1, px), qty=max(1, qty))  # fmt: skip

    def cancel_all(self) -> None:
        user = self.chance.pick(self.users)
        self.ask("CANCEL_ALL_REQUEST", user, user_id=user, symbol_id=self.market(),
                 sides=self.chance.within(1, 3), scope=self.chance.within(1, 3))  # fmt: skip

    def market(self) -> int:
        return self.chance.pick(list(self.rules))

    # --- money, settings, admins ----------------------------------------------------------

    def deposit(self) -> None:
        user = self.chance.pick(self.users)
        self.ask("DEPOSIT_REQUEST", user, user_id=user, amount=self.chance.within(1, 400_000))

    def withdraw(self) -> None:
        user = self.chance.pick(self.users)
        self.ask("WITHDRAW_REQUEST", user, user_id=user, amount=self.chance.within(1, 20_000))

    def transfer(self) -> None:
        user = self.chance.pick(self.users)
        self.ask("MARGIN_TRANSFER_REQUEST", user, user_id=user, symbol_id=self.market(),
                 amount=self.chance.pick((1, -1)) * self.chance.within(1, 3000),
                 leg=self.chance.below(2) if user in self.hedged else 0)  # fmt: skip

    def settings(self, symbol: int, **values: int) -> None:
        user = self.chance.pick(self.users)
        self.ask("MARGIN_CONFIG_REQUEST", user, user_id=user, symbol_id=symbol, **values)

    def leverage(self) -> None:
        self.settings(self.market(), fields=1, leverage=self.chance.pick((0, 1, 2, 5, 20, 101)))

    def isolate(self) -> None:
        self.settings(self.market(), fields=2, margin_mode=self.chance.below(2))

    def hedge(self) -> None:
        self.settings(0, fields=4, position_mode=self.chance.below(2))

    def owner(self) -> None:
        user = self.chance.pick(self.users)
        self.ask("ACCOUNT_CONFIG_REQUEST", user, user_id=user, owner_group=self.chance.below(3),
                 stp=self.chance.below(4), fields=self.chance.within(1, 3))  # fmt: skip

    def query(self) -> None:
        user = self.chance.pick(self.users)
        self.ask("ACCOUNT_QUERY", user, user_id=user)

    def mode(self) -> None:
        mode = self.chance.pick((0, 0, 0, 0, 1, 2, 3))
        self.ask("MODE_REQUEST", 0, user_id=ADMIN, symbol_id=self.market(), mode=mode)

    def rule(self) -> None:
        """One change of a market on its way at a time (SY-3)."""
        chance = self.chance
        symbol = self.rules[self.market()]
        if symbol.id in self.rules_asked:
            return
        change = chance.pick((
            {"taker_fee_ppm": chance.pick((200, 600, 900))}, {"lot": chance.pick((1, 5, 10))},
            {"price_band_ppm": chance.pick((0, 100_000, 500_000))},
            {"notional_min": chance.pick((0, 300, 3000))}, {"adl": chance.below(3)},
            {"qty_max": chance.pick((1000, 1_000_000))},
            {"liquidation_rounds": chance.below(7)},
            {"funding_interval_s": chance.pick((0, 60, 180))},
            {"initial_margin_ppm": symbol.initial_margin_ppm + 10_000},
        ))  # fmt: skip
        changed = msgspec.structs.replace(symbol, version=symbol.version + 1, **change)
        try:
            check_rules(changed)
        except RuleError:
            return
        if self.push(0, b"".join(to_records(changed, self.now_ns))):
            self.rules_asked[symbol.id] = changed.version

    # --- marks ----------------------------------------------------------------------------

    def next_mark(self, ts_ns: int) -> bytes:
        """What the mark tile would send."""
        chance = self.chance
        symbol = self.rules[self.market()]
        move = chance.within(-self.bold_ppm, self.bold_ppm)
        px = self.px[symbol.id] * (MILLION + move) // MILLION + chance.within(-1, 1)
        self.px[symbol.id] = px = max(5, min(symbol.px_max // 2, px))
        index = max(1, px * chance.within(990_000, 1_010_000) // MILLION)
        return records.MARK_UPDATE.pack(
            ts_ns=ts_ns, mark_px=px, index_px=index, symbol_id=symbol.id, sources=1,
            state=int(chance.below(20) == 0),
        )  # fmt: skip
