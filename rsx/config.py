"""The configuration: config.toml read strictly into frozen structs.

Unknown keys, wrong types and values out of range are refused with the key and the value. The
ranges are those that config.toml states. Source: config.toml, specs/setup.md.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

from rsx.errors import ConfigError
from rsx.units import UnitsError, to_text, to_units

ROOT = Path(__file__).resolve().parent.parent
TICK_ROWS_MAX = 4
BRACKETS_MAX = 5
VIRTUAL_SHARDS = 4096
SHARDS_MAX = 8
NOTIONAL_MAX = 1 << 60
# In the shared layout one runner has risk, every matching tile and wal; it takes 64 tiles.
SYMBOLS_MAX = 62


def _within(low: int, high: int) -> Meta:
    return Meta(ge=low, le=high)


Depth = Annotated[int, _within(1024, 1 << 22)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every table of the file."""


class Server(Section, frozen=True):
    host: str = "127.0.0.1"
    port: Annotated[int, _within(0, 65535)] = 8080


class Data(Section, frozen=True):
    dir: str = "data"


class Wal(Section, frozen=True):
    durability: Literal["fill", "all", "async"] = "fill"
    flush_ms: Annotated[int, _within(1, 1000)] = 10
    segment_mib: Annotated[int, _within(1, 1024)] = 64
    segments_ahead: Annotated[int, _within(0, 15)] = 1


class Tiles(Section, frozen=True):
    layout: Literal["auto", "shared", "dedicated"] = "auto"
    idle: Literal["backoff", "spin"] = "backoff"
    spin_us: Annotated[int, _within(0, 100_000)] = 50
    yield_us: Annotated[int, _within(0, 100_000)] = 500
    cpus: Literal["auto", "none"] | list[int] = "auto"
    switch_interval_us: Annotated[int, _within(50, 5000)] = 200
    reply_poll_us: Annotated[int, _within(0, 1000)] = 30


class Rings(Section, frozen=True):
    gateway_risk: Depth = 16384
    mark_risk: Depth = 1024
    risk_matching: Depth = 16384
    risk_gateway: Depth = 16384
    matching_wal: Depth = 65536
    risk_wal: Depth = 16384
    wal_gateway: Depth = 65536
    wal_risk: Depth = 65536
    wal_marketdata: Depth = 65536


class Risk(Section, frozen=True):
    accounts_max: Annotated[int, _within(1, 1 << 26)] = 1 << 20
    positions_max: Annotated[int, _within(1, 1 << 26)] = 1 << 22
    shards: Annotated[int, _within(1, SHARDS_MAX)] = 1
    shard_starts: tuple[Annotated[int, _within(0, VIRTUAL_SHARDS - 1)], ...] = ()


class Matching(Section, frozen=True):
    orders_max: Annotated[int, _within(1024, 1 << 26)] = 1 << 18
    users_max: Annotated[int, _within(1024, 1 << 26)] = 1 << 20
    open_orders_per_user_max: Annotated[int, _within(1, 1 << 26)] = 10_000
    triggers_max: Annotated[int, _within(16, 1 << 24)] = 1 << 16
    open_triggers_per_user_max: Annotated[int, _within(1, 1 << 24)] = 200
    level_slots_max: Annotated[int, _within(1024, 1 << 24)] = 1 << 20
    dedup_window_s: Annotated[int, _within(1, 7 * 86_400)] = 3600
    dedup_orders_max: Annotated[int, _within(2048, 1 << 27)] = 1 << 20


class Mark(Section, frozen=True):
    source: Literal["auto", "last", "synthetic"] = "auto"
    stale_ms: Annotated[int, _within(100, 3_600_000)] = 10_000
    seed: Annotated[int, _within(0, (1 << 63) - 1)] = 0
    synthetic_hz: Annotated[int, _within(1, 1000)] = 4
    synthetic_step_ppm: Annotated[int, _within(0, 100_000)] = 60


