"""Rate limit of one user's requests, in integers.

A token bucket kept as one number per user: `due_ns`, the time at which the bucket will be full
again. Each request moves it `step_ns` into the future; the distance from now is the debt. A
bucket of `burst` tokens refuses when the debt would pass burst x step_ns. Source: specs/wire.md
W-60.
"""

from __future__ import annotations

BURST_SECONDS = 2


class RateLimit:
    """Parameters of all users' buckets.

    Args  per_second: requests a second, 1 .. 10^7; burst is twice that
    """

    __slots__ = ("burst_ns", "step_ns")

    def __init__(self, per_second: int):
        self.step_ns = 1_000_000_000 // per_second
        self.burst_ns = self.step_ns * per_second * BURST_SECONDS

    def take(self, due_ns: int, now_ns: int, overdraw: bool = False) -> int:
        """The bucket's new due_ns after one request, or 0 when it is refused.

        Args  due_ns: the bucket, 0 = full; overdraw: the debt may reach twice the burst (cancels)
        """
        debt_ns = due_ns - now_ns
        if debt_ns < 0:
            debt_ns = 0
        debt_ns += self.step_ns
        if debt_ns > (self.burst_ns * 2 if overdraw else self.burst_ns):
            return 0
        return now_ns + debt_ns
