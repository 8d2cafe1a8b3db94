"""Which risk tile decides for a user. Source: specs/shards.md SH-1.

The compiled side is `is_own` in rsx/risk/accounts.pxd; a test holds them together.
"""

from __future__ import annotations

from rsx.records import VIRTUAL_SHARDS

SHARDS_MAX = 8


def virtual_shard(user_id: int) -> int:
    """One of 4,096, the same for ever."""
    return (user_id * 2_654_435_761 & 0xFFFF_FFFF) >> 20


def even_starts(shards: int) -> tuple[int, ...]:
    """First virtual shard of each of so many tiles, in even parts."""
    return tuple(shard * VIRTUAL_SHARDS // shards for shard in range(shards))


class Shards:
    """The table: how many risk tiles there are, and which has which user.

    starts: first virtual shard of each tile, from 0, rising; () = even parts
    """

    __slots__ = ("count", "starts", "table")

    def __init__(self, count: int = 1, starts: tuple[int, ...] = ()):
        self.count = count
        self.starts = starts or even_starts(count)
        ends = (*self.starts[1:], VIRTUAL_SHARDS)
        self.table = b"".join(
            bytes([shard]) * (end - start)
            for shard, (start, end) in enumerate(zip(self.starts, ends, strict=True))
        )

    def of(self, user_id: int) -> int:
        """Index of the user's risk tile."""
        return self.table[(user_id * 2_654_435_761 & 0xFFFF_FFFF) >> 20]