class Edge(Section, frozen=True):
    orders_per_second: Annotated[int, _within(1, 10_000_000)] = 5000
    pending_per_user: Annotated[int, _within(1, 1_000_000)] = 10_000
    batch_max: Annotated[int, _within(1, 1000)] = 25
    answer_timeout_ms: Annotated[int, _within(10, 600_000)] = 5000
    connections_per_user: Annotated[int, _within(1, 100_000)] = 16
    connections_max: Annotated[int, _within(1, 1_000_000)] = 1024
    private_backlog_bytes: Annotated[int, _within(4096, 1 << 30)] = 1 << 20
    public_backlog_bytes: Annotated[int, _within(4096, 1 << 30)] = 1 << 18
    slow_reader_ms: Annotated[int, _within(0, 600_000)] = 5000
    l3: bool = True
    heartbeat_s: Annotated[int, _within(1, 3600)] = 5
    idle_s: Annotated[int, _within(2, 36_000)] = 30


class Demo(Section, frozen=True):
    enabled: bool = True
    levels: Annotated[int, _within(1, 200)] = 25
    requote_s: Annotated[float, Meta(ge=0.05, le=3600)] = 1.0
    trades_per_second: Annotated[float, Meta(ge=0, le=1000)] = 6.0


class SymbolText(Section, frozen=True, kw_only=True):
    """One [[symbols]] table as written: decimal strings."""

    id: Annotated[int, _within(1, 65_000)]
    name: Annotated[str, Meta(pattern=r"^[A-Z0-9][A-Z0-9-]{0,19}$")]
    price_decimals: Annotated[int, _within(0, 12)]
    qty_decimals: Annotated[int, _within(0, 12)]
    tick: str
    lot: str
    max_price: str
    max_qty: str
    max_notional: str
    reference_price: str
    maker_fee_ppm: Annotated[int, _within(-10_000, 100_000)]
    taker_fee_ppm: Annotated[int, _within(-10_000, 100_000)]
    initial_margin_ppm: Annotated[int, _within(10_000, 1_000_000)]
    maintenance_margin_ppm: Annotated[int, _within(1, 1_000_000)]
    min_notional: str = "0"
    price_band_ppm: Annotated[int, _within(0, 1_000_000)] = 0
    market_band_ppm: Annotated[int, _within(1, 1_000_000)] = 50_000
    tick_table: Annotated[tuple[tuple[str, str], ...], Meta(max_length=TICK_ROWS_MAX)] = ()
    version: Annotated[int, _within(1, (1 << 32) - 1)] = 1
    brackets: Annotated[tuple[tuple[str, int, int], ...], Meta(max_length=BRACKETS_MAX)] = ()
    oi_low: str = "0"
    oi_high: str = "0"
    funding_interval_s: Annotated[int, _within(0, 7 * 86_400)] = 28_800
    funding_interest_ppb: Annotated[int, _within(-1_000_000_000, 1_000_000_000)] = 100_000
    funding_damp_ppb: Annotated[int, _within(0, 1_000_000_000)] = 500_000
    funding_cap_ppb: Annotated[int, _within(0, 1_000_000_000)] = 7_500_000
    liquidation_fee_ppm: Annotated[int, _within(0, 100_000)] = 5_000
    liquidation_slip_ppm: Annotated[int, _within(1, 1_000_000)] = 1_000
    liquidation_slip_max_ppm: Annotated[int, _within(1, 999_999)] = 50_000
    liquidation_rounds: Annotated[int, _within(0, 200)] = 10
    liquidation_delay_ms: Annotated[int, _within(0, 3_600_000)] = 200
    liquidation_step_ppm: Annotated[int, _within(1, 1_000_000)] = 1_000_000
    liquidation_buffer_ppm: Annotated[int, _within(0, 10_000_000)] = 100_000
    margin_call_ppm: Annotated[int, _within(1_000_000, 100_000_000)] = 1_500_000
    withdraw_keep_ppm: Annotated[int, _within(0, 1_000_000)] = 100_000
    insurance_seed: str = "0"
    insurance_loss_max: str = "1000000"
    insurance_notional_max: str = "10000000"
    adl: Literal["queue", "pro_rata", "risk_weighted"] = "queue"


class SymbolConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one market in integer units (specs/risk.md).

    px_* and tick in price units, lot and qty_* in quantity units, notional_* in money units.
    tick_table: further rows (first price, tick), rising; `tick` holds below the first.
    brackets: further rows (first notional, initial ppm, maintenance ppm), rising; the rates above
    hold below the first. adl: number of records.AdlPolicy.
    """

    id: int
    name: str
    price_decimals: int
    qty_decimals: int
    tick: int
    lot: int
    px_max: int
    qty_max: int
    notional_max: int
    reference_px: int
    maker_fee_ppm: int
    taker_fee_ppm: int
    initial_margin_ppm: int
    maintenance_margin_ppm: int
    notional_min: int = 0
    price_band_ppm: int = 0
    market_band_ppm: int = 50_000
    tick_table: tuple[tuple[int, int], ...] = ()
    version: int = 1
    brackets: tuple[tuple[int, int, int], ...] = ()
    oi_low: int = 0
    oi_high: int = 0
    funding_interval_s: int = 28_800
    funding_interest_ppb: int = 100_000
    funding_damp_ppb: int = 500_000
    funding_cap_ppb: int = 7_500_000
    liquidation_fee_ppm: int = 5_000
    liquidation_slip_ppm: int = 1_000
    liquidation_slip_max_ppm: int = 50_000
    liquidation_rounds: int = 10
    liquidation_delay_ms: int = 200
    liquidation_step_ppm: int = 1_000_000
    liquidation_buffer_ppm: int = 100_000
    margin_call_ppm: int = 1_500_000
    withdraw_keep_ppm: int = 100_000
    insurance_seed: int = 0
    insurance_loss_max: int = 1 << 56
    insurance_notional_max: int = 1 << 60
    adl: int = 0

    def tick_at(self, px: int) -> int:
        """The price step of the row that px falls in (specs/matching.md PX-1)."""
        step = self.tick
        for first, tick in self.tick_table:
            if px < first:
                break
            step = tick
        return step


class _File(Section, frozen=True, kw_only=True):
    server: Server = Server()
    data: Data = Data()
    wal: Wal = Wal()
    tiles: Tiles = Tiles()
    rings: Rings = Rings()
    risk: Risk = Risk()
    matching: Matching = Matching()
    mark: Mark = Mark()
    edge: Edge = Edge()
    demo: Demo = Demo()
    symbols: tuple[SymbolText, ...]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration, checked. `replace` gives a changed copy."""

    server: Server
    data: Data
    wal: Wal
    tiles: Tiles
    rings: Rings
    risk: Risk
    matching: Matching
    mark: Mark
    edge: Edge
    demo: Demo
    symbols: tuple[SymbolConfig, ...]
    path: str = ""

    @property
    def money_decimals(self) -> int:
        return self.symbols[0].price_decimals + self.symbols[0].qty_decimals

    @property
    def mark_source(self) -> str:
        """ "last" or "synthetic", with "auto" resolved."""
        if self.mark.source == "auto":
            return "synthetic" if self.demo.enabled else "last"
        return self.mark.source

    def replace(self, **sections: dict[str, object]) -> Config:
        """A copy with keys of some sections changed: replace(server={"port": 0})."""
        changed = {
            name: msgspec.structs.replace(getattr(self, name), **keys)
            for name, keys in sections.items()
        }
        config = msgspec.structs.replace(self, **changed)
        _check(config)
        return config


# Keys of a market that are numbers already.
AS_WRITTEN = (
    "funding_interval_s", "funding_interest_ppb", "funding_damp_ppb", "funding_cap_ppb",
    "liquidation_fee_ppm", "liquidation_slip_ppm", "liquidation_slip_max_ppm",
    "liquidation_rounds", "liquidation_delay_ms", "liquidation_step_ppm",
    "liquidation_buffer_ppm", "margin_call_ppm", "withdraw_keep_ppm",
)  # fmt: skip


