"""A whole engine stepped by hand: risk, matching, wal and wal_sync on one thread.

The world stands where the gateway stands: it pushes requests into gateway_risk and keeps what
wal_gateway and risk_gateway bring. The clock moves only when told. Every released record is
checked for its seal and number when it comes.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec
from model.wire import make_request, order_request

from rsx import records, topology
from rsx.config import Config, SymbolConfig, load
from rsx.core.clock import Clock
from rsx.core.disk import Disk
from rsx.records import RECORD_SIZE, RECORDS, Kind, View, decode
from rsx.wal.reader import LogReader
from rsx.wal.segments import list_segments
from rsx.wal.start import recover
from rsx.wal.state import State

NOW_NS = 1_700_000_000_000_000_000
BUY, SELL = 0, 1
GTC, IOC, FOK, GTD = 0, 1, 2, 3
POST_ONLY, REDUCE_ONLY, LAST_PRICE = 1, 2, 32
MARKET, STOP_MARKET, STOP_LIMIT, TAKE_PROFIT_MARKET, TAKE_PROFIT_LIMIT, TRAILING_STOP = range(1, 7)
OPEN, POST_ONLY_MODE, CANCEL_ONLY, HALT = range(4)
DURABLE = frozenset(record.name for record in RECORDS if record.durable)
LOGGED = frozenset(record.name for record in RECORDS if record.kind is Kind.LOGGED)
RICH = 10_000_000_000


def make_market(symbol_id: int = 1, **changes: Any) -> SymbolConfig:
    values: dict[str, Any] = {
        "id": symbol_id, "name": f"M{symbol_id}-PERP", "price_decimals": 1, "qty_decimals": 2,
        "tick": 5, "lot": 10, "px_max": 10_000, "qty_max": 1_000_000, "notional_max": 1 << 40,
        "reference_px": 1000, "maker_fee_ppm": -50, "taker_fee_ppm": 400,
        "initial_margin_ppm": 100_000, "maintenance_margin_ppm": 50_000,
    }  # fmt: skip
    return SymbolConfig(**{**values, **changes})


def make_config(*markets: SymbolConfig, **sections: dict[str, Any]) -> Config:
    """A small configuration; sections change keys as Config.replace does."""
    small: dict[str, dict[str, Any]] = {
        "wal": {"segment_mib": 1, "segments_ahead": 0, "flush_ms": 1000},
        "demo": {"enabled": False},
        "replica": {"enabled": False, "check_ms": 0},
        "matching": {
            "orders_max": 4096, "users_max": 1024, "triggers_max": 1024, "dedup_orders_max": 16384,
        },
        "risk": {"accounts_max": 1024, "positions_max": 4096},
        "rings": dict.fromkeys(load().rings.__struct_fields__, 1024),
    }  # fmt: skip
    for name, keys in sections.items():
        small[name] = {**small.get(name, {}), **keys}
    config = load().replace(**small)
    return msgspec.structs.replace(config, symbols=markets or (make_market(1), make_market(2)))


class World:
    """Args  folder: the data folder, made if missing; markets and sections as in make_config;
    disk: in place of the real one; sync_marks: with LOG_SYNCED records (L-17)
    """

    def __init__(
        self, folder: Path, *markets: SymbolConfig, disk: Disk | None = None,
        sync_marks: bool = False, **sections: dict[str, Any],
    ):  # fmt: skip
        self.disk = disk or Disk()
        self.sync_marks = sync_marks
        self.folder = folder / "wal"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config = make_config(*markets, **sections)
        self.clock = Clock.manual(NOW_NS)
        self.oid = 0
        self.request_id = 0
        self.requests: list[View] = []
        self.released: list[View] = []
        self.answers: list[View] = []
        self.start()

    # --- life -----------------------------------------------------------------------------

    def start(self) -> None:
        self.recovered = recover(self.config, self.folder, self.clock, disk=self.disk)
        self.oid = max(self.oid, self.recovered.state.oid_max)
        self.due = self.recovered.start.next_seq  # the next number to be released
        self.config = self.recovered.config
        self.rings = topology.build_rings(self.config)
        self.tiles = topology.build_tiles(
            self.rings, self.recovered, self.folder, b"s" * 32, self.clock, self.disk
        )
        self.wal, self.wal_sync, self.risk = self.tiles.wal, self.tiles.wal_sync, self.tiles.risk
        self.wal.sync_marks = self.sync_marks
        self.stepper = topology.Stepper(self.tiles.compiled)
        for tile in self.tiles.compiled:
            tile.on_start()

    def close(self) -> None:
        for tile in reversed(self.tiles.compiled):
            tile.on_close()

    def restart(self, **sections: dict[str, Any]) -> None:
        """Throw every tile away and recover from the folder; sections change the configuration.

        Closing writes nothing that is not there already: a step leaves all it took in the file.
        """
        self.close()
        self.config = self.config.replace(**sections)
        self.start()

    def crash(self, keep_bytes: int | None = None) -> None:
        """Stop; only the first keep_bytes of the last segment were ever written."""
        self.close()
        if keep_bytes is not None:
            path = list_segments(self.folder)[-1].path
            with open(path, "r+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.truncate(keep_bytes)
                file.truncate(size)

    # --- requests -------------------------------------------------------------------------

    def push(self, request: bytes) -> bool:
        """False: gateway_risk is full and the request was not made."""
        view = decode(request, crc=False)
        user = 0 if view.record.name == "MODE_REQUEST" else view.user_id
        shard = self.config.shards.of(user)  # 0 has user 0
        pushed: bool = self.rings.of_shard("gateway_risk", shard).push(request)
        if pushed:
            self.requests.append(view)
        return pushed

    def place(
        self, user: int, side: int, px: int, qty: int, *, tif: int = GTC, flags: int = 0,
        cid: str = "", symbol: int = 1, kind: int = 0, stp: int = 0, expire_s: int = 0,
    ) -> int:  # fmt: skip
        """Push an order; returns its id, 0 when the ring was full. px 0 with kind MARKET."""
        request = order_request(
            oid=self.oid + 1, user_id=user, side=side, px=px, qty=qty, tif=tif, flags=flags,
            cid=cid, symbol_id=symbol, kind=kind, stp=stp, expire_s=expire_s,
        )  # fmt: skip
        if not self.push(request):
            return 0
        self.oid += 1
        return self.oid

    def market(self, user: int, side: int, qty: int, **more: Any) -> int:
        return self.place(user, side, 0, qty, kind=MARKET, **{"tif": IOC, **more})

    def trigger(
        self, kind: int, user: int, side: int, trigger_px: int, qty: int, *, symbol: int = 1,
        stp: int = 4, **more: Any,
    ) -> int:  # fmt: skip
        """Push a trigger; market kinds are IOC. Returns its id, 0 when the ring was full."""
        tif = GTC if kind in (STOP_LIMIT, TAKE_PROFIT_LIMIT) else IOC
        values = {"tif": tif, **more}
        request = make_request(
            "TRIGGER_REQUEST", oid=self.oid + 1, user_id=user, side=side, qty=qty, kind=kind,
            trigger_px=trigger_px, symbol_id=symbol, stp=stp, **values,
        )  # fmt: skip
        if not self.push(request):
            return 0
        self.oid += 1
        return self.oid

    def stop(self, user: int, side: int, trigger_px: int, qty: int, **more: Any) -> int:
        return self.trigger(STOP_MARKET, user, side, trigger_px, qty, **more)

    def amend(self, user: int, oid: int, px: int, qty: int, **more: Any) -> bool:
        """side and flags are looked up in what this world pushed, unless they are given."""
        placed = next((r for r in self.requests if getattr(r, "oid", 0) == oid), None)
        values = {"side": placed.side, "flags": placed.flags} if placed is not None else {}
        return self.ask("AMEND_REQUEST", user_id=user, oid=oid, px=px, qty=qty,
                        **{"symbol_id": 1, **values, **more})  # fmt: skip

    def cancel(self, user: int, oid: int = 0, *, cid: str = "", symbol: int = 1) -> bool:
        return self.ask("CANCEL_REQUEST", user_id=user, oid=oid, cid=cid, symbol_id=symbol)

    def cancel_all(self, user: int, *, symbol: int = 1, sides: int = 3, scope: int = 3) -> bool:
        return self.ask(
            "CANCEL_ALL_REQUEST", user_id=user, symbol_id=symbol, sides=sides, scope=scope
        )

    def set_mode(self, mode: int, *, symbol: int = 1) -> bool:
        return self.ask("MODE_REQUEST", user_id=9, symbol_id=symbol, mode=mode)

    def configure(
        self, user: int, *, owner_group: int | None = None, stp: int | None = None
    ) -> bool:
        fields = (owner_group is not None) + 2 * (stp is not None)
        return self.ask("ACCOUNT_CONFIG_REQUEST", user_id=user, owner_group=owner_group or 0,
                        stp=stp or 0, fields=fields)  # fmt: skip

    def ask(self, name: str, **values: Any) -> bool:
        """Push a request that has a number; `request_id` then is the newest one."""
        self.request_id += 1
        return self.push(make_request(name, request_id=self.request_id, **values))

    def mark(self, px: int, *, symbol: int = 1) -> bool:
        """What the mark tile would push."""
        update = records.MARK_UPDATE.pack(
            ts_ns=self.clock.now_ns(), mark_px=px, index_px=px, symbol_id=symbol
        )
        pushed: bool = self.rings["mark_risk"].push(update)
        return pushed

    def deposit(self, *users: int, amount: int = RICH) -> None:
        for user in users:
            self.ask("DEPOSIT_REQUEST", user_id=user, amount=amount)

    # --- time -----------------------------------------------------------------------------

    def step(self) -> int:
        """One duty cycle of every compiled tile; keeps what came out."""
        return self.stepper.step() + self.collect()

    def run(self, passes_max: int = 100_000) -> None:
        """Until nothing moves."""
        for _ in range(passes_max):
            if self.step() == 0:
                return
        raise RuntimeError(f"still busy after {passes_max} passes")

    def collect(self) -> int:
        """Take what was released and answered; returns how many records."""
        released = self.rings["wal_gateway"].pop(1 << 20)
        for at in range(0, len(released), RECORD_SIZE):
            view = decode(released, at)
            if view.seq != self.due:
                raise AssertionError(f"record {view.seq} is released where {self.due} is due")
            self.due += 1
            self.released.append(view)
        answers = b"".join(r.pop(1 << 20) for r in self.rings.of_shards("risk_gateway"))
        for at in range(0, len(answers), RECORD_SIZE):
            self.answers.append(decode(answers, at, crc=False))
        return (len(released) + len(answers)) // RECORD_SIZE

    # --- what is there --------------------------------------------------------------------

    def names(self) -> list[str]:
        return [view.record.name for view in self.released]

    def log(self) -> bytes:
        """Every valid record on disk."""
        return b"".join(LogReader(self.folder).chunks())

    def fold(self, last_seq: int | None = None) -> State:
        """A fresh fold of the files, up to and with last_seq."""
        state = State(self.config)
        data = self.log()
        state.apply(data[: len(data) if last_seq is None else last_seq * RECORD_SIZE])
        return state

    def live_hash(self) -> int:
        """State.state_hash of the live tiles' own books and accounts."""
        return int(self.recovered.state.state_hash())

    def copy_to(self, folder: Path) -> Path:
        """A copy of the log in another data folder; returns its wal folder."""
        return Path(shutil.copytree(self.folder, folder / "wal"))
