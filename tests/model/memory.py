"""The memory of client ids: D-1 to D-4 of specs/matching.md."""

from __future__ import annotations

from collections import deque
from typing import Any


class Remembered:
    """One place of the circle. `thing` is the order or trigger that has the client id."""

    __slots__ = ("key", "thing", "ts_ns")

    def __init__(self, key: tuple[int, bytes], thing: Any, ts_ns: int):
        self.key: tuple[int, bytes] | None = key  # None: a younger one has the client id now
        self.thing = thing
        self.ts_ns = ts_ns


class Memory:
    def __init__(self, places_max: int, window_ns: int):
        self.full_at = 3 * places_max // 4
        self.window_ns = window_ns
        self.by_key: dict[tuple[int, bytes], Remembered] = {}
        self.places: deque[Remembered] = deque()  # oldest first

    def find(self, user_id: int, cid: bytes, now_ns: int) -> Any:
        """The living or remembered order or trigger of this client id, or None."""
        entry = self.by_key.get((user_id, cid))
        if entry is None:
            return None
        if entry.thing.living or now_ns - entry.ts_ns <= self.window_ns:
            return entry.thing
        return None

    def put(self, user_id: int, cid: bytes, thing: Any, now_ns: int) -> None:
        """An acceptance with a client id."""
        key = (user_id, cid)
        if key in self.by_key:
            self.by_key[key].key = None
        for _ in range(4):
            if len(self.places) + 1 <= self.full_at:
                break
            oldest = self.places.popleft()
            if oldest.key is None:
                continue
            if oldest.thing.living:
                self.places.append(oldest)
            else:
                del self.by_key[oldest.key]
        entry = self.by_key[key] = Remembered(key, thing, now_ns)
        self.places.append(entry)

    def hand_over(self, user_id: int, cid: bytes, order: Any) -> None:
        """A trigger's entry is its order's from now on."""
        self.by_key[user_id, cid].thing = order