def _units(key: str, text: str, decimals: int, least: int = 1) -> int:
    try:
        value = to_units(text, decimals)
    except UnitsError as error:
        raise ConfigError(f"{key}: {error}") from None
    if value < least:
        raise ConfigError(f"{key} = {text!r}: must {'be positive' if least else 'not be negative'}")
    return value


def _tick_table(at: str, raw: SymbolText, tick: int, px_max: int) -> tuple[tuple[int, int], ...]:
    """The rows of a tick table in price units (specs/matching.md PX-1)."""
    rows: list[tuple[int, int]] = []
    before, step = 0, tick
    for number, (first_text, tick_text) in enumerate(raw.tick_table):
        key = f"{at}.tick_table[{number}]"
        first = _units(key, first_text, raw.price_decimals)
        own = _units(key, tick_text, raw.price_decimals)
        if not before < first <= px_max:
            raise ConfigError(
                f"{key}: first price {first_text!r} is not between the row before and max_price"
            )
        if own <= step or own % step:
            raise ConfigError(
                f"{key}: tick {tick_text!r} is not a larger multiple of the one before"
            )
        if first % own:
            raise ConfigError(
                f"{key}: first price {first_text!r} is not a multiple of its own tick"
            )
        rows.append((first, own))
        before, step = first, own
    return tuple(rows)


def _brackets(at: str, raw: SymbolText, money: int) -> tuple[tuple[int, int, int], ...]:
    """The rows of larger positions in money units (specs/margin.md BR-1)."""
    rows: list[tuple[int, int, int]] = []
    before = (0, raw.initial_margin_ppm, raw.maintenance_margin_ppm)
    for number, (first_text, initial, maintenance) in enumerate(raw.brackets):
        key = f"{at}.brackets[{number}]"
        first = _units(key, first_text, money)
        if not before[0] < first <= NOTIONAL_MAX:
            raise ConfigError(f"{key}: first notional {first_text!r} does not rise, or is too large")
        if not before[1] <= initial <= 1_000_000 or not before[2] <= maintenance <= initial:
            raise ConfigError(
                f"{key}: rates {initial}, {maintenance} ppm: neither may fall from row to row, "
                "maintenance may not be above initial, initial not above 1000000"
            )
        before = (first, initial, maintenance)
        rows.append(before)
    return tuple(rows)


