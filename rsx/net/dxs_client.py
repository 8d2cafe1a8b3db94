"""A consumer of a log over TCP: every record once, in order, verified; across lost connections.

    async with DxsClient("127.0.0.1:9700", name="copy", tip_file="copy.tip") as client:
        async for batch in client:
            store(batch.data)               # whole 128-byte records
            await client.done(batch)        # what it stands for is durable here

Needs nothing of an exchange. Source: specs/dxs.md section 3.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import ssl
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rsx.errors import SENTENCES, Reason, RsxError
from rsx.net import wire
from rsx.net.wire import NOTHING, Last
from rsx.records import (
    CAUGHT_UP,
    CONSUMER_TIP,
    LOG_TIP,
    RECORD_SIZE,
    REPLAY_UNAVAILABLE,
    Kind,
    RecordError,
    View,
    decode,
)
from rsx.wal.slots import Place

READ_SIZE = 1 << 18
BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 30.0)
JITTER = 0.2
CLEAN_END_S = 0.1
CONNECT_S = 10.0
TIP_EVERY_S = 0.01
SAY_EVERY_S = 1.0

log = logging.getLogger("rsx.dxs")


class DxsError(RsxError):
    """The consumer cannot go on; one line says why."""


class Blocked(DxsError):
    """Too many errors in a row (DX-32)."""


class Unavailable(DxsError):
    """A server says that it does not have what is asked for. asked, oldest, newest: numbers."""

    def __init__(self, text: str, asked: int = 0, oldest: int = 0, newest: int = 0):
        super().__init__(text)
        self.asked = asked
        self.oldest = oldest
        self.newest = newest


class Pruned(Unavailable):
    """The log begins behind the record asked for."""


class Future(Unavailable):
    """The log ends before the record asked for."""


class OtherExchange(Unavailable):
    """The log is that of another exchange."""


class OtherHistory(Unavailable):
    """The log has another record where the consumer's last one is."""


class NotAllowed(Unavailable):
    """Token or certificate are missing or wrong."""


class Fault(Exception):
    """The connection cannot be used further; another may."""


class CleanEnd(Exception):
    """The server ended the connection between two records."""


