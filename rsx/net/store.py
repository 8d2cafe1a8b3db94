"""A copy of a log in a folder of its own: the same segments, byte for byte.

    <data>/lock                            held while it is written
    <data>/tip                             how far it is synced, at least
    <data>/wal/00000000000000000001.wal    as the server's, not zeroed ahead

Source: specs/dxs.md DX-40 to DX-42.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from rsx.errors import StartError
from rsx.net.dxs_client import Batch, DxsClient, Tip
from rsx.net.wire import NOTHING, Last
from rsx.records import LOG_STARTED, RECORD_SIZE, SEGMENT_STARTED, RecordError, decode
from rsx.wal.segments import Segment, list_segments, segment_name, sync_folder
from rsx.wal.slots import Place

TIP_FILE = "tip"
TIP_EVERY_S = 1.0
SYNC_EVERY_S = 0.01
BLOCK_RECORDS = 8192


class StoreDamaged(StartError):
    """A copy that is not what its tip says: file, offset and number are in the message."""


class LogStore:
    """Appends verified records, in order, to a folder.

    Args        data: the data folder, locked by the caller
    Attributes  last: newest record written; synced: newest that is durable; next_seq (0 = nothing
                is stored: take what there is); exchange_id (0 = not known); cut_bytes: torn, at
                the opening
    Raises      StoreDamaged, OSError
    Thread      `sync` may run on another one than the rest
    """

    def __init__(self, data: str | Path):
        self.data = Path(data)
        self.folder = self.data / "wal"
        self.last = self.synced = NOTHING
        self.exchange_id = 0
        self.cut_bytes = 0
        self.first_seq = 0
        self._fd = -1
        self._segment_first = 0
        self._folder_is_synced = True
        self._lock = threading.Lock()
        self._tip_lock = threading.Lock()
        self._tip_written_at = 0.0
        self.folder.mkdir(parents=True, exist_ok=True)
        self._open()

    @property
    def next_seq(self) -> int:
        if self.last.seq:
            return self.last.seq + 1
        return self._segment_first if self._fd >= 0 else 0

    # --- opening --------------------------------------------------------------------------

    def _open(self) -> None:
        """Find the end of what is stored; cut what is torn behind the tip."""
        tip = Tip.read(self.data / TIP_FILE)
        segments = list_segments(self.folder)
        if not segments:
            if tip.last.seq:
                raise StoreDamaged(
                    f"{self.folder}: no segments, but {self.data / TIP_FILE} says that record "
                    f"{tip.last.seq} is stored"
                )
            return
        self.first_seq = segments[0].first
        self.exchange_id = tip.exchange_id
        number, place = self._end(segments, tip.last)
        self._cut(segments, number, place.seq)
        segment = segments[number]
        if self.last.seq == 0 and segment.first == 1:
            segment.path.unlink()
            self.first_seq = 0
            return
        self._fd = os.open(segment.path, os.O_RDWR | os.O_CLOEXEC)
        self._segment_first = segment.first
        os.fsync(self._fd)
        sync_folder(self.folder)
        self.synced = self.last

    def _end(self, segments: list[Segment], tip: Last) -> tuple[int, Place]:
        """(the segment that the copy ends in, the place behind its last record)."""
        number = 0
        place = Place(segments[0].first)
        if tip.seq:
            while number + 1 < len(segments) and segments[number + 1].first <= tip.seq:
                number += 1
            place = Place(tip.seq)
        self._check_sequence(segments[: number + 1])
        while True:
            segment = segments[number]
            following = segments[number + 1].first if number + 1 < len(segments) else 0
            self._valid(segment, place)
            if tip.seq and self.last.seq < tip.seq:
                raise StoreDamaged(
                    f"{segment.path}: no valid record {tip.seq} at offset "
                    f"{(tip.seq - segment.first) * RECORD_SIZE}, which was stored"
                )
            if place.seq != following:
                return number, place
            number += 1

    def _check_sequence(self, segments: list[Segment]) -> None:
        for segment, later in itertools.pairwise(segments):
            if segment.first + segment.slots < later.first:
                raise StoreDamaged(
                    f"{segment.path}: ends before record {segment.first + segment.slots}, "
                    f"{later.path.name} is next: records are missing"
                )

    def _valid(self, segment: Segment, place: Place) -> None:
        """Move the place behind the run of valid records from there on."""
        with open(segment.path, "rb") as file:
            file.seek((place.seq - segment.first) * RECORD_SIZE)
            while data := file.read(BLOCK_RECORDS * RECORD_SIZE):
                count = place.take(data)
                if count:
                    run = data[: count * RECORD_SIZE]
                    self.last = Last.of(run)
                    self._note_exchange(run)
                if count * RECORD_SIZE < len(data):
                    return

    def _note_exchange(self, run: bytes) -> None:
        if self.exchange_id == 0 and run[2] in (SEGMENT_STARTED.type, LOG_STARTED.type):
            self.exchange_id = decode(run, 0).exchange_id

    def _cut(self, segments: list[Segment], number: int, next_seq: int) -> None:
        """Remove what lies behind the end: it comes again."""
        for later in segments[number + 1 :]:
            self.cut_bytes += later.size
            later.path.unlink()
        segment = segments[number]
        size = (next_seq - segment.first) * RECORD_SIZE
        if segment.size > size:
            with open(segment.path, "r+b") as file:
                file.seek(size)
                self.cut_bytes += len(file.read().rstrip(b"\0"))
                file.truncate(size)

    # --- writing --------------------------------------------------------------------------

    def append(self, data: bytes) -> None:
        """Write whole verified records that follow the last one; a new file at each that begins
        one. Raises StartError where a new copy would begin within a segment."""
        at = 0
        kinds = data[2::RECORD_SIZE]
        while at < len(kinds):
            begins = kinds[at] == SEGMENT_STARTED.type
            if self._fd < 0 and not begins:
                seq = Last.of(data[: (at + 1) * RECORD_SIZE]).seq
                raise StartError(
                    f"a copy begins where a segment does, not at record {seq}: from 0, the oldest"
                )
            if begins:
                first = Last.of(data[at * RECORD_SIZE : (at + 1) * RECORD_SIZE]).seq
                if self._fd < 0 or first != self._segment_first:
                    self._next_segment(first)
                self._note_exchange(data[at * RECORD_SIZE : (at + 1) * RECORD_SIZE])
            end = kinds.find(SEGMENT_STARTED.type, at + 1)
            end = len(kinds) if end < 0 else end
            self._write(data[at * RECORD_SIZE : end * RECORD_SIZE])
            at = end

    def _write(self, run: bytes) -> None:
        last = Last.of(run)
        first = last.seq + 1 - len(run) // RECORD_SIZE
        if self.last.seq and first != self.last.seq + 1:
            raise RecordError(f"record {first} where {self.last.seq + 1} is due")
        if not self.last.seq and first != self.next_seq:
            raise RecordError(f"record {first} where {self.next_seq} is due")
        offset = (first - self._segment_first) * RECORD_SIZE
        view = memoryview(run)
        while view:
            done = os.pwrite(self._fd, view, offset)
            view, offset = view[done:], offset + done
        self.last = last

    def _next_segment(self, first: int) -> None:
        path = self.folder / segment_name(first)
        with self._lock:
            if self._fd >= 0:
                os.fsync(self._fd)
                os.close(self._fd)
                self._fd = -1
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            self._segment_first = first
            self.first_seq = self.first_seq or first
            self._folder_is_synced = False

    def sync(self) -> Last:
        """Make everything written before durable; returns the newest such record."""
        with self._lock:
            last = self.last
            if last == self.synced or self._fd < 0:
                return self.synced
            os.fsync(self._fd)
            if not self._folder_is_synced:
                sync_folder(self.folder)
                self._folder_is_synced = True
            self.synced = last
        now = time.monotonic()
        if now - self._tip_written_at >= TIP_EVERY_S:
            self._tip_written_at = now
            self.write_tip()
        return last

    def write_tip(self) -> None:
        with self._tip_lock:
            Tip(self.synced, self.exchange_id).write(self.data / TIP_FILE)

    def close(self) -> None:
        """Sync and close; the tip says all of it."""
        if self._fd < 0:
            return
        if self.last.seq == 0:
            os.close(self._fd)
            self._fd = -1
            return
        self.sync()
        self.write_tip()
        with self._lock:
            os.close(self._fd)
            self._fd = -1

    def prune(self, keep_seq: int) -> None:
        """Remove segments wholly below a number."""
        segments = list_segments(self.folder)
        removed = False
        for segment, later in itertools.pairwise(segments):
            if later.first <= keep_seq:
                segment.path.unlink()
                self.first_seq = later.first
                removed = True
        if removed:
            sync_folder(self.folder)

    def tip(self) -> Tip:
        """Where a consumer goes on."""
        return Tip(self.last, self.exchange_id)


async def copy_log(
    client: DxsClient, store: LogStore, handle: Callable[[Batch], Awaitable[None]]
) -> None:
    """Store what comes and make it durable, until the client is stopped; then handle each batch.

    Raises what client, store and handle raise.
    """

    async def take() -> None:
        async with contextlib.aclosing(client.batches()) as batches:
            async for batch in batches:
                if batch.data:
                    store.append(batch.data)
                await handle(batch)

    async def sync() -> None:
        while True:
            await asyncio.sleep(SYNC_EVERY_S)
            if store.last != store.synced:
                await client.done_to(await asyncio.to_thread(store.sync))

    tasks = {asyncio.ensure_future(take()), asyncio.ensure_future(sync())}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
