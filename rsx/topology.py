"""The wiring: every tile, every ring, every thread. Nothing else makes any of them.

    rings      RINGS: producer, consumer, depth, what happens when it is full
    tiles      build_tiles: which tile gets which rings and which recovered state
    threads    plan_threads: which tiles share a thread, on which cores

`validate` proves what the rest relies on: one producer and one consumer a ring, every ring
declared, and the one cycle (risk, matching, wal) has an edge that never blocks.
Source: specs/tiles.md.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsx.book.shadow import Shadow
from rsx.config import Config
from rsx.core.async_tile import AsyncRunner, AsyncTile
from rsx.core.check import check
from rsx.core.clock import Clock
from rsx.core.disk import Disk
from rsx.core.ring import Ring
from rsx.core.tile import Idle, Runner, Tile
from rsx.edge.app import make_gateway
from rsx.edge.public_ws import PublicEdge
from rsx.edge.recovery import load_arguments
from rsx.errors import ConfigError
from rsx.mark.pricing import Last
from rsx.net.dxs import DxsTile
from rsx.net.wire import load_token
from rsx.records import decode
from rsx.store.seed import from_snapshots
from rsx.tiles.archive import ArchiveTile
from rsx.tiles.mark import Mark
from rsx.tiles.marketdata import MarketData
from rsx.tiles.matching import MatchingTile
from rsx.tiles.replica import ReplicaTile
from rsx.tiles.risk import RiskTile
from rsx.tiles.wal import WalSync, WalTile
from rsx.wal.reader import read_range
from rsx.wal.segments import RECORD_SIZE, segment_firsts
from rsx.wal.start import Recovered

# With fewer cores, clients on the same machine need the one that a pinned engine would keep.
PINNING_CORES_MIN = 4

REFUSE, STALL, SKIP, LAP, NEVER = "refuse", "stall", "skip", "lap", "never full"


@dataclass(frozen=True, slots=True)
class RingRow:
    """One ring, or one per symbol, per risk tile (SH-4). depth: key of [rings], or a number."""

    producer: str
    consumer: str
    depth: str | int
    on_full: str
    per_symbol: bool = False
    never_blocks: bool = False  # the consumer drains it whatever else is full
    per_shard: bool = False

    @property
    def name(self) -> str:
        return f"{self.producer}_{self.consumer}"

    def names(self, config: Config) -> list[str]:
        """name, name[symbol id], name[shard] or name[shard, symbol id]; no shard where one is."""
        shards = range(config.risk.shards)
        keys: list[tuple[int, ...]] = [()]
        if self.per_shard and len(shards) > 1:
            keys = [(shard,) for shard in shards]
        if self.per_symbol:
            keys = [(*key, symbol.id) for key in keys for symbol in config.symbols]
        return [f"{self.name}[{', '.join(map(str, key))}]" if key else self.name for key in keys]


RINGS = (
    #       producer      consumer      depth             when full
    RingRow("gateway",    "risk",       "gateway_risk",   REFUSE, per_shard=True),
    RingRow("mark",       "risk",       "mark_risk",      SKIP),
    RingRow("risk",       "matching",   "risk_matching",  STALL, per_symbol=True, per_shard=True),
    RingRow("risk",       "gateway",    "risk_gateway",   STALL, per_shard=True),
    RingRow("risk",       "wal",        "risk_wal",       STALL, per_shard=True),
    RingRow("matching",   "wal",        "matching_wal",   STALL, per_symbol=True),
    RingRow("wal",        "risk",       "wal_risk",       STALL, never_blocks=True, per_shard=True),
    RingRow("wal",        "gateway",    "wal_gateway",    STALL),
    RingRow("wal",        "marketdata", "wal_marketdata", LAP),
    RingRow("marketdata", "mark",       "marketdata_mark", SKIP),
    RingRow("wal",        "sync",       8,                NEVER),
    RingRow("sync",       "wal",        64,               NEVER),
    RingRow("replica",    "risk",       128,              SKIP),
    RingRow("replica",    "sync",       8,                SKIP),
)  # fmt: skip


def validate(rows: tuple[RingRow, ...] = RINGS) -> None:
    """Check the ring graph. Raises InvariantError naming the ring or the cycle."""
    names = [row.name for row in rows]
    check(len(set(names)) == len(names), 1501, names)
    for row in rows:
        check(row.producer != row.consumer, 1502, row.name)
        check(not (row.never_blocks and row.on_full != STALL), 1503, row.name)
    # Take the edges that never block, lap, skip or refuse away: no cycle of stalls may be left.
    stalling = [r for r in rows if r.on_full == STALL and not r.never_blocks]
    alive = {r.producer for r in stalling} | {r.consumer for r in stalling}
    while True:
        ends = {tile for tile in alive if not any(
            r.producer == tile and r.consumer in alive for r in stalling)}  # fmt: skip
        if not ends:
            break
        alive -= ends
    check(not alive, 1504, sorted(alive))


@dataclass(slots=True)
class Rings:
    """All rings, by name; those of one symbol are named `name[symbol id]` (see RingRow.names)."""

    config: Config
    by_name: dict[str, Ring] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Ring:
        return self.by_name[name]

    def of_shard(self, name: str, shard: int) -> Ring:
        """The ring of one risk tile."""
        return self.by_name[name if self.config.risk.shards == 1 else f"{name}[{shard}]"]

    def of_shards(self, name: str) -> list[Ring]:
        """The rings of all risk tiles, in their order."""
        return [self.of_shard(name, shard) for shard in range(self.config.risk.shards)]

    def risk_matching(self, shard: int, symbol_id: int) -> Ring:
        key = f"{symbol_id}" if self.config.risk.shards == 1 else f"{shard}, {symbol_id}"
        return self.by_name[f"risk_matching[{key}]"]


def build_rings(config: Config) -> Rings:
    rings = Rings(config)
    for row in RINGS:
        depth = row.depth if isinstance(row.depth, int) else getattr(config.rings, row.depth)
        for name in row.names(config):
            rings.by_name[name] = Ring(name, depth)
    return rings


@dataclass(slots=True)
class Tiles:
    """All tiles of one exchange."""

    risks: list[RiskTile]  # by shard
    matching: list[MatchingTile]
    wal: WalTile
    wal_sync: WalSync
    gateway: Any
    marketdata: MarketData
    mark: Mark
    replica: ReplicaTile | None = None
    archive: ArchiveTile | None = None
    dxs: DxsTile | None = None

    @property
    def risk(self) -> RiskTile:
        """The first one, which also does what concerns no single user (SH-3)."""
        return self.risks[0]

    @property
    def serving(self) -> list[Tile]:
        """Those that an order passes, in the order in which one thread runs them best: requests
        before their effects."""
        return [*self.risks, *self.matching, self.wal]

    @property
    def compiled(self) -> list[Tile]:
        """All compiled ones, those of the disk last."""
        behind = [self.wal_sync] if self.replica is None else [self.wal_sync, self.replica]
        return [*self.serving, *behind]

    @property
    def asynchronous(self) -> list[AsyncTile]:
        """In the order in which they start; they close the other way round."""
        some = [self.archive, self.marketdata, self.gateway]
        some += [self.mark if self.mark.active else None, self.dxs]
        return [tile for tile in some if tile is not None]


def build_risks(rings: Rings, recovered: Recovered, clock: Clock) -> list[RiskTile]:
    """A risk tile for each shard, each with the whole ledger (SH-2, SH-6)."""
    config, state = recovered.config, recovered.state
    shards = config.shards
    ledgers = [state.ledger, *(state.ledger.copy() for _ in range(1, shards.count))]
    risks = [
        RiskTile(
            "risk" if shards.count == 1 else f"risk[{shard}]", clock.copy(), ledger,
            gateway_risk=rings.of_shard("gateway_risk", shard),
            mark_risk=rings["mark_risk"] if shard == 0 else None,
            replica_risk=rings["replica_risk"] if shard == 0 else None,
            wal_risk=rings.of_shard("wal_risk", shard),
            risk_gateway=rings.of_shard("risk_gateway", shard),
            risk_wal=rings.of_shard("risk_wal", shard),
            matching_rings=[rings.risk_matching(shard, symbol.id) for symbol in config.symbols],
            next_seq=recovered.start.next_seq, shard=shard, shards=shards,
            check_ns=config.replica.check_ms * 1_000_000,
        )
        for shard, ledger in enumerate(ledgers)
    ]  # fmt: skip
    for engine in state.engines.values():
        for record in engine.fired():  # TR-9
            fired = decode(record, crc=False)
            risks[shards.of(fired.user_id)].load_fired(record)
    return risks


def build_matching(rings: Rings, recovered: Recovered, clock: Clock) -> list[MatchingTile]:
    """A matching tile for each symbol."""
    config = recovered.config
    return [
        MatchingTile(
            f"matching[{symbol.name}]", clock.copy(), recovered.state.engines[symbol.id],
            risk_matching=[
                rings.risk_matching(shard, symbol.id) for shard in range(config.risk.shards)
            ],
            matching_wal=rings[f"matching_wal[{symbol.id}]"],
        )
        for symbol in config.symbols
    ]  # fmt: skip


def build_log(
    rings: Rings, recovered: Recovered, folder: Path, clock: Clock, disk: Disk,
    segment_records: int = 0,
) -> tuple[WalTile, WalSync]:  # fmt: skip
    """The two tiles that write the log. segment_records: 0 = as the configuration says."""
    config = recovered.config
    segment_records = segment_records or config.wal.segment_mib * (1 << 20) // RECORD_SIZE
    engines = [rings[f"matching_wal[{symbol.id}]"] for symbol in config.symbols]
    wal = WalTile(
        "wal", clock.copy(), [*rings.of_shards("risk_wal"), *engines],
        wal_risk=rings.of_shards("wal_risk"), wal_gateway=rings["wal_gateway"],
        wal_marketdata=rings["wal_marketdata"], wal_sync=rings["wal_sync"],
        sync_wal=rings["sync_wal"], folder=folder, start=recovered.start,
        durability=config.wal.durability, flush_ns=config.wal.flush_ms * 1_000_000,
        segment_records=segment_records, disk=disk,
    )  # fmt: skip
    wal_sync = WalSync(
        "wal_sync", wal_sync=rings["wal_sync"], sync_wal=rings["sync_wal"], folder=folder,
        segment_bytes=segment_records * RECORD_SIZE, ahead=config.wal.segments_ahead,
        firsts=segment_firsts(disk, folder) or [recovered.start.next_seq],
        durable=recovered.start.next_seq - 1, replica_sync=rings["replica_sync"],
        spare=config.wal.retain_mib // config.wal.segment_mib, disk=disk,
    )  # fmt: skip
    return wal, wal_sync


def build_replica(
    rings: Rings, recovered: Recovered, folder: Path, clock: Clock, disk: Disk, wal: WalTile
) -> ReplicaTile | None:
    """The second fold, unless it is off (specs/replica.md RP-10)."""
    if not recovered.config.replica.enabled:
        return None
    return ReplicaTile(
        "replica", clock.copy(), wal, config=recovered.config, folder=folder, disk=disk,
        replica_risk=rings["replica_risk"], replica_sync=rings["replica_sync"],
        exchange_id=recovered.start.exchange_id,
    )  # fmt: skip


def build_marketdata(
    rings: Rings, recovered: Recovered, folder: Path, clock: Clock, wal: WalTile, disk: Disk
) -> MarketData:
    """The public feed, with the books and trades that the log has."""
    config, state = recovered.config, recovered.state
    symbols = config.symbols
    shadow = Shadow(
        symbols, config.matching.orders_max, recovered.start.next_seq,
        config.matching.level_slots_max,
    )  # fmt: skip
    for engine in state.engines.values():
        shadow.load(engine)
    own_clock = clock.copy()
    marketdata = MarketData(
        config, symbols, own_clock, rings["wal_marketdata"],
        lambda first, last: read_range(folder, first, last, disk), shadow,
        PublicEdge(config, symbols, own_clock, shadow), lambda: wal.released,
        rings["marketdata_mark"] if config.mark_source != "last" else None,
    )  # fmt: skip
    marketdata.load(
        ((f.symbol_id, f.px, f.qty, f.taker_side, f.ts_ns, f.seq) for f in state.recent_fills()),
        state.recent_events(),
    )
    return marketdata


def build_archive(
    recovered: Recovered, folder: Path, clock: Clock, wal: WalTile
) -> ArchiveTile | None:
    """The follower of the log that keeps histories, unless it is off (AR-1)."""
    config, data = recovered.config, folder.parent
    if not config.archive.enabled:
        return None
    exchange_id = recovered.start.exchange_id
    return ArchiveTile(
        config.archive, folder, data.joinpath("archive.db"), clock.copy(), lambda: wal.durable,
        exchange_id, config.money_decimals,
        from_snapshots(data.joinpath("snapshots"), config, exchange_id),
    )  # fmt: skip


def build_dxs(recovered: Recovered, folder: Path, wal: WalTile) -> DxsTile | None:
    """The log over TCP, where it is wanted (specs/dxs.md)."""
    config = recovered.config
    if config.dxs.port == 0:
        return None
    return DxsTile(
        config.dxs, folder, lambda: int(wal.durable), recovered.start.exchange_id,
        load_token(folder.parent),
    )  # fmt: skip


def build_tiles(
    rings: Rings, recovered: Recovered, folder: Path, secret: bytes, clock: Clock,
    disk: Disk | None = None,
) -> Tiles:  # fmt: skip
    """Give every tile its rings and its part of the recovered state, with the rules that hold."""
    config = recovered.config
    matching = build_matching(rings, recovered, clock)
    risks = build_risks(rings, recovered, clock)
    disk = disk or Disk()
    wal, wal_sync = build_log(rings, recovered, folder, clock, disk)
    replica = build_replica(rings, recovered, folder, clock, disk, wal)
    gateway = make_gateway(
        config, config.symbols, secret, clock.copy(), rings.of_shards("gateway_risk"),
        rings.of_shards("risk_gateway"), rings["wal_gateway"],
    )  # fmt: skip
    gateway.load(**load_arguments(recovered))
    marketdata = build_marketdata(rings, recovered, folder, clock, wal, disk)
    gateway.marketdata = marketdata
    gateway.edge.replica = replica
    fed = ((symbol.id, recovered.state.ledger.fed(symbol.id)) for symbol in config.symbols)
    mark = Mark(
        config, config.symbols, clock.copy(), rings["mark_risk"], rings["marketdata_mark"],
        {symbol_id: Last(*prices) for symbol_id, prices in fed if prices is not None},
    )  # fmt: skip
    archive = build_archive(recovered, folder, clock, wal)
    gateway.edge.archive = archive
    dxs = build_dxs(recovered, folder, wal)
    if replica is not None and archive is not None:
        replica.holders["archive"] = lambda: archive.position + 1
    if replica is not None and dxs is not None:
        replica.holders["dxs"] = lambda: dxs.needed_seq
    return Tiles(risks, matching, wal, wal_sync, gateway, marketdata, mark, replica, archive, dxs)


@dataclass(frozen=True, slots=True)
class ThreadPlan:
    """One thread: its name, tiles and cores (None = the kernel decides)."""

    name: str
    tiles: tuple[Any, ...]
    cpus: frozenset[int] | None


def allowed_cpus() -> list[int]:
    """Cores this process may use, ascending."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def plan_threads(config: Config, tiles: Tiles, cpus: list[int]) -> list[ThreadPlan]:
    """Tiles to threads to cores (specs/tiles.md T-30, T-31): compiled ones first.

    Raises ConfigError when `tiles.cpus` names a core that is not among cpus
    """
    groups: list[tuple[str, tuple[Any, ...]]]
    layout = config.tiles.layout
    if layout == "auto":
        layout = "dedicated" if len(cpus) >= len(tiles.serving) + 3 else "shared"
    if layout == "shared":
        groups = [("engine", tuple(tiles.serving))]
    else:
        groups = [(tile.name, (tile,)) for tile in tiles.serving]
    edges = [(tile.name, (tile,)) for tile in tiles.asynchronous]
    wanted = config.tiles.cpus
    if wanted == "none" or (wanted == "auto" and len(cpus) < PINNING_CORES_MIN):
        own: list[int] = []
    elif wanted == "auto":
        own = cpus[::-1][: max(1, min(len(groups), len(cpus) - 1))]
    else:
        own = list(wanted)
        if not set(own) <= set(cpus):
            raise ConfigError(f"tiles.cpus = {own}: this process may use the cores {cpus}")
    rest = frozenset(cpu for cpu in cpus if cpu not in own) or None
    plans = []
    for index, (name, members) in enumerate(groups):
        pinned = frozenset({own[index]}) if index < len(own) else rest if own else None
        plans.append(ThreadPlan(name, members, pinned))
    shared = rest if own else None
    plans.append(ThreadPlan("wal_sync", (tiles.wal_sync,), shared))
    if tiles.replica is not None:
        plans.append(ThreadPlan("replica", (tiles.replica,), shared))
    return plans + [ThreadPlan(name, members, shared) for name, members in edges]


