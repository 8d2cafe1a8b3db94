"""Liquidation, takeover and deleveraging as plain functions, from specs/liquidation.md alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from model.margin import BUY, PPM, SELL, ceil_div, fee_of, maintenance, rows, trunc_div

QUEUE, PRO_RATA, RISK_WEIGHTED = range(3)


def below(equity: int, maintenance_margin: int) -> bool:
    """LQ-1."""
    return equity < maintenance_margin


def worst_first(buckets: Iterable[tuple[int, int, int]]) -> list[int]:
    """SB-3: users of (user, equity, maintenance), by equity / maintenance ascending."""
    from fractions import Fraction

    return [
        user for _, user in sorted((Fraction(equity, margin), user)
                                   for user, equity, margin in buckets)
    ]  # fmt: skip


# --- thresholds ---------------------------------------------------------------------------------


def safe_move(slack: int, positions: int, net: int, highest_ppm: int) -> int:
    """SB-1: the most that a position's mark may go against it."""
    share = slack // positions
    if share <= 2:
        return 0
    return (share - 2) * PPM // (abs(net) * (PPM + highest_ppm))


def highest_rate(market: Any) -> int:
    return max(rate for _, _, rate in rows(market))


# --- rounds -------------------------------------------------------------------------------------


def slip_ppm(market: Any, number: int) -> int:
    """LQ-5."""
    return min(number * number * market.liquidation_slip_ppm, market.liquidation_slip_max_ppm)


def tick_at(market: Any, px: int) -> int:
    """PX-1."""
    return max([market.tick, *(tick for first, tick in market.tick_table if first <= px)])


def floor_tick(market: Any, px: int) -> int:
    return px - px % tick_at(market, px) if px > 0 else px


def ceil_tick(market: Any, px: int) -> int:
    return ceil_div(px, tick_at(market, px)) * tick_at(market, px) if px > 0 else px


def round_px(market: Any, net: int, mark: int, number: int, bankrupt: int) -> int:
    """LQ-5: limit price of round `number` for a position of net."""
    slip = slip_ppm(market, number)
    if net > 0:
        px = max(floor_tick(market, mark * (PPM - slip) // PPM), ceil_tick(market, bankrupt))
        return max(px, market.tick)
    px = min(ceil_tick(market, ceil_div(mark * (PPM + slip), PPM)), floor_tick(market, bankrupt))
    return min(px, market.px_max)


def after_closing(
    market: Any, net: int, mark: int, qty: int, px: int, equity: int, margin: int
) -> tuple[int, int]:
    """Equity and maintenance of the bucket when qty of the position has closed at px."""
    move = px - mark if net > 0 else mark - px
    fee = fee_of(qty * px, market.liquidation_fee_ppm)
    rest = maintenance(market, (abs(net) - qty) * mark)
    return equity + qty * move - fee, margin - maintenance(market, abs(net) * mark) + rest


def round_qty(market: Any, net: int, mark: int, px: int, equity: int, margin: int) -> int:
    """LQ-5: the quantity of the round's order, found by trying every multiple of the lot."""
    size, lot = abs(net), market.lot
    qty = size
    for tried in range(lot, size, lot):
        left, need = after_closing(market, net, mark, tried, px, equity, margin)
        if left * PPM >= need * (PPM + market.liquidation_buffer_ppm):
            qty = tried
            break
    step = ceil_div(size * market.liquidation_step_ppm, PPM)
    qty = min(qty, ceil_div(step, lot) * lot, size)
    rest = size - qty
    if rest and (rest < lot or rest * mark < market.notional_min):
        qty = size
    most = min(market.notional_max // px, market.qty_max)
    return qty if qty <= most else most - most % lot


def bankruptcy_px(market: Any, net: int, mark: int, equity: int) -> int:
    """LQ-8; equity: the position's share."""
    each = equity // abs(net)
    px = mark - each if net > 0 else mark + each
    return min(max(px, 1), market.px_max)


def share_of_equity(equity: int, own_maintenance: int, bucket_maintenance: int) -> int:
    """LQ-8: of a cross bucket."""
    return equity * own_maintenance // bucket_maintenance


# --- takeover -----------------------------------------------------------------------------------


def takeover_loss(side: int, qty: int, px: int, mark: int) -> int:
    """IF-2; side: what closes the bankrupt position (SELL: it was long)."""
    return max(0, qty * (px - mark) if side == SELL else qty * (mark - px))


def takeover_qty(
    market: Any, side: int, qty: int, px: int, mark: int, fund_equity: int, fund_net: int
) -> int:
    """IF-2: the largest multiple of the lot, or all of it."""
    sign = 1 if side == SELL else -1
    tries = [qty, *range(qty - qty % market.lot, 0, -market.lot)]
    for take in tries:
        loss = takeover_loss(side, take, px, mark)
        after = abs(fund_net + sign * take)
        fits = after * mark <= market.insurance_notional_max or after < abs(fund_net)
        if loss <= market.insurance_loss_max and loss <= fund_equity and fits:
            return take
    return 0


# --- deleveraging -------------------------------------------------------------------------------


class Candidate(NamedTuple):
    """A position of the other side."""

    user: int
    leg: int
    net: int
    cost: int
    equity: int  # of its bucket
    last: bool = False  # funds and buckets in liquidation come last


def score(c: Candidate, mark: int) -> int:
    """AD-1."""
    profit = mark * c.net - c.cost if c.net > 0 else c.cost - mark * -c.net
    rate = trunc_div(profit * PPM, c.cost)
    leverage = max(1, abs(c.net) * mark * PPM // max(1, c.equity))
    if profit > 0:
        return rate * leverage // PPM
    return trunc_div(rate * PPM, leverage)


def ranked(candidates: Iterable[Candidate], mark: int) -> list[Candidate]:
    return sorted(candidates, key=lambda c: (c.last, -score(c, mark), c.user, c.leg))


@dataclass
class Cut:
    user: int
    leg: int
    qty: int


def deleverage(
    market: Any, candidates: Iterable[Candidate], qty: int, mark: int, policy: int
) -> list[Cut]:
    """AD-2: who gives how much, in order; an entry may come twice (pro rata, then queue)."""
    line = ranked(candidates, mark)
    cuts: list[Cut] = []
    left = {(c.user, c.leg): abs(c.net) for c in line}

    def take(c: Candidate, want: int) -> None:
        nonlocal qty
        got = min(want, left[c.user, c.leg], qty)
        if got > 0:
            left[c.user, c.leg] -= got
            qty -= got
            cuts.append(Cut(c.user, c.leg, got))

    if policy != QUEUE:
        winners = [
            c for c in line if not c.last and mark * c.net - (c.cost if c.net > 0 else -c.cost) > 0
        ]
        weight = {
            (c.user, c.leg): abs(c.net) * (max(1, score(c, mark)) if policy == RISK_WEIGHTED else 1)
            for c in winners
        }
        total, whole = sum(weight.values()), qty
        for c in winners:
            part = ceil_div(whole * weight[c.user, c.leg], total)
            take(c, ceil_div(part, market.lot) * market.lot)
    for c in line:
        take(c, qty)
    return cuts


def light(rank: int, count: int) -> int:
    """AD-5: rank from 0 of `count` positions of a side, the first deleveraged first."""
    return 5 - rank * 5 // count


def closing_side(net: int) -> int:
    return SELL if net > 0 else BUY
