"""A warm standby: the log of a primary, stored and folded as it comes, ready to be promoted.

    DxsClient --> LogStore (the same bytes) --> State (the same fold) --> /health, /promote

Source: specs/dxs.md section 4.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from rsx.config import Config
from rsx.core.check import InvariantError
from rsx.edge import auth
from rsx.edge.metrics import CONTENT_TYPE, Row, exposition
from rsx.errors import RequestError, RsxError, StartError
from rsx.net.dxs_client import Batch, DxsClient, DxsError, Pruned
from rsx.net.lease import Lease, lease_url
from rsx.net.snapshots import fetch_snapshot
from rsx.net.store import TIP_FILE, LogStore, copy_log
from rsx.records import RECORD_SIZE
from rsx.wal.segments import open_data_folder, sync_folder
from rsx.wal.snapshot import SnapshotWriter, list_snapshots, load_snapshot
from rsx.wal.start import _config_check, fold_log
from rsx.wal.state import State

MARKER = "standby.json"
SNAPSHOTS = "snapshots"
SNAPSHOT_STEP = 1 << 18
RECORDS_PER_MIB = (1 << 20) // RECORD_SIZE
MARK_EVERY_S = 1.0
# A primary that was heard so recently is alive (its sign of life comes each second).
ALIVE_S = 3.0
DRAIN_LOOKS, DRAIN_LOOK_S = 300, 0.01

log = logging.getLogger("rsx.standby")


class PromotionRefused(RsxError):
    """The standby stays one; the message says why, and by how much."""


@dataclass(slots=True)
class Known:
    """What standby.json says (DX-52)."""

    primary: str = ""
    seq: int = 0
    primary_seq: int = 0
    caught_up: bool = False
    url: str = ""
    pid: int = 0

    @classmethod
    def read(cls, data: Path) -> Known | None:
        """None where the folder is no standby's. Raises StartError on a file that is none of us."""
        path = data / MARKER
        try:
            return cls(**orjson.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, TypeError, ValueError) as error:
            raise StartError(f"{path}: {error}") from None

    def write(self, data: Path) -> None:
        draft = data / f"{MARKER}.new"
        with open(draft, "wb") as file:
            file.write(orjson.dumps({name: getattr(self, name) for name in self.__slots__}))
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, data / MARKER)
        sync_folder(data)

    def check(self, is_forced: bool) -> None:
        """DX-60 as far as the numbers go. Raises PromotionRefused."""
        if is_forced:
            return
        if not self.caught_up:
            raise PromotionRefused(
                f"it never caught up: record {self.seq} is its newest, {self.primary_seq} the "
                "newest of the primary that it heard of (--force takes what there is)"
            )
        if self.seq < self.primary_seq:
            raise PromotionRefused(
                f"{self.primary_seq - self.seq} records behind: record {self.seq} is its newest, "
                f"{self.primary_seq} the newest of the primary (--force gives them up)"
            )


def refuse_standby(data: str | Path) -> None:
    """No exchange starts on a standby's folder (DX-52). Raises StartError."""
    if (Path(data) / MARKER).exists():
        raise StartError(f"data folder {data} is that of a standby: rsx promote {data}")


def release_folder(data: Path) -> None:
    """The folder is an exchange's from here on (DX-61)."""
    (data / MARKER).unlink(missing_ok=True)
    (data / TIP_FILE).unlink(missing_ok=True)
    sync_folder(data)


