"""The index over one symbol in plain fractions: sections 5 of specs/mark.md said once more.

Shares no code with rsx/mark: lists of (px, event_ns, received_ns), Fraction instead of bits.
"""

from __future__ import annotations

from fractions import Fraction


def middle(values):
    values = sorted(values)
    if len(values) % 2:
        return values[len(values) // 2]
    if len(values) == 2:
        return sum(values) // 2
    return values[len(values) // 2 - 1]


def apart(px, values):
    return abs(Fraction(px, middle(values)) - 1)


def without_outliers(prices, ppm, last):
    """Places of those that stay; last: a Fraction or None."""
    limit = Fraction(ppm, 10**6)
    stay = list(range(len(prices)))
    while len(stay) >= 3:
        away = {p: apart(prices[p], [prices[q] for q in stay if q != p]) for p in stay}
        worst = max(stay, key=lambda p: (away[p], p))
        if away[worst] <= limit:
            return stay
        stay.remove(worst)
    if len(stay) == 2:
        a, b = prices[stay[0]], prices[stay[1]]
        if Fraction(abs(a - b), min(a, b)) > limit:
            if last is None or abs(a - last) == abs(b - last):
                return []
            return [stay[0] if abs(a - last) < abs(b - last) else stay[1]]
    return stay


class PlainIndex:
    def __init__(self, fresh_ns, outlier_ppm, step_ppm, least):
        self.fresh_ns, self.outlier_ppm = fresh_ns, outlier_ppm
        self.step, self.least = Fraction(step_ppm, 10**6), least
        self.slots = {}
        self.last = None
        self.made_ns = None

    def read(self, now_ns):
        """(index as a Fraction or None, how many feeds)."""
        fresh = [
            px for _, (px, event_ns, received_ns) in sorted(self.slots.items())
            if now_ns - received_ns < self.fresh_ns
            and (not event_ns or now_ns - event_ns < self.fresh_ns)
        ]  # fmt: skip
        stay = without_outliers(fresh, self.outlier_ppm, self.last)
        if len(stay) < self.least:
            return None, 0
        wanted = Fraction(middle([fresh[p] for p in stay]))
        if self.last is not None:
            reach = self.last * self.step * Fraction(now_ns - self.made_ns, 10**9)
            wanted = min(max(wanted, self.last - reach), self.last + reach)
        self.last, self.made_ns = wanted, now_ns
        return wanted, len(stay)
