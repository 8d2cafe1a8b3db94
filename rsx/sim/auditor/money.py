"""What is wrong with the money in a log, from the log alone.

Folds every record with the plain model and counts the money after each: INV-4, 9, 11, 12, 13, 23,
24, 25, and every rule that rsx/sim/auditor/fold.py names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from rsx.records import View
from rsx.sim.auditor.fold import Fold, expect


class Finding(NamedTuple):
    """The first thing that does not hold; nothing after it can be told."""

    seq: int
    rule: str
    text: str


def audit_money(
    log: Iterable[View], symbols: Iterable[Any], mark_source: str, every: int = 1
) -> list[Finding]:
    """Empty when all holds. every: count the money after each so many records."""
    fold, last = Fold(symbols, mark_source), 0
    for r in log:
        try:
            expect(r.seq == last + 1, "INV-5", r.seq, last)
            last = r.seq
            fold.apply(r)
            if r.seq % every == 0:
                fold.conserved()
        except (AssertionError, KeyError) as error:
            rule = error.args[0] if error.args else ""
            name = rule[0] if isinstance(rule, tuple) else "A-8"
            return [Finding(r.seq, str(name), str(rule))]
    fold.audit()
    return []