class Standby:
    """One standby on one data folder.

    Args    options: of DxsClient (name, token, tls, server_name)
    Raises  StartError, DxsError, InvariantError in `open`
    Thread  all on one loop; the folder's syncs on another
    """

    def __init__(self, config: Config, endpoints: str, options: dict[str, Any]):
        self.config = config
        self.data = Path(config.data.dir)
        self.endpoints = endpoints
        self.options = options
        self.failed = ""
        self.snapshot_seq = 0
        self.snapshots_written = 0
        self._snapshot_at = time.monotonic()
        self.is_diverged = False  # what is stored does not fold, or folds differ
        self.promoted = False
        self.url = ""
        self.lock_fd = -1
        self._started = time.monotonic()
        self._is_ending = False
        self._ended = asyncio.Event()
        self.serves = asyncio.Event()  # url is known
        self._marked: Known | None = None
        self._mark_lock = threading.Lock()
        self._promoting = asyncio.Lock()

    # --- opening --------------------------------------------------------------------------

    def open(self) -> None:
        """Lock the folder, cut what is torn, fold what is stored."""
        folder, self.lock_fd = open_data_folder(self.data)
        known = Known.read(self.data)
        if auth.SECRET_ENV not in os.environ and not (self.data / auth.SECRET_FILE).exists():
            raise StartError(
                f"{self.data}: no secret: set {auth.SECRET_ENV}, or copy the primary's file "
                f"{auth.SECRET_FILE} there, so that its clients' tokens are good here (DX-53)"
            )
        self.verifier = auth.Verifier(auth.load_secret(self.data))
        self.known = known or Known()
        self.known.primary = self.endpoints
        self.known.write(self.data)
        self.store = LogStore(self.data)
        if self.store.cut_bytes:
            log.info("a torn tail of %d bytes behind record %d is cut: it comes again",
                     self.store.cut_bytes, self.store.last.seq)  # fmt: skip
        self.state = self._stored_state(folder)
        self._check_folds()
        self.snapshot_seq = self.state.next_seq - 1
        self.client = self._make_client(self.store.next_seq or 1)
        self.client.newest_seq = self.known.primary_seq

    def _stored_state(self, folder: Path) -> State:
        """What is stored adds up to this; or a fetched snapshot that the log has to reach first."""
        snapshots = list_snapshots(self.data / SNAPSHOTS)
        if self.store.next_seq and (not snapshots or snapshots[-1].seq <= self.store.last.seq):
            return fold_log(self.config, folder).state
        if self.store.next_seq:
            return load_snapshot(
                snapshots[-1].path, self.config, exchange_id=self.store.exchange_id
            )
        return State(self.config, _config_check(self.config, folder))

    def _make_client(self, start: int) -> DxsClient:
        return DxsClient(
            self.endpoints, start=start, tip=self.store.tip(), errors_max=None,
            **{"name": "standby", **self.options},
        )  # fmt: skip

    def _check_folds(self) -> None:
        if self.state.mismatch:
            self.is_diverged = True
            self.failed = f"its fold differs from the primary's: {self.state.mismatch}"

    def close(self) -> None:
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1

    # --- following ------------------------------------------------------------------------

    async def follow(self) -> None:
        """Until stopped, promoted, or it cannot go on: then `failed` says why."""
        marker = asyncio.create_task(self._mark_often())
        try:
            if not self.failed:
                await self._copy()
        except Pruned as error:
            self._fail(f"{error}: needs a new snapshot (rsx restore, or an empty folder)")
        except DxsError as error:
            self._fail(str(error))
        except InvariantError as error:
            self.is_diverged = True
            self._fail(f"record {self.state.next_seq} does not fold: {error}")
        except OSError as error:
            self._fail(f"{error.filename or self.store.folder}: {error.strerror or error}")
        finally:
            marker.cancel()
            await asyncio.gather(marker, return_exceptions=True)

    async def _copy(self) -> None:
        """Copy the log; where a new folder's beginning is pruned, from the newest snapshot on."""
        try:
            await copy_log(self.client, self.store, self._fold)
        except Pruned:
            if self.store.next_seq or self._is_ending:
                raise
            log.info("the beginning of the log is pruned: fetching the newest snapshot")
            fetched = await fetch_snapshot(self.client, self.data / SNAPSHOTS)
            check = _config_check(self.config, self.store.folder)
            self.state = await asyncio.to_thread(
                lambda: load_snapshot(
                    fetched.path, self.config, exchange_id=fetched.exchange_id, on_config=check
                )
            )
            self.snapshot_seq = fetched.seq
            if self._is_ending:
                return
            self.client = self._make_client(fetched.from_seq)
            await copy_log(self.client, self.store, self._fold)

    def _fail(self, text: str) -> None:
        self.failed = text
        log.error("standby: %s", text)

    async def _fold(self, batch: Batch) -> None:
        if batch.next_seq > self.state.next_seq:
            known = max(0, self.state.next_seq - batch.first)  # is in a snapshot
            self.state.apply(batch.data[known * RECORD_SIZE :])
            self._check_folds()
            if self.is_diverged:
                log.error("standby: %s", self.failed)
                await self.client.stop()
                return
            if self._is_snapshot_due():
                await self._snapshot()
        if batch.live_seq is not None and not self.known.caught_up:
            self.known.caught_up = True
            self._mark()

    # --- snapshots of its own -------------------------------------------------------------

    def _is_snapshot_due(self) -> bool:
        """DX-55."""
        due, now = self.config.snapshot, time.monotonic()
        behind = self.state.next_seq - 1 - self.snapshot_seq
        return bool(
            (due.every_mib and behind >= due.every_mib * RECORDS_PER_MIB)
            or (due.every_s and now - self._snapshot_at >= due.every_s)
        )

    async def _snapshot(self) -> None:
        """Write one; nothing is folded meanwhile. Then remove what it stands for."""
        self.snapshot_seq, self._snapshot_at = self.state.next_seq - 1, time.monotonic()
        await asyncio.to_thread(self.store.sync)  # never ahead of the log
        folder = self.data / SNAPSHOTS
        try:
            writer = SnapshotWriter(self.state, str(folder))
            try:
                done = False
                while not done:
                    done = writer.step(SNAPSHOT_STEP)
                    await asyncio.sleep(0)
            except BaseException:
                writer.abandon()
                raise
            kept = list_snapshots(folder)[-self.config.snapshot.keep :]
            for old in list_snapshots(folder)[: -len(kept)]:
                old.path.unlink()
            keep_seq = self.store.last.seq - self.config.wal.retain_mib * RECORDS_PER_MIB
            self.store.prune(min(kept[0].seq + 1, keep_seq))
            self.snapshots_written += 1
        except (OSError, StartError) as error:
            log.error("standby: snapshot %d: %s", self.snapshot_seq, error)

    async def _mark_often(self) -> None:
        while True:
            await asyncio.sleep(MARK_EVERY_S)
            await asyncio.to_thread(self._mark)

    def _mark(self) -> None:
        with self._mark_lock:  # a cancelled one runs on in its thread
            known = self.now_known()
            if known != self._marked and not self.promoted:
                known.write(self.data)
                self._marked = known

    def now_known(self) -> Known:
        return Known(
            self.endpoints, self.store.last.seq, max(self.client.newest_seq, self.store.last.seq),
            self.known.caught_up, self.url, os.getpid(),
        )  # fmt: skip

    async def run(self) -> None:
        """Follow and serve until `stop` or a promotion."""
        server = web.AppRunner(self._app(), access_log=None)
        await server.setup()
        try:
            site = web.TCPSite(server, self.config.server.host, self.config.server.port)
            await site.start()
            host, port = server.addresses[0][:2]
            self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            self.known.url = self.url
            self._mark()
            self.serves.set()
            self._following = asyncio.create_task(self.follow())
            await self._ended.wait()
            await self._end_following()
        except OSError as error:
            raise StartError(
                f"cannot listen on {self.config.server.host}:{self.config.server.port}: "
                f"{error.strerror or error}"
            ) from None
        finally:
            await server.cleanup()
            self.store.close()
            if not self.promoted:
                self._mark()

    async def _end_following(self) -> None:
        self._is_ending = True
        while not self._following.done():  # the client may just be replaced
            await self.client.stop()
            await asyncio.wait((self._following,), timeout=0.1)
        await self._following

    def stop(self) -> None:
        self._ended.set()

    # --- promotion ------------------------------------------------------------------------

    def check_promotion(self, is_forced: bool) -> None:
        """DX-60. Raises PromotionRefused."""
        if self.is_diverged:
            raise PromotionRefused(f"never: {self.failed}")
        if self.store.last.seq < self.state.next_seq - 1:
            raise PromotionRefused(
                f"never: its log ends at {self.store.last.seq}, before its snapshot of record "
                f"{self.state.next_seq - 1}"
            )
        silent = time.monotonic() - self.client.heard_at
        if not is_forced and self.client.is_connected and silent < ALIVE_S:
            raise PromotionRefused(
                f"the primary is alive: heard {silent:.1f} s ago from {self.client.endpoint} "
                "(--force makes two exchanges of one)"
            )
        self.now_known().check(is_forced)

    async def _drain(self) -> None:
        """Take what is on its way (LSE-02b): bounded, since a live primary goes on for ever."""
        for _ in range(DRAIN_LOOKS):
            if not self.client.is_connected or self.store.last.seq >= self.client.newest_seq:
                return
            await asyncio.sleep(DRAIN_LOOK_S)

    async def promote(self, is_forced: bool) -> Known:
        """DX-61, up to the exec, for which `promoted` is set and `run` ends."""
        async with self._promoting:
            if self.promoted:
                return self.now_known()
            self.check_promotion(is_forced)
            lease = await take_lease(self.config)
            try:
                await self._drain()
                await self._end_following()
                await asyncio.to_thread(self.store.sync)
                try:
                    self.state.audit()
                except InvariantError as error:
                    self.is_diverged = True
                    self._fail(f"the audit failed: {error}")
                    raise PromotionRefused(f"never: {self.failed}") from None
                self.store.close()
                with self._mark_lock:
                    self.promoted = True
                    release_folder(self.data)
            finally:
                if lease is not None:
                    await lease.give_up()
            log.info("promoted at record %d", self.store.last.seq)
            # Let the answer go out before the port is handed on.
            asyncio.get_running_loop().call_later(0.1, self._ended.set)
            return self.now_known()

    # --- HTTP -----------------------------------------------------------------------------

    def _app(self) -> web.Application:
        app = web.Application()
        app.add_routes([
            web.get("/health", self._get_health), web.get("/metrics", self._get_metrics),
            web.post("/promote", self._post_promote),
        ])  # fmt: skip
        return app

    def health(self) -> dict[str, Any]:
        """DX-54."""
        known, client = self.now_known(), self.client
        lag = known.primary_seq - known.seq
        live = client.is_connected and client.caught_up
        reasons = [self.failed] if self.failed else []
        if not live and not self.failed:
            reasons = [client.last_error or "catching up"]
        behind_ns = time.time_ns() - self.store.last.ts_ns if lag and self.store.last.seq else 0
        return {
            "role": "standby",
            "status": "failed" if self.failed else "ok" if live else "unready",
            "reasons": reasons,
            "primary": client.endpoint or self.endpoints,
            "connected": client.is_connected,
            "caught_up": live,
            "ever_caught_up": known.caught_up,
            "seq": known.seq,
            "durable_seq": self.store.synced.seq,
            "primary_seq": known.primary_seq,
            "lag": lag,
            "lag_ms": behind_ns // 1_000_000,
            "epoch": self.state.epoch,
            "mismatch": self.state.mismatch or "",
            "snapshot_seq": self.snapshot_seq,
            "uptime_s": int(time.monotonic() - self._started),
        }

    def rows(self) -> Iterator[Row]:
        health = self.health()
        for key in ("seq", "durable_seq", "primary_seq", "lag", "lag_ms", "epoch", "connected",
                    "caught_up"):  # fmt: skip
            yield f"rsx_standby_{key}", "gauge", f"{key} of the standby", {}, int(health[key])
        yield "rsx_standby_connects", "counter", "connections begun", {}, self.client.connects
        yield "rsx_standby_failed", "gauge", "1 = cannot go on", {}, int(bool(self.failed))

    async def _get_health(self, _: web.Request) -> web.Response:
        health = self.health()
        status = 200 if health["status"] == "ok" else 503
        return web.json_response(health, status=status, dumps=_dumps)

    async def _get_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=exposition(self.rows()), headers={"Content-Type": CONTENT_TYPE})

    async def _post_promote(self, request: web.Request) -> web.Response:
        try:
            claims = self.verifier.bearer(request.headers.get("Authorization"), int(time.time()))
        except RequestError as error:
            return _refused(error.http_status, str(error))
        if claims.role != "admin":
            return _refused(403, "the role of the token is not admin")
        try:
            known = await self.promote(request.query.get("force") == "true")
        except (PromotionRefused, StartError) as error:
            return _refused(409, str(error))
        return web.json_response({"promoted": True, "seq": known.seq}, dumps=_dumps)


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


