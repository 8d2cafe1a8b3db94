"""Order by order: one symbol's streams, walks through its book, and where each reader is in them.

    shadow --events--> live tape --------------------------> reader that has a whole book
              |
              \\--events of orders sent--> a walk's tape ----> reader that is getting one
    shadow --parts of resting orders------^

Frames are made once, whoever gets them; a reader is a position in a tape and is given frame by
frame while it is not over its backlog bound. A tape keeps its newest few MiB: who is further behind
is cut and gets another walk. Never waits, never reads a clock.
Source: specs/marketdata.md section 8; specs/wire.md W-25 to W-27.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import orjson

from rsx.edge.public_frames import text_frame

# What a tape keeps, and how far behind a walk its fastest reader may be (MD-74, MD-75). More lets
# slower readers catch up, and costs that much memory for each of TAPES tapes of a symbol.
TAPE_BYTES = 4 << 20
WALK_AHEAD_BYTES = 1 << 20

# Walks that have ended and still have readers; the oldest is given up for a new one.
ENDED_WALKS_MAX = 4

# Waiting events that bring a publication forward (MD-71).
EVENTS_WAITING_MAX = 8192


class Reader(Protocol):
    """One connection, as this module sees it."""

    def over(self, now_ns: int) -> bool: ...
    def write(self, data: bytes) -> None: ...


class Shadow(Protocol):
    """What is asked of the shadow books."""

    def last(self, symbol_id: int) -> tuple[int, int]: ...
    def l3_open(self, symbol_id: int) -> None: ...
    def l3_close(self, symbol_id: int) -> None: ...
    def l3_waiting(self, symbol_id: int) -> int: ...
    def l3_take(self, symbol_id: int) -> tuple[bytes, bytes, int] | None: ...
    def l3_begin(self, symbol_id: int) -> None: ...
    def l3_part(self, symbol_id: int) -> tuple[bytes, bool]: ...
    def l3_end(self, symbol_id: int) -> None: ...


class Tape:
    """Frames by number, from `first` to before `end`; the newest TAPE_BYTES of them."""

    __slots__ = ("bytes_kept", "bytes_made", "first", "frames")

    def __init__(self) -> None:
        self.frames: deque[tuple[bytes, int, int]] = deque()  # frame, its u, bytes made before it
        self.first = 0
        self.bytes_kept = 0
        self.bytes_made = 0

    @property
    def end(self) -> int:
        return self.first + len(self.frames)

    def append(self, frame: bytes, u: int) -> None:
        self.frames.append((frame, u, self.bytes_made))
        self.bytes_made += len(frame)
        self.bytes_kept += len(frame)
        while self.bytes_kept > TAPE_BYTES and len(self.frames) > 1:
            self.bytes_kept -= len(self.frames.popleft()[0])
            self.first += 1

    def clear(self) -> None:
        """Keep nothing: who is not at the end will be cut."""
        self.first = self.end + 1
        self.frames.clear()
        self.bytes_kept = 0

    def __getitem__(self, at: int) -> tuple[bytes, int, int]:
        return self.frames[at - self.first]

    def behind(self, at: int) -> int:
        """Bytes from `at` to the end."""
        return self.bytes_made - self[at][2] if at < self.end else 0


class Walk:
    """One snapshot: its parts, with the events between them."""

    __slots__ = ("began_ns", "began_u", "ended", "live_at", "part", "tape", "u")

    def __init__(self, u: int, ts_ns: int):
        self.tape = Tape()
        self.began_u = self.u = u
        self.began_ns = ts_ns
        self.part = 0
        self.ended = False
        self.live_at = 0  # where its readers go on in the live tape; when it has ended


class Place:
    """Where one reader is. walk None: in the live tape, or waiting for a walk."""

    __slots__ = ("at", "begun", "u", "waiting", "walk")

    def __init__(self) -> None:
        self.walk: Walk | None = None
        self.waiting = True
        self.begun = False  # has been sent part 0 of its walk
        self.at = 0
        self.u = 0  # of the last frame it was given


class OrderFeed:
    """One symbol's order-by-order channel, while it has readers."""

    def __init__(self, symbol_id: int, shadow: Shadow, counters: dict[str, int]):
        self.symbol_id = symbol_id
        self.places: dict[Reader, Place] = {}
        self.live = Tape()
        self.walk: Walk | None = None  # the one under way
        self.ended: deque[Walk] = deque()
        self.u = 0
        self._shadow = shadow
        self._counters = counters

    # --- who gets it --------------------------------------------------------------------

    def join(self, reader: Reader) -> None:
        """Give a reader a snapshot and what follows; one that has its place begins anew."""
        if not self.places:
            self._shadow.l3_open(self.symbol_id)
            self.live = Tape()
            self.u, _ = self._shadow.last(self.symbol_id)
        self.places[reader] = Place()

    def leave(self, reader: Reader) -> None:
        self.places.pop(reader, None)
        if not self.places:
            self._shadow.l3_close(self.symbol_id)
            self.walk = None
            self.ended.clear()
            self.live = Tape()

    @property
    def busy(self) -> bool:
        """Whether there is something to do although nothing changes: a snapshot."""
        return self.walk is not None or any(place.waiting for place in self.places.values())

    @property
    def waiting(self) -> int:
        """Events that wait to be encoded."""
        return self._shadow.l3_waiting(self.symbol_id) if self.places else 0

    # --- frames -------------------------------------------------------------------------

    def advance(self) -> None:
        """Encode what happened since the last time, and the next part of a walk."""
        self._take()
        if self.walk is not None and not self._has_readers(self.walk):
            self._shadow.l3_end(self.symbol_id)
            self.walk = None
        self._seat()
        if self.walk is not None and self._behind(self.walk) < WALK_AHEAD_BYTES:
            self._step(self.walk)

    def _take(self) -> None:
        while True:
            try:
                taken = self._shadow.l3_take(self.symbol_id)
            except BufferError:
                self._lost()
                continue
            if taken is None:
                return
            rows, walk_rows, u = taken
            if rows:
                self.live.append(self._events(rows, u, self.u), u)
                self.u = u
            if walk_rows and self.walk is not None:
                self.walk.tape.append(self._events(walk_rows, u, self.walk.u), u)
                self.walk.u = u

    def _lost(self) -> None:
        """Events are missing: everybody is cut (MD-71)."""
        self.walk = None
        self.ended.clear()
        self.live = Tape()
        self.u, _ = self._shadow.last(self.symbol_id)
        for place in self.places.values():
            if not place.waiting:
                self._cut(place)

    def _seat(self) -> None:
        """Put who waits into the walk under way, if its beginning is still there, or a new one."""
        waiting = [place for place in self.places.values() if place.waiting]
        if not waiting:
            return
        if self.walk is None:
            self._begin()
        walk = self.walk
        assert walk is not None
        if walk.tape.first:
            return
        for place in waiting:
            place.walk, place.at = walk, 0
            place.waiting = place.begun = False

    def _begin(self) -> None:
        self._shadow.l3_begin(self.symbol_id)
        self.walk = Walk(self.u, self._shadow.last(self.symbol_id)[1])
        self._counters["l3_snapshots"] += 1

    def _step(self, walk: Walk) -> None:
        """One part of the walk (MD-72)."""
        rows, walk.ended = self._shadow.l3_part(self.symbol_id)
        walk.part += 1
        _, ts_ns = self._shadow.last(self.symbol_id)
        frame = text_frame(
            b'{"LS":[%d,%d,%d,[%b],%d,%d,%d]}'
            % (self.symbol_id, walk.part, walk.ended, rows, ts_ns, self.u, walk.u)
        )
        walk.tape.append(frame, self.u)
        walk.u = self.u
        if walk.ended:
            walk.live_at = self.live.end
            self.walk = None
            self._keep_ended(walk)

    def _keep_ended(self, walk: Walk) -> None:
        self.ended = deque(each for each in self.ended if self._has_readers(each))
        self.ended.append(walk)
        if len(self.ended) > ENDED_WALKS_MAX:
            self.ended.popleft().tape.clear()

    def _events(self, rows: bytes, u: int, pu: int) -> bytes:
        return text_frame(b'{"L":[%d,[%b],%d,%d]}' % (self.symbol_id, rows, u, pu))

    def _has_readers(self, walk: Walk) -> bool:
        return any(place.walk is walk for place in self.places.values())

    def _behind(self, walk: Walk) -> int:
        """How far the walk's fastest reader is behind it, in bytes."""
        return min(
            (walk.tape.behind(max(place.at, walk.tape.first))
             for place in self.places.values() if place.walk is walk),
            default=0,
        )  # fmt: skip

    # --- to one reader ------------------------------------------------------------------

    def serve(self, reader: Reader, now_ns: int) -> None:
        """Write what a reader has not got, while it is not over (MD-76)."""
        place = self.places[reader]
        while not reader.over(now_ns):
            frame = self._next(place)
            if not frame:
                return
            reader.write(frame)

    def _next(self, place: Place) -> bytes:
        """The frame that a reader gets next; b"" when it has all, or is cut."""
        walk = place.walk
        if place.waiting:
            return b""
        if walk is not None and not place.begun:
            place.begun = True
            frame = self._beginning(walk, place.u)
            place.u = walk.began_u
            return frame
        if walk is not None and walk.ended and place.at == walk.tape.end:
            place.walk, place.at = None, walk.live_at
            walk = None
        tape = self.live if walk is None else walk.tape
        if place.at < tape.first:
            self._cut(place)
            return b""
        if place.at == tape.end:
            return b""
        frame, place.u, _ = tape[place.at]
        place.at += 1
        return frame

    def _beginning(self, walk: Walk, pu: int) -> bytes:
        fields = (self.symbol_id, 0, 0, (), walk.began_ns, walk.began_u, pu)
        return text_frame(orjson.dumps({"LS": fields}))

    def _cut(self, place: Place) -> None:
        """Its place is no longer kept: it waits for a snapshot (MD-75)."""
        place.walk = None
        place.waiting = True
        self._counters["l3_cuts"] += 1