def _symbol(raw: SymbolText) -> SymbolConfig:
    at = f"symbols.{raw.name}"
    money = raw.price_decimals + raw.qty_decimals
    tick = _units(f"{at}.tick", raw.tick, raw.price_decimals)
    px_max = _units(f"{at}.max_price", raw.max_price, raw.price_decimals)
    symbol = SymbolConfig(
        id=raw.id,
        name=raw.name,
        price_decimals=raw.price_decimals,
        qty_decimals=raw.qty_decimals,
        tick=tick,
        lot=_units(f"{at}.lot", raw.lot, raw.qty_decimals),
        px_max=px_max,
        qty_max=_units(f"{at}.max_qty", raw.max_qty, raw.qty_decimals),
        notional_max=_units(f"{at}.max_notional", raw.max_notional, money),
        reference_px=_units(f"{at}.reference_price", raw.reference_price, raw.price_decimals),
        maker_fee_ppm=raw.maker_fee_ppm,
        taker_fee_ppm=raw.taker_fee_ppm,
        initial_margin_ppm=raw.initial_margin_ppm,
        maintenance_margin_ppm=raw.maintenance_margin_ppm,
        notional_min=_units(f"{at}.min_notional", raw.min_notional, money, least=0),
        price_band_ppm=raw.price_band_ppm,
        market_band_ppm=raw.market_band_ppm,
        tick_table=_tick_table(at, raw, tick, px_max),
        version=raw.version,
        brackets=_brackets(at, raw, money),
        adl=("queue", "pro_rata", "risk_weighted").index(raw.adl),
        **{
            key: _units(f"{at}.{key}", getattr(raw, key), money, least=0)
            for key in ("oi_low", "oi_high", "insurance_seed", "insurance_loss_max",
                        "insurance_notional_max")
        },
        **{key: getattr(raw, key) for key in AS_WRITTEN},
    )  # fmt: skip
    rules = (
        (
            symbol.notional_max <= NOTIONAL_MAX,
            f"max_notional = {raw.max_notional!r} is above {to_text(NOTIONAL_MAX, money)}",
        ),
        (
            symbol.px_max % symbol.tick_at(symbol.px_max) == 0,
            f"max_price = {raw.max_price!r} is not a multiple of its tick",
        ),
        (
            symbol.reference_px % symbol.tick_at(symbol.reference_px) == 0,
            f"reference_price = {raw.reference_price!r} is not a multiple of its tick",
        ),
        (
            symbol.reference_px <= symbol.px_max,
            f"reference_price = {raw.reference_price!r} is above max_price = {raw.max_price!r}",
        ),
        (
            symbol.notional_min <= symbol.notional_max,
            f"min_notional = {raw.min_notional!r} is above max_notional = {raw.max_notional!r}",
        ),
        (symbol.lot <= symbol.qty_max, f"lot = {raw.lot!r} is above max_qty = {raw.max_qty!r}"),
        (
            symbol.maker_fee_ppm + symbol.taker_fee_ppm >= 0,
            f"maker_fee_ppm + taker_fee_ppm = {raw.maker_fee_ppm + raw.taker_fee_ppm} is below 0",
        ),
        (
            symbol.maintenance_margin_ppm <= symbol.initial_margin_ppm,
            f"maintenance_margin_ppm = {raw.maintenance_margin_ppm} is above "
            f"initial_margin_ppm = {raw.initial_margin_ppm}",
        ),
        (
            symbol.liquidation_slip_ppm <= symbol.liquidation_slip_max_ppm,
            f"liquidation_slip_ppm = {raw.liquidation_slip_ppm} is above "
            f"liquidation_slip_max_ppm = {raw.liquidation_slip_max_ppm}",
        ),
        (
            (symbol.oi_low < symbol.oi_high) if symbol.oi_high else symbol.oi_low == 0,
            f"oi_low = {raw.oi_low!r} must be below oi_high = {raw.oi_high!r}; both 0 = off",
        ),
        (
            symbol.insurance_seed <= 1 << 56,
            f"insurance_seed = {raw.insurance_seed!r} is above {to_text(1 << 56, money)}",
        ),
        (
            symbol.funding_interval_s % 60 == 0,
            f"funding_interval_s = {raw.funding_interval_s} is not whole minutes",
        ),
    )
    for holds, text in rules:
        if not holds:
            raise ConfigError(f"{at}: {text}")
    return symbol