def _refused(status: int, text: str) -> web.Response:
    return web.json_response({"promoted": False, "error": text}, status=status, dumps=_dumps)


async def take_lease(config: Config) -> Lease | None:
    """The lease, where one is configured. Raises LeaseError."""
    url = lease_url(config.standby)
    if not url:
        return None
    lease = Lease(url, config.standby.lease_id)
    await lease.take(0.0)
    return lease


async def promote_folder(config: Config, is_forced: bool) -> Known:
    """DX-62: a folder whose standby does not run. Raises PromotionRefused, StartError."""
    data = Path(config.data.dir)
    folder, lock_fd = open_data_folder(data)
    try:
        known = Known.read(data)
        if known is None:
            raise PromotionRefused(f"{data} is no standby's folder")
        store = LogStore(data)
        try:
            known.seq = store.last.seq
            known.check(is_forced)
            try:
                state = fold_log(config, folder).state
            except InvariantError as error:
                raise PromotionRefused(f"never: what is stored does not fold: {error}") from None
            if state.mismatch:
                raise PromotionRefused(f"never: its fold differs: {state.mismatch}")
        finally:
            store.close()
        lease = await take_lease(config)
        release_folder(data)
        if lease is not None:
            await lease.give_up()
        return known
    finally:
        os.close(lock_fd)
