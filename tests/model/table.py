"""Matching cases as tables, one request a line: what is asked -> the events it causes.

    u1 sell 10 @ 50000 GTC              -> accepted rests
    u2 buy 15 @ 50000 IOC               -> accepted, fill 10 @ 50000 of #1 left 5/0,
                                         + cancelled 5 3102
    u1 cancel #1                        -> refused 3007
    u1 amend #2 6 @ 100                 -> amended 6 @ 100 open 6 kept
    u1 cancel-all orders buys           -> cancelled #2 6 3110, done 1 3110
    u1 sell 10 stop 90 IOC last         -> waits
    u1 sell 10 @ 89 take 110 GTC        -> waits
    u1 sell 10 trail 5 IOC from=110     -> waits
    mark 88                             -> mark 88; fired #3 at 88 level 90
    risk sends #3 @ 85                  -> accepted, cancelled 10 3102
    risk refuses #4 2001                -> trigger #4 cancelled 2001
    mode post-only                      -> mode post-only was open
    tick at=90                          -> cancelled #2 5 3105
    u1 sell 1 @ 100 GTC cid=a           -> duplicate #5 cancelled 2+0 of 5 @ 100 3105
    u1 gives 5 sell to u2               -> moved 5
    u1 gives 5 sell to u2 adl hedge     -> moved 3
    rules tick=5 lot=2                  -> rules 2
    book                                -> bid - | ask -
    u1 net                              -> -10
    u1 held                             -> long 5 short 3

Orders and triggers are numbered by their line: the first of a table is #1. After the tif may follow
the words of FLAGS, `market`, and values: `cid=a`, `reserved=50`, `until=100` (expiry, s),
`stp=newest`, `group=7`, `reason=3107`, `kind=2`; `at=90` sets the clock (s) of this and later
lines. A line that begins with `+` goes on with the one above. A comma stands between the events of
one group, a semicolon between groups. A fill names the maker and what is left of taker/maker, a
duplicate what the original has filled + open. What a user gives is reduce-only, with `adl` what the
other one takes is too; `hedge` and `hedges` say that the one's, the other's account has two legs.
`rules` changes the market from there on, as SymbolConfig names things. Other events name their
order where it is not the line's own.
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

from model.symbols import rules_records
from model.wire import as_event, make_request, order_new

NS = 1_000_000_000
TIFS = ("GTC", "IOC", "FOK", "GTD")
FLAGS = {"post": 1, "reduce": 2, "rests": 4, "reprice": 8, "disc": 16, "last": 32, "kept": 64,
         "hedge": 128}  # fmt: skip
STP = ("none", "newest", "oldest", "both", "default")
MODES = ("open", "post-only", "cancel-only", "halt")
STATUS = ("filled", "resting", "cancelled", "rejected", "pending", "waiting")
WORDS = {"orders": ("scope", 1), "triggers": ("scope", 2), "buys": ("sides", 1),
         "sells": ("sides", 2), "market": ("kind", 1)}  # fmt: skip
TERMS = r"(GTC|IOC|FOK|GTD)(.*)"
LINES = (
    (rf"u(\d+) (buy|sell) (-?\d+) @ (-?\d+) {TERMS}", "order"),
    (rf"u(\d+) (buy|sell) (-?\d+)(?: @ (-?\d+))? (stop|take|trail) (-?\d+)(ppm)? {TERMS}",
     "trigger"),
    (r"u(\d+) cancel (?:#(\d+))?(.*)", "cancel"),
    (r"u(\d+) cancel-all(.*)", "cancel_all"),
    (r"u(\d+) amend #(\d+) (-?\d+) @ (-?\d+)(.*)", "amend"),
    (r"mark (\d+)(.*)", "mark"),
    (r"mode (\S+)(.*)", "mode"),
    (r"risk sends #(\d+)(?: @ (\d+))?(.*)", "risk_sends"),
    (r"risk refuses #(\d+) (\d+)(.*)", "risk_refuses"),
    (r"tick(.*)", "tick"),
    (r"book", "book"),
    (r"u(\d+) gives (\d+) (buy|sell) to u(\d+)(.*)", "gives"),
    (r"rules(.*)", "rules"),
    (r"u(\d+) net", "net"),
    (r"u(\d+) held", "held"),
)  # fmt: skip


class Table:
    """Runs lines against one engine and keeps what it answered."""

    def __init__(self, engine: Any, symbol_id: int = 1):
        self.engine = engine
        self.symbol_id = symbol_id
        self.oid = 0
        self.ts_ns = 0
        self.log: list[bytes] = []
        self.fired: dict[int, dict[str, Any]] = {}
        self.rules: Any = None  # as the table changed them

    def run(self, text: str) -> None:
        """Every line's outcome is what stands behind its arrow."""
        whole = re.sub(r"\n *\+ ", " ", text)
        for line in filter(None, (raw.strip() for raw in whole.splitlines())):
            asked, _, due = (part.strip() for part in line.partition("->"))
            seen = self.line(asked)
            assert seen == due, f"{asked}\n  due  {due}\n  seen {seen}"

    def line(self, asked: str) -> str:
        for pattern, method in LINES:
            if found := re.fullmatch(pattern, asked):
                return str(getattr(self, "on_" + method)(*found.groups()))
        raise AssertionError(f"cannot read the line: {asked}")

    # --- requests -----------------------------------------------------------------------

    def on_order(self, user: str, side: str, qty: str, px: str, tif: str, rest: str) -> str:
        self.oid += 1
        terms = self.terms(user, side, qty, tif, rest)
        return self.submit(order_new(oid=self.oid, px=int(px), **terms), self.oid)

    def on_trigger(
        self, user: str, side: str, qty: str, px: str | None, way: str, level: str,
        ppm: str | None, tif: str, rest: str,
    ) -> str:  # fmt: skip
        self.oid += 1
        terms = self.terms(user, side, qty, tif, rest)
        limit = px is not None
        where = {"trigger_px": int(level)}
        if way == "trail":
            where = {"trail_ppm" if ppm else "trail_px": int(level)}
        kind = {"stop": 2 + limit, "take": 4 + limit, "trail": 6}[way]
        values = {"oid": self.oid, "px": int(px or 0), "kind": kind, **where, **terms}
        return self.submit(make_request("TRIGGER_REQUEST", **values), self.oid)

    def terms(self, user: str, side: str, qty: str, tif: str, rest: str) -> dict[str, Any]:
        return {
            "user_id": int(user), "side": int(side == "sell"), "qty": int(qty),
            "tif": TIFS.index(tif), "symbol_id": self.symbol_id, **self.options(rest),
        }  # fmt: skip

    def on_cancel(self, user: str, oid: str | None, rest: str) -> str:
        return self.ask("ORDER_CANCEL", int(oid or 0), rest, user_id=int(user), oid=int(oid or 0))

    def on_cancel_all(self, user: str, rest: str) -> str:
        values = {"scope": 3, "sides": 3, **self.options(rest)}
        return self.ask("ORDER_CANCEL_ALL", 0, "", user_id=int(user), **values)

    def on_amend(self, user: str, oid: str, qty: str, px: str, rest: str) -> str:
        values = {"assumed": max(1, int(qty)), **self.options(rest)}
        return self.ask(
            "ORDER_AMEND", int(oid), "", user_id=int(user), oid=int(oid), qty=int(qty),
            px=int(px), **values,
        )  # fmt: skip

    def on_mark(self, px: str, rest: str) -> str:
        return self.ask("MARK_UPDATE", 0, rest, mark_px=int(px))

    def on_mode(self, mode: str, rest: str) -> str:
        return self.ask("MODE_REQUEST", 0, rest, mode=MODES.index(mode))

    def on_gives(self, user: str, qty: str, side: str, counter: str, rest: str) -> str:
        words = rest.split()
        adl = "adl" in words
        return self.ask(
            "POSITION_TRANSFER", 0, "", transfer_id=7, qty=int(qty), px=55, mark_px=66,
            user_id=int(user), counter_user_id=int(counter), side=int(side == "sell"),
            kind=int(adl), user_flags=2 | 128 * ("hedge" in words),
            counter_flags=2 * adl | 128 * ("hedges" in words),
        )  # fmt: skip

    def on_rules(self, rest: str) -> str:
        """The rules that the engine has, with what is named changed."""
        changes = dict(word.split("=") for word in rest.split())
        version = self.engine.rules_version + 1
        known = self.rules or self.engine.symbol
        self.rules = SimpleNamespace(**{**vars(known), **{k: int(v) for k, v in changes.items()}})
        *first, last = rules_records(self.rules, version)
        assert [self.engine.submit(r, self.ts_ns) for r in first] == [[], [], []]
        return self.submit(last, 0)

    def on_risk_sends(self, oid: str, px: str | None, rest: str) -> str:
        """The order of a fired trigger, at its own price unless one is given."""
        told = self.fired[int(oid)]
        names = ("oid", "qty", "px", "expire_s", "user_id", "kind", "stp", "side", "tif", "flags")
        values = {name: told[name] for name in names}
        if px is not None:
            values["px"] = int(px)
        values.update(self.options(rest), symbol_id=self.symbol_id)
        return self.submit(order_new(**values), int(oid))

    def on_risk_refuses(self, oid: str, reason: str, rest: str) -> str:
        user_id = self.fired[int(oid)]["user_id"]
        return self.ask(
            "TRIGGER_REFUSED", 0, rest, oid=int(oid), user_id=user_id, reason=int(reason)
        )

    def on_tick(self, rest: str) -> str:
        self.options(rest)
        return self.told(self.engine.tick(self.ts_ns), 0)

    def ask(self, name: str, own_oid: int, rest: str, **values: Any) -> str:
        values.update(self.options(rest))
        return self.submit(make_request(name, symbol_id=self.symbol_id, **values), own_oid)

    def options(self, text: str) -> dict[str, Any]:
        """Fields that words and values behind a request stand for."""
        out: dict[str, Any] = {}
        flags = 0
        for word in text.split():
            name, is_value, value = word.partition("=")
            if not is_value and word in FLAGS:
                flags |= FLAGS[word]
            elif not is_value:
                field, number = WORDS[word]
                out[field] = number
            elif name == "at":
                self.ts_ns = int(value) * NS
            elif name == "stp":
                out["stp"] = STP.index(value)
            elif name == "cid":
                out["cid"] = value
            else:
                names = {"until": "expire_s", "group": "owner_group", "from": "trigger_px"}
                out[names.get(name, name)] = int(value)
        return {**out, "flags": flags} if flags else out

    # --- answers ------------------------------------------------------------------------

    def submit(self, request: bytes, own_oid: int) -> str:
        return self.told(self.engine.submit(request, self.ts_ns), own_oid)

    def told(self, answer: list[bytes], own_oid: int) -> str:
        self.log += answer
        groups: list[list[str]] = [[]]
        for event in map(as_event, answer):
            assert (event["seq"], event["ts_ns"]) == (0, self.ts_ns), event
            assert event["stream"] == event["symbol_id"] == self.symbol_id, event
            if event["type"] == "TRIGGER_FIRED":
                self.fired[event["oid"]] = event
            groups[-1].append(describe(event, own_oid))
            if event["header_flags"]:
                groups.append([])
        assert not groups.pop(), f"M-11: {answer[-1]!r} ends no group"
        return "; ".join(", ".join(group) for group in groups).replace("rules, ", "rules ").replace(
            "rules rules rules ", "rules "
        ) or "nothing"  # fmt: skip

    def on_book(self) -> str:
        sides = []
        for side, name in enumerate(("bid", "ask")):
            rows = " ".join(f"#{r[0]}:{r[3]}@{r[2]}" for r in self.engine.resting(side))
            sides.append(f"{name} {rows or '-'}")
        return " | ".join(sides)

    def on_held(self, user: str) -> str:
        long, short = self.engine.held(int(user))
        return f"long {long} short {short}"

    def on_net(self, user: str) -> str:
        return str(self.engine.net(int(user)))


