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
from model.wire import order_cancel, order_request

from rsx import records, topology
from rsx.config import Config, SymbolConfig, load
from rsx.core.clock import Clock
from rsx.records import RECORD_SIZE, RECORDS, Kind, View, decode
from rsx.wal.reader import LogReader
from rsx.wal.segments import list_segments
from rsx.wal.start import recover
from rsx.wal.state import State

NOW_NS = 1_700_000_000_000_000_000
BUY, SELL = 0, 1
GTC, IOC, FOK = 0, 1, 2
POST_ONLY, REDUCE_ONLY = 1, 2
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
    """Args  folder: the data folder, made if missing; markets and sections as in make_config."""

    def __init__(self, folder: Path, *markets: SymbolConfig, **sections: dict[str, Any]):
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
        self.recovered = recover(self.config, self.folder, self.clock)
        self.oid = max(self.oid, self.recovered.state.oid_max)
        self.due = self.recovered.start.next_seq  # the next number to be released
        self.rings = topology.build_rings(self.config)
        self.tiles = topology.build_tiles(
            self.config, self.rings, self.recovered, self.folder, b"s" * 32, self.clock
        )
        self.wal, self.wal_sync, self.risk = self.tiles.wal, self.tiles.wal_sync, self.tiles.risk
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
        pushed: bool = self.rings["gateway_risk"].push(request)
        if pushed:
            self.requests.append(decode(request, crc=False))
        return pushed

    def place(
        self, user: int, side: int, px: int, qty: int, *, tif: int = GTC, flags: int = 0,
        cid: str = "", symbol: int = 1,
    ) -> int:  # fmt: skip
        """Push an order; returns its id, 0 when the ring was full."""
        request = order_request(
            oid=self.oid + 1, user_id=user, side=side, px=px, qty=qty, tif=tif, flags=flags,
            cid=cid, symbol_id=symbol,
        )  # fmt: skip
        if not self.push(request):
            return 0
        self.oid += 1
        return self.oid

    def cancel(self, user: int, oid: int = 0, *, cid: str = "", symbol: int = 1) -> bool:
        self.request_id += 1
        return self.push(order_cancel(
            oid=oid, user_id=user, request_id=self.request_id, cid=cid, symbol_id=symbol,
        ).replace(b"\x04\x00", b"\x02\x00", 1))  # fmt: skip

    def deposit(self, *users: int, amount: int = RICH) -> None:
        for user in users:
            self.request_id += 1
            self.push(records.DEPOSIT_REQUEST.pack(
                user_id=user, amount=amount, request_id=self.request_id,
            ))  # fmt: skip

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
        answers = self.rings["risk_gateway"].pop(1 << 20)
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
