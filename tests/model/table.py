"""Matching cases as tables, one request a line: what is asked -> the events it causes.

    u1 sell 10 @ 50000 GTC              -> accepted rests
    u2 buy 15 @ 50000 IOC               -> accepted, fill 10 @ 50000 of #1 left 5/0,
                                         + cancelled 5 3102
    u1 cancel #1                        -> refused 3007
    book                                -> bid - | ask -
    u1 net                              -> -10

Orders are numbered by their line: the first order of a table is #1. After the tif may follow
`post`, `reduce`, `cid=a`, `reserved=50`; `at=90` sets the clock (s) of this and later lines.
A line that begins with `+` goes on with the one above. A fill names the maker and what is left of
taker/maker; a cancel names the order where it is not the line's own.
"""

from __future__ import annotations

import re
from typing import Any

from model.wire import as_event, order_cancel, order_new

NS = 1_000_000_000
ORDER = re.compile(r"u(\d+) (buy|sell) (-?\d+) @ (-?\d+) (GTC|IOC|FOK)(.*)")
CANCEL = re.compile(r"u(\d+) cancel (?:#(\d+)|cid=(\S*))(.*)")
NET = re.compile(r"u(\d+) net")
FLAGS = {"post": 1, "reduce": 2}


class Table:
    """Runs lines against one engine and keeps what it answered."""

    def __init__(self, engine: Any, symbol_id: int = 1):
        self.engine = engine
        self.symbol_id = symbol_id
        self.oid = 0
        self.ts_ns = 0
        self.log: list[bytes] = []

    def run(self, text: str) -> None:
        """Every line's outcome is what stands behind its arrow."""
        whole = re.sub(r",\n *\+ ", ", ", text)
        for line in filter(None, (raw.strip() for raw in whole.splitlines())):
            asked, _, due = (part.strip() for part in line.partition("->"))
            seen = self.line(asked)
            assert seen == due, f"{asked}\n  due  {due}\n  seen {seen}"

    def line(self, asked: str) -> str:
        if asked == "book":
            return self.book()
        if found := NET.fullmatch(asked):
            return str(self.engine.net(int(found[1])))
        if found := ORDER.fullmatch(asked):
            self.oid += 1
            user, side, qty, px, tif, rest = found.groups()
            words, values = self.options(rest)
            request = order_new(
                oid=self.oid, user_id=int(user), side=int(side == "sell"), qty=int(qty), px=int(px),
                tif=("GTC", "IOC", "FOK").index(tif), flags=sum(FLAGS[w] for w in words),
                symbol_id=self.symbol_id, cid=values.get("cid", ""),
                reserved=int(values.get("reserved", 0)),
            )  # fmt: skip
            return self.submit(request, self.oid)
        found = CANCEL.fullmatch(asked)
        assert found, f"cannot read the line: {asked}"
        user, oid, cid, rest = found.groups()
        self.options(rest)
        request = order_cancel(
            oid=int(oid or 0), user_id=int(user), cid=cid or "", symbol_id=self.symbol_id
        )
        return self.submit(request, int(oid or 0))

    def options(self, text: str) -> tuple[list[str], dict[str, str]]:
        words = text.split()
        values = dict(w.split("=") for w in words if "=" in w)
        if "at" in values:
            self.ts_ns = int(values["at"]) * NS
        return [w for w in words if "=" not in w], values

    def submit(self, request: bytes, own_oid: int) -> str:
        answer = self.engine.submit(request, self.ts_ns)
        self.log += answer
        events = [as_event(e) for e in answer]
        for event in events:
            last = event is events[-1]
            assert event["header_flags"] == int(last), f"M-11: {event}"
            assert (event["seq"], event["ts_ns"]) == (0, self.ts_ns), event
            assert event["stream"] == event["symbol_id"] == self.symbol_id, event
        return ", ".join(describe(e, own_oid) for e in events)

    def book(self) -> str:
        sides = []
        for side, name in enumerate(("bid", "ask")):
            rows = " ".join(f"#{r[0]}:{r[3]}@{r[2]}" for r in self.engine.resting(side))
            sides.append(f"{name} {rows or '-'}")
        return " | ".join(sides)


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
            return f"reduced by {e['cancelled_qty']} to {e['remaining']} {e['reason']}"
        case "ORDER_REJECTED":
            original = f" like #{e['original_oid']}" if e["original_oid"] else ""
            return f"rejected {e['reason']}{original}"
        case "CANCEL_REJECTED":
            return f"refused {e['reason']}"
    raise AssertionError(f"an event that matching does not make: {e}")