def describe(e: dict[str, Any], own_oid: int) -> str:
    """One event in the words of the tables."""
    other = "" if e.get("oid") == own_oid else f"#{e.get('oid')} "
    match e["type"]:
        case "ORDER_ACCEPTED":
            return "accepted rests" if e["flags"] & 4 else "accepted"
        case "FILL":
            left = f"{e['taker_remaining']}/{e['maker_remaining']}"
            return f"fill {e['qty']} @ {e['px']} of #{e['maker_oid']} left {left}"
        case "ORDER_RESTED":
            return f"rests {e['remaining']}"
        case "ORDER_CANCELLED":
            return f"cancelled {other}{e['cancelled_qty']} {e['reason']}"
        case "ORDER_REDUCED":
            return f"reduced {other}by {e['cancelled_qty']} to {e['remaining']} {e['reason']}"
        case "ORDER_REJECTED":
            return f"rejected {e['reason']}"
        case "ORDER_DUPLICATE":
            reason = f" {e['original_reason']}" if e["original_reason"] else ""
            return (
                f"duplicate #{e['original_oid']} {STATUS[e['original_status']]} "
                f"{e['original_filled']}+{e['original_remaining']} of {e['original_qty']} "
                f"@ {e['original_px']}{reason}"
            )
        case "ORDER_AMENDED":
            how = " kept" * bool(e["flags"] & 64) + " rests" * bool(e["flags"] & 4)
            return f"amended {other}{e['qty']} @ {e['px']} open {e['remaining']}{how}"
        case "ORDER_RELEASED":
            return f"released {e['released']} for {e['qty']}"
        case "CANCEL_REJECTED" | "AMEND_REJECTED":
            return f"refused {e['reason']}"
        case _:
            return describe_other(e, other)


def describe_other(e: dict[str, Any], other: str) -> str:
    match e["type"]:
        case "CANCEL_ALL_DONE":
            return f"done {e['cancelled']} {e['reason']}"
        case "TRIGGER_PLACED":
            return "waits"
        case "TRIGGER_REJECTED":
            return f"trigger rejected {e['reason']}"
        case "TRIGGER_FIRED":
            return f"fired {other}at {e['fired_px']} level {e['trigger_px']}"
        case "TRIGGER_CANCELLED":
            return f"trigger {other}cancelled {e['reason']}"
        case "MARK_PRICE":
            return f"mark {e['mark_px']}"
        case "TRADING_MODE":
            return f"mode {MODES[e['mode']]} was {MODES[e['previous']]}"
        case "POSITION_TRANSFERRED":
            return f"moved {e['qty']}"
        case "SYMBOL_CONFIG" | "SYMBOL_LIMITS" | "SYMBOL_RISK":
            return "rules"
        case "SYMBOL_BRACKETS":
            return f"{e['config_version']}"
    raise AssertionError(f"an event that matching does not make: {e}")