class Tip(NamedTuple):
    """What a consumer has done, as in its tip file."""

    last: Last = NOTHING
    exchange_id: int = 0

    @classmethod
    def read(cls, path: str | Path) -> Tip:
        """NOTHING when there is no file. Raises DxsError on one that cannot be read (DX-31)."""
        try:
            text = Path(path).read_text(encoding="ascii")
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError) as error:
            raise DxsError(f"tip file {path}: {error}") from None
        words = text.split()
        if len(words) != 4 or not all(w.isdigit() for w in words) or not text.endswith("\n"):
            raise DxsError(f"tip file {path}: {text[:80]!r} is no tip (four numbers)")
        seq, epoch, ts_ns, exchange_id = map(int, words)
        return cls(Last(seq, epoch, ts_ns), exchange_id)

    def write(self, path: str | Path) -> None:
        """Durable when it returns; whole or not at all."""
        target = Path(path)
        draft = target.with_name(f"{target.name}.new")
        with open(draft, "wb") as file:
            file.write(f"{' '.join(map(str, (*self.last, self.exchange_id)))}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@dataclass(frozen=True, slots=True)
class Batch:
    """Verified records from number `first` on. live_seq: set on the one that ends caught up."""

    first: int
    data: bytes
    live_seq: int | None = None

    @property
    def next_seq(self) -> int:
        return self.first + len(self.data) // RECORD_SIZE


def parse_endpoint(text: str) -> tuple[str, int]:
    """HOST:PORT, with [] around an IPv6 address. Raises DxsError."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise DxsError(f"{text!r} is no HOST:PORT")
    return host.strip("[]"), int(port)


class DxsClient:
    """Follows a log. Iterate once; call `done` for what is durable on this side.

    Args    endpoints: "HOST:PORT", several with commas or as a sequence, newest first
            name: under which the server keeps the log for us; "" = it does not
            start: number to begin with where there is no tip; 0 = the oldest
            tip_file, or tip: what was done before; token: shared secret; tls: of wire.client_tls
            server_name: in the server's certificate, where it is not the host
            errors_max: in a row, None = never give up; silent_s: without a sign of life
    Raises  DxsError, when it cannot go on
    """

    def __init__(
        self, endpoints: str | Sequence[str], *, name: str = "", start: int = 1,
        tip_file: str | Path | None = None, tip: Tip | None = None, token: bytes | None = None,
        tls: ssl.SSLContext | None = None, server_name: str | None = None,
        errors_max: int | None = 20, silent_s: float = 10.0,
        backoff_s: Sequence[float] = BACKOFF_S,
    ):  # fmt: skip
        parts = endpoints.split(",") if isinstance(endpoints, str) else endpoints
        self.endpoints = [parse_endpoint(part) for part in parts]
        if len(name.encode()) > wire.NAME_MAX or not name.isprintable():
            raise DxsError(f"name = {name!r}: at most {wire.NAME_MAX} printable bytes")
        self.name = name
        self.tip_file = Path(tip_file) if tip_file else None
        self.tip = tip or (Tip.read(tip_file) if tip_file else Tip())
        self.exchange_id = self.tip.exchange_id
        self.received = self.tip.last  # the newest record handed out
        self.next_seq = self.received.seq + 1 if self.received.seq else start
        self.token = token
        self.tls = tls
        self.server_name = server_name
        self.errors_max = errors_max
        self.silent_s = silent_s
        self.backoff_s = backoff_s
        self.is_connected = False
        self.caught_up = False
        self.newest_seq = 0
        self.heard_at = 0.0  # monotonic seconds of the last bytes from the server
        self.endpoint = ""
        self.last_error = ""
        self.errors = 0
        self.connects = 0
        self._writer: asyncio.StreamWriter | None = None
        self._stopped = asyncio.Event()
        self._tip_written = self.tip
        self._tip_written_at = 0.0
        self._tip_lock = asyncio.Lock()
        self._file_lock = threading.Lock()  # a cancelled write runs on in its thread
        self._stored_seq = self.tip.last.seq

    async def __aenter__(self) -> DxsClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End the iteration, and write the tip that is due."""
        self._stopped.set()
        if self._writer is not None:
            self._writer.transport.abort()
        await self._write_tip()

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self.batches()

    # --- what is done ---------------------------------------------------------------------

    async def done(self, batch: Batch) -> None:
        """Everything up to the end of the batch is done, and its effect durable (DX-31)."""
        if batch.data:
            await self.done_to(Last.of(batch.data))

    async def done_to(self, last: Last) -> None:
        """As `done`, for a consumer that knows the last record."""
        if last.seq <= self.tip.last.seq:
            return
        self.tip = Tip(last, self.exchange_id)
        if time.monotonic() - self._tip_written_at >= TIP_EVERY_S:
            await self._write_tip()

    async def _write_tip(self) -> None:
        async with self._tip_lock:
            if self.tip == self._tip_written:
                return
            tip = self.tip
            if self.tip_file is not None:
                await asyncio.to_thread(self._store_tip, self.tip_file, tip)
            self._tip_written, self._tip_written_at = tip, time.monotonic()
            self._say_tip()

    def _store_tip(self, path: Path, tip: Tip) -> None:
        with self._file_lock:
            if tip.last.seq > self._stored_seq:
                tip.write(path)
                self._stored_seq = tip.last.seq

    def _say_tip(self) -> None:
        """DX-36."""
        if self._writer is not None and self.is_connected and self.name:
            self._writer.write(wire.control(
                CONSUMER_TIP, ts_ns=time.time_ns(), tip_seq=self._tip_written.last.seq
            ))  # fmt: skip

    # --- connections ----------------------------------------------------------------------

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Every batch, for ever; ends after `stop`. Raises DxsError (DX-32, DX-33)."""
        while not self._stopped.is_set():
            refusals: list[Unavailable] = []
            pause = CLEAN_END_S
            for host, port in self.endpoints:
                self.endpoint = f"{host}:{port}"
                try:
                    async with contextlib.aclosing(self._connection(host, port)) as batches:
                        async for batch in batches:
                            yield batch
                except CleanEnd as end:
                    self.last_error = str(end)
                    break
                except Unavailable as error:
                    refusals.append(error)
                    self._note(error)
                except (Fault, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                    self._note(error)
                    pause = self._backoff()
                if self._stopped.is_set():
                    return
            if len(refusals) == len(self.endpoints):
                raise refusals[0]
            await self._sleep(pause)

    def _note(self, error: BaseException) -> None:
        text = str(error) or type(error).__name__
        if isinstance(error, asyncio.IncompleteReadError):
            text = "the connection ended within a record"
        self.last_error = f"{self.endpoint}: {text}"
        if not self._stopped.is_set():
            log.warning("dxs: %s", self.last_error)

    def _backoff(self) -> float:
        """Seconds to wait after another error. Raises Blocked when they are too many."""
        self.errors += 1
        if self.errors_max is not None and self.errors >= self.errors_max:
            raise Blocked(f"{self.errors} errors in a row, the last: {self.last_error}")
        step = self.backoff_s[min(self.errors, len(self.backoff_s)) - 1]
        return step * random.uniform(1 - JITTER, 1 + JITTER)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()

    async def _connection(self, host: str, port: int) -> AsyncGenerator[Batch, None]:
        """One connection from the record due on."""
        reader = await self._open(host, port)
        teller: asyncio.Task[None] | None = None
        try:
            await self._begin(reader)
            teller = asyncio.create_task(self._tell())
            async with contextlib.aclosing(self._records(reader)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            self.is_connected = self.caught_up = False
            if teller is not None:
                teller.cancel()
            if self._writer is not None:
                self._writer.transport.abort()
                self._writer = None

    async def _open(self, host: str, port: int) -> asyncio.StreamReader:
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, self._writer = await asyncio.open_connection(
                    host, port, ssl=self.tls, limit=2 * READ_SIZE,
                    server_hostname=(self.server_name or host) if self.tls else None,
                )  # fmt: skip
        except ssl.SSLCertVerificationError as error:
            raise NotAllowed(f"the server's certificate: {error.verify_message}") from None
        return reader

    async def _ask(self, reader: asyncio.StreamReader, stream: int = wire.LOG) -> View:
        """The handshake; returns REPLAY_BEGUN (DX-1 to DX-3)."""
        assert self._writer is not None
        asked = (self.next_seq, self.received) if stream == wire.LOG else (0, NOTHING)
        try:
            async with asyncio.timeout(CONNECT_S):
                challenge = await reader.readexactly(wire.CHALLENGE_SIZE)
                request = wire.replay_request(
                    asked[0], self.exchange_id, self.name, asked[1], stream
                )
                self._writer.write(request + wire.proof(self.token, challenge, request))
                answer = await reader.readexactly(RECORD_SIZE)
        except asyncio.IncompleteReadError as error:
            raise Fault(
                f"the server ended the handshake after {len(error.partial)} bytes"
            ) from None
        except ssl.SSLError as error:
            raise NotAllowed(f"TLS: {error.reason or error}") from None
        view = self._control(answer)
        if view.record.name != "REPLAY_BEGUN":
            raise Fault(f"{view.record.name} where REPLAY_BEGUN is due")
        if self.exchange_id not in (0, view.exchange_id):
            raise OtherExchange(self._other_exchange(view.exchange_id))
        return view

    async def _begin(self, reader: asyncio.StreamReader) -> None:
        view = await self._ask(reader)
        if view.from_seq != (self.next_seq or view.from_seq) or view.from_seq < 1:
            raise Fault(f"the server begins at {view.from_seq} where {self.next_seq} is due")
        self.next_seq = view.from_seq
        self.exchange_id = view.exchange_id
        self.newest_seq = max(self.newest_seq, view.durable_seq)
        self.is_connected = True
        self.errors = 0
        self.connects += 1
        self.heard_at = time.monotonic()

    async def _tell(self) -> None:
        while True:
            self._say_tip()
            await asyncio.sleep(SAY_EVERY_S)

    # --- records --------------------------------------------------------------------------

    async def _records(self, reader: asyncio.StreamReader) -> AsyncGenerator[Batch, None]:
        place = Place(self.next_seq, self.received.epoch)
        rest = b""
        while True:
            try:
                async with asyncio.timeout(self.silent_s):
                    data = await reader.read(READ_SIZE)
            except TimeoutError:
                raise Fault(f"nothing heard for {self.silent_s:g} s") from None
            except ssl.SSLError as error:
                raise NotAllowed(f"TLS: {error.reason or error}") from None
            if not data:
                if rest:
                    raise Fault(f"the connection ended within a record ({len(rest)} bytes)")
                raise CleanEnd("the server ended the connection")
            self.heard_at = time.monotonic()
            data = rest + data if rest else data
            whole = len(data) // RECORD_SIZE * RECORD_SIZE
            rest = data[whole:]
            for batch in self._split(memoryview(data)[:whole], place):
                yield batch

    def _split(self, data: memoryview, place: Place) -> Iterator[Batch]:
        """Whole records as batches; raises at the first that is not due."""
        at = 0
        while at < len(data):
            first = int(place.seq)
            end = at + place.take(data[at:]) * RECORD_SIZE
            run = bytes(data[at:end])
            if run:
                self.received = Last.of(run)
                self.next_seq = int(place.seq)
                self.newest_seq = max(self.newest_seq, self.received.seq)
            at = end
            if at == len(data) or data[at + 2] != CAUGHT_UP.type:
                if run:
                    yield Batch(first, run)
                if at == len(data):
                    return
                self._between(bytes(data[at : at + RECORD_SIZE]), place)
            else:
                live_seq = self._between(bytes(data[at : at + RECORD_SIZE]), place)
                yield Batch(first, run, live_seq)
            at += RECORD_SIZE

    def _between(self, unit: bytes, place: Place) -> int:
        """CAUGHT_UP or LOG_TIP; returns the number it tells. Raises for anything else (DX-3)."""
        view = self._control(unit, place)
        if view.record is LOG_TIP:
            self.newest_seq = max(self.newest_seq, view.durable_seq)
            return int(view.durable_seq)
        if view.record is not CAUGHT_UP or self.caught_up:
            raise Fault(f"{view.record.name} where record {place.seq} is due")
        if view.live_seq != place.seq - 1:
            raise Fault(f"caught up at {view.live_seq}, but record {place.seq} is due")
        self.caught_up = True
        self.newest_seq = max(self.newest_seq, view.live_seq)
        return int(view.live_seq)

    def _control(self, unit: bytes, place: Place | None = None) -> View:
        """Decode a record of the wire. Raises what REPLAY_UNAVAILABLE says, or why it is none."""
        due = f"record {place.seq} is due" if place is not None else "an answer is due"
        try:
            view = decode(unit)
        except RecordError as error:
            raise Fault(f"{error}, where {due}") from None
        if view.record is REPLAY_UNAVAILABLE:
            raise self._refusal(view)
        if view.record.kind is Kind.WIRE and view.seq == 0:
            return view
        if place is not None and view.seq == place.seq and view.epoch < place.epoch:
            raise OtherHistory(
                f"record {view.seq} has epoch {view.epoch} after {place.epoch}: another history",
                view.seq,
            )
        raise Fault(f"{view.record.name} with number {view.seq} where {due}")

    def _refusal(self, view: View) -> Exception:
        """DX-6 as an error of ours."""
        asked, oldest, newest = view.from_seq, view.oldest_seq, view.durable_seq
        if view.reason == Reason.STOPPING:
            return CleanEnd("the exchange stops")
        if view.reason == Reason.TOKEN_MISSING:
            return NotAllowed("the server asks for a token")
        if view.reason == Reason.TOKEN_INVALID:
            return NotAllowed("the token is not the server's")
        if view.reason == Reason.NOT_FOUND:
            if self.exchange_id not in (0, view.exchange_id):
                return OtherExchange(self._other_exchange(view.exchange_id), asked, oldest, newest)
            self.newest_seq = max(self.newest_seq, newest)
            if asked == 0:
                return Unavailable("what is asked for is not there (a snapshot)", 0, oldest, newest)
            return Pruned(
                f"record {asked} is pruned, the log begins at {oldest}", asked, oldest, newest
            )
        if view.reason == Reason.INVALID_VALUE:
            if asked > newest + 1:
                return Future(
                    f"record {asked} is the future, the newest is {newest}", asked, oldest, newest
                )
            return OtherHistory(
                f"record {self.received.seq} is another one there: another history", asked, oldest,
                newest,
            )  # fmt: skip
        return Fault(f"the server ended it: {SENTENCES[Reason(view.reason)]}")

    def _other_exchange(self, there: int) -> str:
        return f"the log is that of exchange {there:#x}, not {self.exchange_id:#x}"
