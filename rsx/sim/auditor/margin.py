"""Margin as plain functions of numbers, written from specs/risk.md sections 1, 5, 6 and 8 alone.

A market is any object with the attributes of rsx.config's SymbolConfig.
"""

from __future__ import annotations

from typing import Any, NamedTuple

PPM = 1_000_000
BUY, SELL = 0, 1
LONG, SHORT = 0, 1
REDUCE_ONLY, HEDGE = 2, 128
I64_END = 1 << 63


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


def trunc_div(a: int, b: int) -> int:
    return a // b if (a >= 0) == (b > 0) else -(-a // b)


def fee_of(notional: int, ppm: int) -> int:
    """R-2, U-2: a charge rounds up, a rebate toward zero; both are a ceiling."""
    return ceil_div(notional * ppm, PPM)


# --- requirements -------------------------------------------------------------------------------


class Terms(NamedTuple):
    """What a requirement depends on besides notional: user's leverage, OI scale in ppm."""

    leverage: int = 0
    scale: int = 0


PLAIN = Terms()


def leverage_rate(leverage: int) -> int:
    """BR-2: l."""
    return ceil_div(PPM, leverage) if leverage else 0


def rows(market: Any) -> list[tuple[int, int, int]]:
    """BR-1: (from, initial, maintenance), the first from 0."""
    return [
        (0, market.initial_margin_ppm, market.maintenance_margin_ppm),
        *getattr(market, "brackets", ()),
    ]


def charged(notional: int, rates: list[tuple[int, int]]) -> int:
    """BR-1: each part at the rate of the row it lies in; one rounding."""
    total = 0
    for at, (first, rate) in enumerate(rates):
        end = rates[at + 1][0] if at + 1 < len(rates) else max(notional, first)
        total += max(0, min(notional, end) - first) * rate
    return ceil_div(total, PPM)


def initial(market: Any, notional: int, terms: Terms = PLAIN) -> int:
    """I(N): BR-1 to BR-3."""
    least = leverage_rate(terms.leverage)
    asked = charged(notional, [(first, max(rate, least)) for first, rate, _ in rows(market)])
    if terms.scale <= 0:
        return asked
    base = max(market.initial_margin_ppm, least)
    scaled = base + ceil_div(terms.scale * (PPM - base), PPM)
    return max(asked, ceil_div(notional * scaled, PPM))


def maintenance(market: Any, notional: int) -> int:
    """W(N)."""
    return charged(notional, [(first, rate) for first, _, rate in rows(market)])


def oi_scale(market: Any, open_interest: int, mark: int) -> int:
    """BR-3: s."""
    high, low = getattr(market, "oi_high", 0), getattr(market, "oi_low", 0)
    if not high:
        return 0
    return min(PPM, max(0, ceil_div((open_interest * mark - low) * PPM, high - low)))


def leverage_max(market: Any, notional: int) -> int:
    """P-4: of the bracket in which the last unit of a notional lies (BR-1)."""
    rate = [rate for first, rate, _ in rows(market) if first < max(notional, 1)][-1]
    return PPM // rate


def isolated_margin(market: Any, notional: int, leverage: int) -> int:
    """IM-2: what a fill that opens moves to the wallet."""
    rate = max(market.initial_margin_ppm, leverage_rate(leverage))
    return ceil_div(notional * rate, PPM)


# --- positions ----------------------------------------------------------------------------------


def leg_of(side: int, flags: int) -> int:
    """HG-2."""
    if not flags & HEDGE:
        return LONG
    opens = not flags & REDUCE_ONLY
    return LONG if (side == BUY) == opens else SHORT


def traded(net: int, cost: int, qty: int, px: int) -> tuple[int, int, int, int, int]:
    """A-3: a signed quantity at a price. Returns net, cost, profit, what closed, what opened."""
    if net * qty >= 0:
        return net + qty, cost + abs(qty) * px, 0, 0, abs(qty)
    closes = min(abs(qty), abs(net))
    closed_cost = cost * closes // abs(net)
    profit = px * closes - closed_cost if net > 0 else closed_cost - px * closes
    opens = abs(qty) - closes
    left = opens * px if opens else cost - closed_cost
    return net + qty, left, profit, closes, opens


def unrealised(net: int, cost: int, mark: int) -> int:
    """A-5."""
    return mark * net - cost if net >= 0 else cost - mark * -net


def worst(net: int, open_buy: int, open_sell: int) -> int:
    """G-2."""
    return max(abs(net + open_buy), abs(net - open_sell))


def held(
    market: Any, net: int, open_buy: int, open_sell: int, frozen: int, mark: int,
    terms: Terms = PLAIN,
) -> int:  # fmt: skip
    """G-2, of a cross position; an isolated one holds that less P of the account."""
    own = initial(market, abs(net) * mark, terms)
    return max(own + frozen, initial(market, worst(net, open_buy, open_sell) * mark, terms))


# --- before the match ---------------------------------------------------------------------------


def added(side: int, qty: int, net: int, open_same: int) -> int:
    """V-1; open_same: open quantity of the order's side."""
    after = net + open_same + qty if side == BUY else open_same + qty - net
    return min(qty, max(0, after))


def required(
    market: Any, side: int, px: int, more: int, net: int, open_same: int, mark: int,
    terms: Terms = PLAIN,
) -> int:  # fmt: skip
    """V-3; more: the part that adds exposure."""
    worse = max(px, mark)
    base = max(0, net + open_same if side == BUY else open_same - net)
    margin = initial(market, base * mark + more * worse, terms) - initial(
        market, base * mark, terms
    )
    loss = more * max(0, px - mark if side == BUY else mark - px)
    return margin + max(0, fee_of(more * worse, market.taker_fee_ppm)) + loss


def withdrawable(
    collateral: int, profit: int, owed: int, leaves: int, held_sum: int, keeps: int
) -> int:
    """P-2; keeps: sum over cross positions of the share of notional that stays."""
    return max(0, collateral + min(0, profit) - owed - leaves - max(held_sum, keeps))


# --- estimates ----------------------------------------------------------------------------------


def liquidation_px(market: Any, net: int, mark: int, slack_at: Any) -> int:
    """The first mark, going against the position, at which its bucket is below maintenance.

    slack_at(px): equity less maintenance of the bucket with this market's mark at px. 0: none
    within 1 .. px_max.
    """
    low, high = (1, market.px_max)
    if net > 0:
        if slack_at(low) >= 0:
            return 0
        while low < high:  # the highest px with slack below 0
            middle = (low + high + 1) // 2
            if slack_at(middle) < 0:
                low = middle
            else:
                high = middle - 1
        return low
    if slack_at(high) >= 0:
        return 0
    while low < high:
        middle = (low + high) // 2
        if slack_at(middle) < 0:
            high = middle
        else:
            low = middle + 1
    return low
