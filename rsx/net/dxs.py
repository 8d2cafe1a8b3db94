"""dxs tile: the log over TCP, from any retained number on, then live.

Reads   segment files through a cursor for each consumer, up to what is durable
Owns    connections, and what named consumers still need of the log
Never   writes to the log or its rings; a consumer that fails ends alone
Source  specs/dxs.md
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsx.config import Dxs
from rsx.core.async_tile import AsyncTile
from rsx.errors import Reason, StartError
from rsx.net import wire
from rsx.records import (
    CAUGHT_UP,
    CONSUMER_TIP,
    LOG_TIP,
    RECORD_SIZE,
    REPLAY_BEGUN,
    REPLAY_UNAVAILABLE,
    RecordError,
    View,
    decode,
)
from rsx.wal.follow import LogFollower, LogPruned
from rsx.wal.segments import list_segments
from rsx.wal.snapshot_files import list_snapshots

CHUNK_RECORDS = 2048
BUFFER_HIGH, BUFFER_LOW = 1 << 18, 1 << 16
# Connections beyond those served that may be in their handshake.
SHAKING_MAX = 64
NAMES_MAX = 1024
RECORDS_PER_MIB = (1 << 20) // RECORD_SIZE
LAST_WORD_S = 1.0
# A segment may be renamed under a read: the next one finds it.
READS_MAX = 4

log = logging.getLogger("rsx.dxs")
Metric = tuple[str, str, str, Mapping[str, str], int]


class Dropped(Exception):
    """The peer did something wrong: the connection ends, counted under `kind`."""

    def __init__(self, kind: str, text: str):
        super().__init__(text)
        self.kind = kind


class Unavailable(Dropped):
    """A request that cannot be served: answered with REPLAY_UNAVAILABLE (DX-6)."""

    def __init__(self, reason: Reason, text: str, *, from_seq: int = 0, is_told: bool = True):
        super().__init__(reason.name.lower(), text)
        self.reason = reason
        self.from_seq = from_seq
        self.is_told = is_told  # where the log begins and ends


@dataclass(slots=True)
class Holder:
    """A named consumer, for retention (DX-20). heard: monotonic seconds."""

    tip: int
    heard: float
    connections: int = 0
    is_warned: bool = False


class DxsTile(AsyncTile):
    """Serves the log of one exchange.

    Args        folder: of the segments; durable: newest durable number, any thread;
                exchange_id: of the log; token: None = no proof is asked for
    Attributes  address once started; needed_seq (any thread)
    Raises      StartError in on_start: files of TLS, an address that may not be served so
    """

    def __init__(
        self, config: Dxs, folder: Path, durable: Callable[[], int], exchange_id: int,
        token: bytes | None = None,
    ):  # fmt: skip
        super().__init__("dxs", [])
        self.config = config
        self.folder = folder
        self.durable = durable
        self.exchange_id = exchange_id
        self.token = token
        self.address: tuple[str, int] = (config.host, config.port)
        self.connections: set[Connection] = set()
        self.dropped: Counter[str] = Counter()
        self.records_sent = 0
        self.accepted = 0
        self._holders: dict[str, Holder] = {}
        self._server: asyncio.Server | None = None
        self._moved: asyncio.Future[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- life -----------------------------------------------------------------------------

    async def on_start(self) -> None:
        config = self.config
        tls = wire.server_tls(config.cert, config.key, config.ca)
        self._check_address(tls is not None)
        more: dict[str, Any] = {}
        if tls is not None:
            more = {"ssl": tls, "ssl_handshake_timeout": config.handshake_ms / 1000}
        try:
            self._server = await asyncio.start_server(self._serve, config.host, config.port, **more)
        except OSError as error:
            raise StartError(
                f"dxs cannot listen on {config.host}:{config.port}: {error.strerror or error}"
            ) from None
        self.address = self._server.sockets[0].getsockname()[:2]
        self._moved = asyncio.get_running_loop().create_future()

    def _check_address(self, has_tls: bool) -> None:
        """DX-11."""
        config = self.config
        if wire.is_loopback(config.host) or config.insecure:
            return
        missing = [
            what
            for what, is_there in (
                ("TLS (dxs.cert, dxs.key)", has_tls),
                ("a token or client certificates (dxs.ca)", bool(self.token or config.ca)),
            )
            if not is_there
        ]
        if missing:
            raise StartError(
                f"dxs.host = {config.host!r} is not loopback: needs {' and '.join(missing)}, "
                "or dxs.insecure = true"
            )

    async def on_close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=2 * LAST_WORD_S)
            for connection in list(self.connections):
                connection.writer.transport.abort()
            if late:
                await asyncio.wait(late, timeout=LAST_WORD_S)
        if self._watcher is not None:
            self._watcher.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.accepted += 1
        connection = Connection(self, reader, writer)
        if len(self.connections) >= self.config.clients_max + SHAKING_MAX:
            self.count(connection, Dropped("crowd", "too many connections"))
            writer.transport.abort()
            return
        self.connections.add(connection)
        try:
            await connection.run()
        except Exception:  # the exchange goes on, whatever is wrong here
            self.dropped["failed"] += 1
            log.exception("dxs: %s", connection.label)
        finally:
            self.connections.discard(connection)

    def count(self, connection: Connection, why: Dropped) -> None:
        self.dropped[why.kind] += 1
        log.warning("dxs: %s: %s: %s", connection.label, why.kind, why)

    # --- progress of the log --------------------------------------------------------------

    async def wait_for(self, seq: int, seconds: float) -> bool:
        """Until record seq is durable; False when it is not after so long."""
        deadline = time.monotonic() + seconds
        while self.durable() < seq:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if self._watcher is None or self._watcher.done():
                self._watcher = asyncio.create_task(self._watch())
            assert self._moved is not None
            await asyncio.wait((self._moved,), timeout=left)
        return True

    async def _watch(self) -> None:
        """Look at the log for all connections at once, as long as there are any (DX-15)."""
        seen = self.durable()
        while self.connections:
            await asyncio.sleep(self.config.poll_ms / 1000)
            now = self.durable()
            if now != seen:
                seen = now
                assert self._moved is not None
                self._moved.set_result(None)
                self._moved = asyncio.get_running_loop().create_future()

    def oldest(self) -> int:
        """First number of the retained log."""
        segments = list_segments(self.folder)
        return segments[0].first if segments else 1

    # --- retention ------------------------------------------------------------------------

    def heard(self, name: str, tip: int) -> None:
        """DX-20. A tip never goes back."""
        holder = self._holders.get(name)
        if holder is None:
            if len(self._holders) >= NAMES_MAX:
                idle = min(self._holders, key=lambda n: self._holders[n].heard)
                del self._holders[idle]
            holder = self._holders[name] = Holder(tip, 0)
        holder.tip = max(holder.tip, tip)
        holder.heard = time.monotonic()

    def hold(self, name: str, tip: int) -> None:
        """A named consumer has connected and goes on behind `tip`."""
        holder = self._holders.get(name)
        if holder is not None:
            holder.tip = tip  # it may have been set up anew
        self.heard(name, tip)
        self._holders[name].connections += 1

    def let_go(self, name: str) -> None:
        holder = self._holders.get(name)
        if holder is not None:
            holder.connections -= 1
            holder.heard = time.monotonic()

    @property
    def needed_seq(self) -> int:
        """First number that a consumer still needs; 0 = none needs any. Any thread."""
        least, now, durable = 0, time.monotonic(), self.durable()
        for name, holder in list(self._holders.items()):
            if not holder.connections and now - holder.heard > self.config.grace_s:
                continue
            if durable - holder.tip > self.config.hold_mib * RECORDS_PER_MIB:
                if not holder.is_warned:
                    holder.is_warned = True
                    log.warning("dxs: %s is %d records behind: the log is no longer kept for it",
                                name, durable - holder.tip)  # fmt: skip
                continue
            holder.is_warned = False
            least = min(least or holder.tip + 1, holder.tip + 1)
        return least

    def troubles(self) -> list[str]:
        """Warnings for /health."""
        return [
            f"dxs: {name} is too far behind: the log is no longer kept for it"
            for name, holder in list(self._holders.items())
            if holder.is_warned
        ]

    # --- figures --------------------------------------------------------------------------

    def counters(self) -> dict[str, int]:
        return {
            "dxs_clients": sum(c.is_serving for c in self.connections),
            "dxs_accepted": self.accepted,
            "dxs_records_sent": self.records_sent,
            "dxs_needed_seq": self.needed_seq,
        }

    def metrics(self) -> Iterator[Metric]:
        """Drops by reason, and how far each named consumer is behind."""
        for kind, number in list(self.dropped.items()):
            yield "rsx_dxs_dropped", "counter", "connections dropped", {"reason": kind}, number
        durable = self.durable()
        for name, holder in list(self._holders.items()):
            yield ("rsx_dxs_tip_lag", "gauge", "durable records that a consumer has not yet",
                   {"consumer": name}, max(0, durable - holder.tip))  # fmt: skip


class Connection:
    """One consumer: handshake, then its cursor through the log."""

    def __init__(self, tile: DxsTile, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.tile = tile
        self.reader = reader
        self.writer = writer
        self.name = ""
        self.is_serving = False
        self.next_seq = 0
        self._stopping = asyncio.Event()
        peer = writer.get_extra_info("peername")
        self.address = f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "?"

    @property
    def label(self) -> str:
        return f"{self.address} {self.name}".rstrip()

    def stop(self) -> None:
        """End it with REPLAY_UNAVAILABLE{STOPPING}."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until either side ends it; never raises for what a peer does."""
        self.writer.transport.set_write_buffer_limits(BUFFER_HIGH, BUFFER_LOW)
        try:
            try:
                await self._until_stopped(self._session())
            except Unavailable as why:
                if why.reason is not Reason.STOPPING:
                    self.tile.count(self, why)
                await self._say_unavailable(why)
        except Dropped as why:
            self.tile.count(self, why)
        except (ConnectionError, asyncio.IncompleteReadError, OSError):
            self.tile.dropped["gone"] += 1
        finally:
            self.writer.transport.abort() if self._is_stuck() else self.writer.close()

    def _is_stuck(self) -> bool:
        return self.writer.transport.get_write_buffer_size() > 0

    async def _until_stopped(self, work: Any) -> None:
        """Run `work`; end it when the tile stops."""
        tasks = [asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done():
                tasks[0].result()
                return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        raise Unavailable(Reason.STOPPING, "the exchange stops", from_seq=self.next_seq)

    async def _session(self) -> None:
        request = await self._handshake()
        self._check_request(request)
        if request.stream == wire.SNAPSHOT:
            await self._send_snapshot()
            return
        follower = self._cursor(request)
        self.is_serving = True
        if self.name:
            self.tile.hold(self.name, follower.next_seq - 1)
        listening = asyncio.ensure_future(self._listen())
        sending = asyncio.ensure_future(self._send(follower))
        try:
            done, _ = await asyncio.wait((listening, sending), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self.is_serving = False
            for task in (listening, sending):
                task.cancel()
            await asyncio.gather(listening, sending, return_exceptions=True)
            if self.name:
                self.tile.let_go(self.name)

    # --- handshake ------------------------------------------------------------------------

    async def _handshake(self) -> View:
        """DX-1, DX-12."""
        challenge = os.urandom(wire.CHALLENGE_SIZE)
        self.writer.write(challenge)
        try:
            async with asyncio.timeout(self.tile.config.handshake_ms / 1000):
                data = await self.reader.readexactly(wire.HANDSHAKE_SIZE)
        except TimeoutError:
            raise Dropped("handshake", "no whole request in time") from None
        except asyncio.IncompleteReadError as error:
            raise Dropped(
                "handshake", f"{len(error.partial)} of {wire.HANDSHAKE_SIZE} bytes of a request"
            ) from None
        try:
            request = wire.read_request(data[:RECORD_SIZE])
        except RecordError as error:
            raise Dropped("garbage", str(error)) from None
        self._check_proof(challenge, data)
        self.name = wire.name_of(request)
        return request

    def _check_proof(self, challenge: bytes, data: bytes) -> None:
        """DX-18."""
        token, given = self.tile.token, data[RECORD_SIZE:]
        if token is None:
            return
        if given == wire.NO_PROOF:
            raise Unavailable(Reason.TOKEN_MISSING, "no token", is_told=False)
        if not hmac.compare_digest(given, wire.proof(token, challenge, data[:RECORD_SIZE])):
            raise Unavailable(Reason.TOKEN_INVALID, "a wrong token", is_told=False)

    def _check_request(self, request: View) -> None:
        """DX-5, DX-6."""
        tile, wanted = self.tile, request.from_seq
        if sum(c.is_serving for c in tile.connections) >= tile.config.clients_max:
            raise Unavailable(
                Reason.TOO_MANY_CONNECTIONS, f"{tile.config.clients_max} are served", is_told=False
            )
        if request.exchange_id not in (0, tile.exchange_id):
            raise Unavailable(
                Reason.NOT_FOUND, f"another exchange ({request.exchange_id:#x})", from_seq=wanted
            )
        oldest, durable = tile.oldest(), tile.durable()
        if 0 < wanted < oldest:
            raise Unavailable(
                Reason.NOT_FOUND, f"{wanted} is pruned, {oldest} is the oldest", from_seq=wanted
            )
        if wanted > durable + 1:
            raise Unavailable(
                Reason.INVALID_VALUE, f"{wanted} is the future, {durable} is the newest",
                from_seq=wanted,
            )  # fmt: skip

    def _cursor(self, request: View) -> LogFollower:
        """A cursor at the first record due, after a look at the one before (DX-2)."""
        tile = self.tile
        oldest = tile.oldest()
        first = request.from_seq or oldest
        with self._located(first):
            if request.seq >= oldest:
                follower = LogFollower(tile.folder, request.seq, limit=tile.durable)
                before = follower.read(1)
                if len(before) != RECORD_SIZE:
                    raise Unavailable(
                        Reason.INTERNAL, f"record {request.seq} cannot be read", from_seq=first
                    )
                here = wire.Last.of(before)
                if here != (request.seq, request.epoch, request.ts_ns):
                    raise Unavailable(
                        Reason.INVALID_VALUE,
                        f"another history: record {request.seq} has epoch {here.epoch} here, "
                        f"{request.epoch} there", from_seq=first,
                    )  # fmt: skip
            else:
                follower = LogFollower(tile.folder, first, limit=tile.durable)
        self.next_seq = first
        self.writer.write(self._begun(first))
        return follower

    def _begun(self, first: int) -> bytes:
        tile = self.tile
        return wire.control(
            REPLAY_BEGUN, ts_ns=time.time_ns(), from_seq=first, oldest_seq=tile.oldest(),
            exchange_id=tile.exchange_id, durable_seq=tile.durable(),
        )  # fmt: skip

    # --- records --------------------------------------------------------------------------

    @contextlib.contextmanager
    def _located(self, seq: int) -> Iterator[None]:
        """What the log's reader raises, as the end of this connection (DX-16)."""
        try:
            yield
        except LogPruned as error:
            raise Unavailable(Reason.NOT_FOUND, str(error), from_seq=seq) from error
        except (OSError, StartError) as error:
            raise Unavailable(Reason.INTERNAL, str(error), from_seq=seq) from error

    def _read(self, follower: LogFollower) -> bytes:
        """Records that are due; b"" only when the newest durable one has been read."""
        for _ in range(READS_MAX):
            durable = self.tile.durable()
            with self._located(follower.next_seq):
                data: bytes = follower.read(CHUNK_RECORDS)
            if data or durable < follower.next_seq:
                return data
        raise Unavailable(
            Reason.INTERNAL,
            f"record {follower.next_seq} of {durable} durable ones cannot be read",
            from_seq=follower.next_seq,
        )

    async def _send(self, follower: LogFollower) -> None:
        """Everything there is, CAUGHT_UP, then what comes."""
        tile, is_live = self.tile, False
        while True:
            data = self._read(follower)
            if data:
                self.next_seq = follower.next_seq
                tile.records_sent += len(data) // RECORD_SIZE
                await self._write(data)
                continue
            if not is_live:
                is_live = True
                await self._write(wire.control(
                    CAUGHT_UP, ts_ns=time.time_ns(), live_seq=follower.next_seq - 1
                ))  # fmt: skip
            if not await tile.wait_for(follower.next_seq, tile.config.heartbeat_ms / 1000):
                await self._write(wire.control(
                    LOG_TIP, ts_ns=time.time_ns(), durable_seq=tile.durable()
                ))  # fmt: skip

    async def _send_snapshot(self) -> None:
        """DX-8: the newest one, unit by unit; the consumer loads it, which checks it."""
        tile = self.tile
        found = list_snapshots(tile.folder.parent / "snapshots")
        if not found:
            raise Unavailable(Reason.NOT_FOUND, "there is no snapshot")
        seq = found[-1].seq
        firsts = [segment.first for segment in list_segments(tile.folder)]
        first = max((first for first in firsts if first <= seq + 1), default=0)
        if not first:
            raise Unavailable(Reason.NOT_FOUND, f"the log behind snapshot {seq} is pruned")
        try:
            fd = os.open(found[-1].path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable(Reason.INTERNAL, f"{found[-1].path}: {error}") from None
        try:
            await self._write(self._begun(first))
            at = 0
            while data := os.pread(fd, CHUNK_RECORDS * RECORD_SIZE, at):
                at += len(data)
                await self._write(data)
        except OSError as error:
            raise Unavailable(Reason.INTERNAL, f"{found[-1].path}: {error}") from None
        finally:
            os.close(fd)
        self.writer.transport.set_write_buffer_limits(0)
        await self._write(wire.control(CAUGHT_UP, ts_ns=time.time_ns(), live_seq=seq))

    async def _write(self, data: bytes) -> None:
        """Hand over, and wait until it is taken; others have their turn in between (DX-14)."""
        self.writer.write(data)
        try:
            async with asyncio.timeout(self.tile.config.write_ms / 1000):
                await self.writer.drain()
        except TimeoutError:
            raise Dropped(
                Reason.SLOW_READER.name.lower(),
                f"took nothing for {self.tile.config.write_ms} ms; {self.next_seq} was due",
            ) from None
        await asyncio.sleep(0)

    async def _say_unavailable(self, why: Unavailable) -> None:
        tile = self.tile
        values: dict[str, int] = {}
        if why.is_told:
            values = {"from_seq": why.from_seq, "exchange_id": tile.exchange_id,
                      "oldest_seq": tile.oldest(), "durable_seq": tile.durable()}  # fmt: skip
        self.writer.write(wire.control(
            REPLAY_UNAVAILABLE, ts_ns=time.time_ns(), reason=why.reason, **values
        ))  # fmt: skip
        self.writer.transport.set_write_buffer_limits(0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_S):
                await self.writer.drain()

    # --- what a consumer says -------------------------------------------------------------

    async def _listen(self) -> None:
        """CONSUMER_TIP records until the consumer goes away (DX-7)."""
        while True:
            try:
                data = await self.reader.readexactly(RECORD_SIZE)
            except asyncio.IncompleteReadError as error:
                if error.partial:
                    raise Dropped("garbage", f"{len(error.partial)} bytes of a record") from None
                raise
            try:
                view = decode(data)
            except RecordError as error:
                raise Dropped("garbage", str(error)) from None
            if view.record is not CONSUMER_TIP:
                raise Dropped("garbage", f"{view.record.name} where CONSUMER_TIP is due")
            if view.tip_seq >= max(self.next_seq, 1):
                raise Dropped(
                    "garbage", f"tip {view.tip_seq}, but {self.next_seq} has not been sent"
                )
            if self.name:
                self.tile.heard(self.name, view.tip_seq)
