"""What one run is made of: every seed draws its own markets, sizes, features, faults and pace.

A drawn subset finds what the whole set hides: a fault that comes too often keeps others from
being reached. Source: specs/sim.md section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from rsx.config import Config, load
from rsx.rules import SymbolConfig, check_rules
from rsx.sim.chance import MILLION, Chance

FAULTS = (
    "kill", "power", "torn", "call", "lost", "fsync", "lying", "full", "slow", "flip", "rings",
    "clock", "dxs",
)  # fmt: skip
FEATURES = (
    "market", "ioc", "fok", "gtd", "post_only", "reduce_only", "stp", "triggers", "amend",
    "cancel_all", "hedge", "isolated", "leverage", "withdraw", "modes", "rules", "queries",
    "garbage", "owners", "cids",
)  # fmt: skip
HALF = MILLION // 2
RING_DEPTHS = {
    # The least with which every request can be answered; see RingRow in rsx/topology.py.
    "gateway_risk": 4, "mark_risk": 2, "risk_matching": 4, "risk_gateway": 16,
    "matching_wal": 4, "risk_wal": 8, "wal_gateway": 2, "wal_risk": 2, "wal_marketdata": 2,
    "marketdata_mark": 2,
}  # fmt: skip
MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is drawn before the first step.

    weights: chances in 256 of what a step is; life: mean steps between two ends of the process;
    pace_ns: mean time between two moves of the clock; segment_records: of a segment of the log.
    """

    seed: int
    config: Config
    features: frozenset[str]
    faults: frozenset[str]
    users: tuple[int, ...]
    weights: dict[str, int]
    life: int
    pace_ns: int
    bold_ppm: int  # how far marks move
    segment_records: int
    sync_inline: bool
    slow_ns: int
    keep_ppm: int  # of unsynced sectors that a power cut leaves

    def line(self) -> str:
        c = self.config
        rings = min(getattr(c.rings, name) for name in RING_DEPTHS)
        return (
            f"{len(c.symbols)} markets, {c.risk.shards} shards, durability {c.wal.durability}, "
            f"flush {c.wal.flush_ms} ms, segments of {self.segment_records}, rings from {rings}, "
            f"{len(self.users)} users, a life {self.life} steps; "
            f"faults {' '.join(sorted(self.faults)) or 'none'}"
        )