def build_runners(
    config: Config, plans: list[ThreadPlan], on_failure: Any
) -> list[Runner | AsyncRunner]:
    """A runner for each planned thread, not yet started."""
    idle = Idle(config.tiles.idle, config.tiles.spin_us, config.tiles.yield_us)
    asleep = Idle("backoff", 0, 0)  # they sleep in the disk; spinning would only burn
    runners: list[Runner | AsyncRunner] = []
    for plan in plans:
        if isinstance(plan.tiles[0], AsyncTile):
            cpus = set(plan.cpus) if plan.cpus else None
            runners.append(AsyncRunner(plan.name, list(plan.tiles), cpus, on_failure))
            continue
        strategy = asleep if isinstance(plan.tiles[0], WalSync | ReplicaTile) else idle
        for tile in plan.tiles:
            if isinstance(tile, ReplicaTile):
                tile.is_background = True
        runners.append(
            Runner(plan.name, list(plan.tiles), strategy, cpus=plan.cpus, on_failure=on_failure)
        )
    return runners


class Stepper:
    """Calls the duty cycles of all tiles by hand, in a fixed order: tests and the simulator."""

    def __init__(self, tiles: list[Any]):
        self.tiles = tiles

    def step(self) -> int:
        """One duty cycle of every tile; returns the work done."""
        return sum(tile.step() for tile in self.tiles)

    def run(self, passes_max: int = 100_000) -> int:
        """Step until nothing is left to do; returns the passes. Raises when it never ends."""
        for done in range(passes_max):
            if self.step() == 0:
                return done
        raise RuntimeError(f"still busy after {passes_max} passes")
