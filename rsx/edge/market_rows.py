"""What the public is told of marks, funding, liquidations: rows made of released records.

Serves the public socket and REST. No user is in any of them. Source: specs/wire.md section 2.3.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rsx.records import (
    LIQUIDATION_STEP,
    POSITION_TRANSFERRED,
    Stage,
    TransferKind,
    View,
)


class MarkRow(NamedTuple):
    """A mark, with what came with it."""

    symbol_id: int
    mark_px: int
    index_px: int
    state: int
    sources: int
    source_ns: int
    open_interest: int
    rate_ppb: int
    next_funding_s: int
    ts_ns: int
    seq: int


class SettledRow(NamedTuple):
    """A settled funding rate."""

    symbol_id: int
    interval_id: int
    rate_ppb: int
    mark_px: int
    index_px: int
    premium_ppb: int
    samples: int
    skipped: int
    ts_ns: int
    seq: int


class LiquidationRow(NamedTuple):
    """kind: 0 a round's order, 1 takeover, 2 deleveraging; side: of what was liquidated."""

    symbol_id: int
    kind: int
    side: int
    qty: int
    px: int
    mark_px: int
    ts_ns: int
    seq: int


def mark_row(v: View) -> MarkRow:
    """Of a MARK_PRICE."""
    return MarkRow(
        v.symbol_id, v.mark_px, v.index_px, v.state, v.sources, v.source_ns, v.open_interest,
        v.rate_ppb, v.next_funding_s, v.ts_ns, v.seq,
    )  # fmt: skip


def settled_row(v: View) -> SettledRow:
    """Of a FUNDING_SETTLED."""
    return SettledRow(
        v.symbol_id, v.interval_id, v.rate_ppb, v.mark_px, v.index_px, v.premium_ppb, v.samples,
        v.skipped, v.ts_ns, v.seq,
    )  # fmt: skip


def liquidation_row(v: View) -> LiquidationRow | None:
    """The row of a LIQUIDATION_STEP or POSITION_TRANSFERRED; None = nothing for the public."""
    if v.record is LIQUIDATION_STEP:
        if v.stage != Stage.ORDERED:
            return None
        kind = 0
    else:
        assert v.record is POSITION_TRANSFERRED
        if not v.qty:
            return None
        kind = 1 if v.kind == TransferKind.TAKEOVER else 2
    return LiquidationRow(v.symbol_id, kind, v.side, v.qty, v.px, v.mark_px, v.ts_ns, v.seq)


def funding_frame(mark: MarkRow | None, settled: SettledRow | None) -> list[Any]:
    """Fields of FR from the newest of both; one of them is there."""
    told: Any = mark or settled
    last = (settled.rate_ppb, settled.interval_id, settled.ts_ns) if settled else (0, 0, 0)
    rate, due = (mark.rate_ppb, mark.next_funding_s) if mark else (0, 0)
    if mark and settled and settled.seq > mark.seq:
        told, rate = settled, 0  # a new interval has begun: FN-6
    return [told.symbol_id, rate, due, *last, told.ts_ns, told.seq]


def mark_frame(mark: MarkRow) -> list[Any]:
    """Fields of MP."""
    return [*mark[:6], mark.ts_ns, mark.seq]


def interest_frame(mark: MarkRow) -> list[Any]:
    """Fields of OI."""
    return [mark.symbol_id, mark.open_interest, mark.ts_ns, mark.seq]