def _check(config: Config) -> None:
    symbols = config.symbols
    if not symbols:
        raise ConfigError("symbols: at least one market is needed")
    if len(symbols) > SYMBOLS_MAX:
        raise ConfigError(f"symbols: {len(symbols)} markets; at most {SYMBOLS_MAX}")
    for key in ("id", "name"):
        values = [getattr(s, key) for s in symbols]
        if len(set(values)) != len(values):
            raise ConfigError(f"symbols: the same {key} twice: {values}")
    for s in symbols:
        if s.price_decimals + s.qty_decimals != config.money_decimals:
            raise ConfigError(
                f"symbols.{s.name}: price_decimals + qty_decimals = "
                f"{s.price_decimals + s.qty_decimals}, but {symbols[0].name} has "
                f"{config.money_decimals}; the sum is the money unit and must be the same"
            )
    matching = config.matching
    powers = {f"rings.{name}": getattr(config.rings, name) for name in Rings.__struct_fields__}
    powers["matching.dedup_orders_max"] = matching.dedup_orders_max
    for path, value in powers.items():
        if value & (value - 1):
            raise ConfigError(f"{path} = {value}: must be a power of two")
    if matching.dedup_orders_max < 2 * (matching.orders_max + matching.triggers_max):
        raise ConfigError(
            f"matching.dedup_orders_max = {matching.dedup_orders_max}: must be at least twice "
            f"orders_max + triggers_max = {matching.orders_max} + {matching.triggers_max}"
        )
    if config.edge.idle_s <= config.edge.heartbeat_s:
        raise ConfigError(
            f"edge.idle_s = {config.edge.idle_s}: "
            f"must be above heartbeat_s = {config.edge.heartbeat_s}"
        )
    for path, text in (("server.host", config.server.host), ("data.dir", config.data.dir)):
        if not text.strip() or "\0" in text:
            raise ConfigError(f"{path} = {text!r}: must not be empty")
    starts = config.risk.shard_starts
    if starts and (
        len(starts) != config.risk.shards or starts[0] != 0 or sorted(set(starts)) != list(starts)
    ):
        raise ConfigError(
            f"risk.shard_starts = {list(starts)}: the first virtual shard of each of the "
            f"{config.risk.shards} shards, from 0, rising"
        )
    cpus = config.tiles.cpus
    if not isinstance(cpus, str) and (not cpus or min(cpus) < 0 or len(set(cpus)) < len(cpus)):
        raise ConfigError(f"tiles.cpus = {cpus}: must be different core numbers, at least one")


def _key(path: str, raw: dict[str, Any]) -> tuple[str, Any]:
    """The key that msgspec's path names, as an operator would, and its value."""
    key = ""
    value: Any = raw
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        value = value[name] if name else value[int(index)]
        if name:
            key += f".{name}"
        elif isinstance(value, dict) and isinstance(value.get("name"), str):
            key += f".{value['name']}"
        else:
            key += f"[{index}]"
    return key.removeprefix("."), value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 64 else f"{text[:64]}..."


def _choices(key: str) -> str:
    """What a key with fixed values may be."""
    section, _, name = key.partition(".")
    hints = get_type_hints(get_type_hints(_File)[section])
    options = [get_args(part) or (part,) for part in (hints[name], *get_args(hints[name]))]
    texts = (option for group in options for option in group if isinstance(option, str))
    return " or ".join(f'"{text}"' for text in dict.fromkeys(texts))


def _readable(error: msgspec.ValidationError, raw: dict[str, Any]) -> str:
    """msgspec's message with the key as it is written, its value, and what is allowed."""
    text, _, path = str(error).partition(" - at `$")
    key, value = _key(path.removesuffix("`"), raw)
    inner = f"{key}." if key else ""
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", text):
        return f"{inner}{match[1]} = {_shown(value[match[1]])}: there is no such key"
    if match := re.fullmatch(r"Object missing required field `(.*)`", text):
        return f"{inner}{match[1]}: this key is missing"
    if text.startswith("Invalid enum value"):
        text = f"must be {_choices(key)}"
    return f"{key} = {_shown(value)}: {text[0].lower()}{text[1:].replace('`', '')}"


def parse(text: str, name: str = "config.toml") -> Config:
    """Read configuration text. Raises ConfigError with one line: file, key, value, rule."""
    tree: dict[str, Any] = {}
    try:
        tree = tomllib.loads(text)
        raw = msgspec.convert(tree, _File)
        fields = {f: getattr(raw, f) for f in _File.__struct_fields__ if f != "symbols"}
        config = Config(symbols=tuple(map(_symbol, raw.symbols)), path=name, **fields)
        _check(config)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {error}") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {_readable(error, tree)}") from None
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    return config


def default_path() -> Path:
    """config.toml beside the code, or the copy that the installed package carries."""
    beside = ROOT / "config.toml"
    return beside if beside.exists() else Path(__file__).with_name("_default_config.toml")


def load(path: str | Path | None = None) -> Config:
    """Read a configuration file; None = the default one."""
    chosen = Path(path) if path is not None else default_path()
    try:
        text = chosen.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {chosen}: {error}") from None
    return parse(text, str(chosen))
