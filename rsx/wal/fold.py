"""Folding a log with more than one core: reading and checking, engines, accounts, each on its own.

    reader thread --chunks--> caller: engines --chunks--> ledger thread: accounts

The halves of a state share nothing (rsx/wal/state.pyx), and the ledger's comes behind the engines'.
What they fold, and which failure is told, is the same as of one thread. Source: specs/wal.md L-33.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

from rsx.wal.segments import RECORD_SIZE
from rsx.wal.state import State

# Chunks between two threads: enough to bridge a pause, few enough to stay in the cache.
WAITING_MAX = 4
# Chunks of a log that is not worth any threads.
ALONE = 4


def allowed_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def fold_chunks(
    state: State, chunks: Iterable[bytes], done: Callable[[int], None] | None = None,
    cores: int | None = None, alone: int = ALONE,
) -> None:  # fmt: skip
    """Fold chunks of whole records into a state.

    Args    done: called with the number due next, now and then; cores: None = those there are;
            alone: so many chunks are folded before threads begin
    Raises  what the chunks, or State.apply, raise
    """
    chunks = iter(chunks)
    is_single = (allowed_cores() if cores is None else cores) < 2
    for chunk in chunks if is_single else islice(chunks, alone):
        state.apply(chunk)
        if done is not None:
            done(state.next_seq)
    if not is_single:
        _fold_in_threads(state, chunks, done)


def _fold_in_threads(
    state: State, chunks: Iterator[bytes], done: Callable[[int], None] | None
) -> None:
    first = next(chunks, None)
    if first is None:
        return
    reader, ledger = _Reader(chain((first,), chunks)), _Ledger(state)
    try:
        for chunk in reader:
            began = state.next_seq
            try:
                state.apply_engines(chunk)
            except BaseException:
                # A record before the one that failed may be refused by the ledger.
                ledger.put(chunk[: (max(began, state.next_seq - 1) - began) * RECORD_SIZE])
                ledger.close()
                raise
            ledger.put(chunk)
            if done is not None:
                done(state.next_seq)
        ledger.close()
    finally:
        reader.stop()
        ledger.stop()


class _Ledger:
    """The thread that folds accounts."""

    def __init__(self, state: State):
        self.state = state
        self.waiting: queue.Queue[bytes | None] = queue.Queue(WAITING_MAX)
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="ledger fold", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while (chunk := self.waiting.get()) is not None:
            if self.failure is None:
                try:
                    self.state.apply_ledger(chunk)
                except BaseException as error:
                    self.failure = error

    def put(self, chunk: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        self.waiting.put(chunk)

    def close(self) -> None:
        """Wait until all is folded; raises what was raised there."""
        self.stop()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        if self.thread.is_alive():
            self.waiting.put(None)
            self.thread.join()


class _Reader:
    """The thread that reads and checks what comes next."""

    def __init__(self, chunks: Iterable[bytes]):
        self.chunks = iter(chunks)
        self.ready: queue.Queue[bytes | BaseException | None] = queue.Queue(WAITING_MAX)
        self.is_stopped = False
        self.thread = threading.Thread(target=self._run, name="log reader", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            for chunk in self.chunks:
                self.ready.put(chunk)
                if self.is_stopped:
                    return
        except BaseException as error:
            self.ready.put(error)
            return
        self.ready.put(None)

    def __iter__(self) -> Iterator[bytes]:
        while (item := self.ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def stop(self) -> None:
        """End the thread, which may wait for room."""
        self.is_stopped = True
        while self.thread.is_alive():
            try:
                self.ready.get(timeout=1)
            except queue.Empty:
                continue