def draw(seed: int, faults: str | frozenset[str] = "all") -> Plan:
    """The plan of a seed. faults: "all" draws a subset, else exactly these."""
    chance = Chance(seed)
    if isinstance(faults, str):
        wanted = frozenset(chance.some(FAULTS, HALF)) if faults == "all" else frozenset()
    else:
        chance.some(FAULTS, HALF)
        wanted = faults
    features = frozenset(chance.some(FEATURES, 3 * MILLION // 4))
    return Plan(
        seed=seed,
        config=draw_config(chance, features, wanted),
        features=features,
        faults=wanted,
        users=tuple(range(11, 11 + chance.within(2, 12))),
        weights=draw_weights(chance),
        life=chance.pick((200, 1000, 3000)),
        pace_ns=chance.pick((20_000, 200_000, 2_000_000)),
        bold_ppm=chance.pick((2_000, 20_000, 60_000)),
        segment_records=chance.pick((64, 256, 1024, 8192)),
        sync_inline=chance.happens(HALF),
        slow_ns=chance.pick((1, 5, 50)) * MS if "slow" in wanted else 0,
        keep_ppm=chance.pick((0, 100_000, HALF, 900_000)),
    )


def draw_weights(chance: Chance) -> dict[str, int]:
    """How often each kind of step comes, in no particular unit."""
    some = (1, 2, 4, 8)
    return {
        "tiles": 24,
        **{name: chance.pick(some) for name in ("risk", "matching", "wal", "sync", "replica")},
        "ask": chance.pick((2, 4, 8)), "collect": chance.pick((2, 4, 8)),
        "clock": chance.pick((2, 4)), "mark": chance.pick((1, 2)), "feed": chance.pick((1, 2, 4)),
        "follow": 1,
    }  # fmt: skip


def draw_config(chance: Chance, features: frozenset[str], faults: frozenset[str]) -> Config:
    base = load()
    rings = {
        name: max(least, 1 << chance.within(1, 6)) if "rings" in faults else 1024
        for name, least in RING_DEPTHS.items()
    }
    orders, triggers = chance.pick((64, 1024)), chance.pick((16, 256))
    sections: dict[str, dict[str, Any]] = {
        "wal": {
            "durability": chance.pick(("fill", "fill", "all", "async")),
            "flush_ms": chance.pick((1, 10, 100)), "segments_ahead": chance.pick((0, 1, 2)),
            "retain_mib": chance.pick((0, 64)),
        },
        "replica": {"enabled": chance.happens(HALF), "check_ms": chance.pick((0, 20, 1000))},
        "snapshot": {"every_s": chance.pick((1, 1, 60)), "every_mib": 0,
                     "keep": chance.pick((1, 2))},
        "rings": rings,
        "demo": {"enabled": False},
        "mark": {"source": chance.pick(("last", "synthetic", "synthetic")), "stale_ms": 90_000},
        "risk": {"accounts_max": 256, "positions_max": 1024, "shards": chance.pick((1, 1, 2, 3))},
        "matching": {
            "orders_max": orders, "users_max": 1024, "triggers_max": triggers,
            "level_slots_max": 4096,
            "dedup_orders_max": 1 << (2 * (orders + triggers)).bit_length(),
            "open_orders_per_user_max": chance.pick((3, 100)),
            "open_triggers_per_user_max": chance.pick((3, 100)),
            "dedup_window_s": chance.pick((60, 3600)),
        },
    }  # fmt: skip
    config = base.replace(**sections)
    count = chance.within(1, 3)
    return msgspec.structs.replace(
        config, prices={}, symbols=tuple(draw_market(chance, n) for n in range(1, count + 1))
    )


def draw_market(chance: Chance, number: int) -> SymbolConfig:
    """Rules of every kind: brackets, tick rows, scaling, bands, funding, insurance."""
    reference = (1000, 20_000, 30)[number - 1]
    initial = chance.pick((10_000, 50_000, 200_000))
    market = SymbolConfig(
        id=number, name=f"M{number}-PERP", price_decimals=1, qty_decimals=2, tick=1,
        lot=chance.pick((1, 10)), px_max=8 * reference, qty_max=1_000_000, notional_max=1 << 40,
        reference_px=reference, maker_fee_ppm=chance.pick((-100, 0, 333)),
        taker_fee_ppm=chance.pick((100, 500, 777)), initial_margin_ppm=initial,
        maintenance_margin_ppm=initial // 2, notional_min=chance.pick((0, 0, 500)),
        price_band_ppm=chance.pick((0, 0, 300_000)),
        tick_table=chance.pick(((), ((2 * reference, 2), (4 * reference, 10)))),
        brackets=chance.pick(((), ((20_000, 300_000, 150_000), (200_000, 500_000, 250_000)))),
        oi_high=chance.pick((0, 900_000)), funding_interval_s=chance.pick((0, 60, 180)),
        funding_cap_ppb=chance.pick((7_500_000, 900_000_000)),
        liquidation_delay_ms=chance.pick((0, 200)), liquidation_rounds=chance.pick((0, 2, 6)),
        liquidation_step_ppm=chance.pick((250_000, MILLION)), adl=chance.below(3),
        withdraw_keep_ppm=chance.pick((0, 150_000)), insurance_seed=chance.pick((0, 20_000)),
        insurance_loss_max=chance.pick((500, 1 << 50)),
    )  # fmt: skip
    check_rules(market)
    return market
