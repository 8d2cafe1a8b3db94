"""The configuration: config.toml read strictly into frozen structs.

Unknown keys, wrong types and values out of range are refused with the key and the value. The
ranges are those that config.toml states. Source: config.toml, specs/setup.md.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from rsx.errors import ConfigError
from rsx.rules import (
    ADL_POLICIES,
    BRACKETS_MAX,
    DECIMAL_KEYS,
    FIXED_KEYS,
    NUMBER_KEYS,
    START_KEYS,
    TICK_ROWS_MAX,
    RuleError,
    SymbolConfig,
    check_rules,
    decimals_of,
    to_table,
)
from rsx.shards import SHARDS_MAX, VIRTUAL_SHARDS, Shards
from rsx.units import UnitsError, to_units

__all__ = ["SymbolConfig"]  # beside what is defined here

ROOT = Path(__file__).resolve().parent.parent
# In the shared layout one runner has the risk and matching tiles and wal; it takes 64 tiles.
TILES_MAX = 63
SYMBOLS_MAX = TILES_MAX - 1
# Prices of other exchanges for one market (specs/mark.md MK-30).
FEEDS_MAX = 8
FEED_PATTERNS = {
    "binance": r"([a-z0-9]{2,32})(?:@(bookTicker|trade|aggTrade|markPrice))?",
    "coinbase": r"([A-Z0-9]{1,16}-[A-Z0-9]{1,16})()",
}
FEED_STREAMS = {"binance": "bookTicker", "coinbase": ""}


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
    retain_mib: Annotated[int, _within(0, 1 << 24)] = 1024


class Snapshot(Section, frozen=True):
    every_s: Annotated[int, _within(0, 86_400 * 7)] = 600
    every_mib: Annotated[int, _within(0, 1 << 20)] = 256
    keep: Annotated[int, _within(1, 1000)] = 2


class Replica(Section, frozen=True):
    enabled: bool = True
    check_ms: Annotated[int, _within(0, 3_600_000)] = 1000


class Archive(Section, frozen=True):
    enabled: bool = True
    batch_records: Annotated[int, _within(1024, 1 << 18)] = 32_768
    batch_ms: Annotated[int, _within(10, 5000)] = 100
    checkpoint_s: Annotated[int, _within(1, 300)] = 5
    lag_mib: Annotated[int, _within(1, 1 << 30)] = 16_384
    keep_days: Annotated[int, _within(0, 100_000)] = 0
    lag_warn_s: Annotated[int, _within(1, 86_400)] = 30


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
    marketdata_mark: Depth = 1024


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
    source: Literal["auto", "last", "synthetic", "csv", "venues"] = "auto"
    stale_ms: Annotated[int, _within(100, 3_600_000)] = 10_000
    seed: Annotated[int, _within(0, (1 << 63) - 1)] = 0
    synthetic_hz: Annotated[int, _within(1, 1000)] = 4
    synthetic_step_ppm: Annotated[int, _within(0, 100_000)] = 60
    csv_speed: Annotated[int, _within(1, 1_000_000)] = 1
    basis_window_s: Annotated[int, _within(0, 86_400)] = 30
    basis_max_ppm: Annotated[int, _within(0, 100_000)] = 5_000
    update_ms: Annotated[int, _within(10, 10_000)] = 250
    fresh_ms: Annotated[int, _within(100, 3_600_000)] = 10_000
    min_sources: Annotated[int, _within(1, FEEDS_MAX)] = 1
    outlier_ppm: Annotated[int, _within(1, 1_000_000)] = 10_000
    step_ppm_per_s: Annotated[int, _within(1, 1_000_000)] = 20_000
    far_times: Annotated[int, _within(2, 1000)] = 10
    silent_ms: Annotated[int, _within(100, 3_600_000)] = 15_000
    alarm_s: Annotated[int, _within(1, 86_400)] = 30
    binance_url: str = "wss://stream.binance.com:9443"
    coinbase_url: str = "wss://ws-feed.exchange.coinbase.com"


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
    account_push_ms: Annotated[int, _within(10, 60_000)] = 100
    l3: bool = True
    heartbeat_s: Annotated[int, _within(1, 3600)] = 5
    idle_s: Annotated[int, _within(2, 36_000)] = 30


class Dxs(Section, frozen=True):
    port: Annotated[int, _within(0, 65535)] = 0
    host: str = "127.0.0.1"
    insecure: bool = False
    cert: str = ""
    key: str = ""
    ca: str = ""
    clients_max: Annotated[int, _within(1, 10_000)] = 64
    handshake_ms: Annotated[int, _within(10, 600_000)] = 5000
    write_ms: Annotated[int, _within(10, 600_000)] = 10_000
    heartbeat_ms: Annotated[int, _within(10, 60_000)] = 1000
    poll_ms: Annotated[int, _within(1, 1000)] = 2
    grace_s: Annotated[int, _within(0, 7 * 86_400)] = 60
    hold_mib: Annotated[int, _within(1, 1 << 24)] = 1024


class Standby(Section, frozen=True):
    lease: str = ""
    lease_id: Annotated[int, _within(0, (1 << 31) - 1)] = 1


class Demo(Section, frozen=True):
    enabled: bool = True
    levels: Annotated[int, _within(1, 200)] = 25
    requote_s: Annotated[float, Meta(ge=0.05, le=3600)] = 1.0
    trades_per_second: Annotated[float, Meta(ge=0, le=1000)] = 6.0


class SymbolText(Section, frozen=True, kw_only=True):
    """One [[symbols]] table as written: decimal strings. Ranges: rsx/rules.py NUMBER_KEYS."""

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
    maker_fee_ppm: int
    taker_fee_ppm: int
    initial_margin_ppm: int
    maintenance_margin_ppm: int
    min_notional: str = "0"
    price_band_ppm: int = 0
    market_band_ppm: int = 50_000
    tick_table: Annotated[tuple[tuple[str, str], ...], Meta(max_length=TICK_ROWS_MAX)] = ()
    version: int = 1
    brackets: Annotated[tuple[tuple[str, int, int], ...], Meta(max_length=BRACKETS_MAX)] = ()
    oi_low: str = "0"
    oi_high: str = "0"
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
    insurance_seed: str = "0"
    insurance_loss_max: str = "1000000"
    insurance_notional_max: str = "10000000"
    adl: Literal["queue", "pro_rata", "risk_weighted"] = "queue"
    feeds: Annotated[tuple[str, ...], Meta(max_length=FEEDS_MAX)] = ()
    csv: str = ""


class Prices(msgspec.Struct, frozen=True):
    """Where a market's index comes from. feeds: (venue, product, stream); csv: file, "" = none."""

    feeds: tuple[tuple[str, str, str], ...] = ()
    csv: str = ""


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
    snapshot: Snapshot = Snapshot()
    replica: Replica = Replica()
    archive: Archive = Archive()
    dxs: Dxs = Dxs()
    standby: Standby = Standby()
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
    snapshot: Snapshot
    replica: Replica
    archive: Archive
    dxs: Dxs
    standby: Standby
    demo: Demo
    symbols: tuple[SymbolConfig, ...]
    prices: dict[int, Prices] = {}
    path: str = ""

    @property
    def money_decimals(self) -> int:
        return self.symbols[0].price_decimals + self.symbols[0].qty_decimals

    @property
    def shards(self) -> Shards:
        return Shards(self.risk.shards, self.risk.shard_starts)

    @property
    def mark_source(self) -> str:
        """ "last", "synthetic", "csv" or "venues", with "auto" resolved."""
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


def _units(key: str, text: str, decimals: int, least: int = 1) -> int:
    try:
        value = to_units(text, decimals)
    except UnitsError as error:
        raise RuleError(key, text, str(error).removeprefix(f"{text!r} ")) from None
    if value < least:
        raise RuleError(key, text, f"must {'be positive' if least else 'not be negative'}")
    return value


def _symbol(raw: SymbolText) -> SymbolConfig:
    """The rules in units, checked. Raises RuleError with the key, its value, and why."""
    price, money = decimals_of(raw, "price"), decimals_of(raw, "money")
    decimal = {
        attribute: _units(key, getattr(raw, key), decimals_of(raw, unit), least)
        for key, (attribute, unit, least) in DECIMAL_KEYS.items()
    }
    ticks = [
        (_units(f"tick_table[{n}]", first, price), _units(f"tick_table[{n}]", tick, price))
        for n, (first, tick) in enumerate(raw.tick_table)
    ]
    brackets = [
        (_units(f"brackets[{n}]", first, money), initial, maintenance)
        for n, (first, initial, maintenance) in enumerate(raw.brackets)
    ]
    symbol = SymbolConfig(
        name=raw.name,
        tick_table=tuple(ticks),
        brackets=tuple(brackets),
        adl=ADL_POLICIES.index(raw.adl),
        **decimal,
        **{key: getattr(raw, key) for key in NUMBER_KEYS},
    )
    check_rules(symbol)
    return symbol


def _symbols(raw: tuple[SymbolText, ...]) -> tuple[SymbolConfig, ...]:
    out = []
    for text in raw:
        try:
            out.append(_symbol(text))
        except RuleError as error:
            raise ConfigError(f"symbols.{text.name}.{error}") from None
    return tuple(out)


def _feed(text: str) -> tuple[str, str, str]:
    """A feed as (venue, product, stream). Raises ConfigError with what is wrong with it."""
    venue, _, rest = text.partition(":")
    if venue not in FEED_PATTERNS:
        raise ConfigError(f"begins with none of {', '.join(FEED_PATTERNS)} and a colon")
    match = re.fullmatch(FEED_PATTERNS[venue], rest)
    if match is None:
        raise ConfigError('such as "binance:btcusdt@trade" or "coinbase:BTC-USD" is due')
    return venue, match[1], match[2] or FEED_STREAMS[venue]


def _prices(raw: SymbolText) -> Prices:
    feeds: list[tuple[str, str, str]] = []
    for number, text in enumerate(raw.feeds):
        try:
            feed = _feed(text)
            if feed[0] in (venue for venue, _, _ in feeds):
                raise ConfigError(f"a second feed of {feed[0]}")
        except ConfigError as error:
            key = f"symbols.{raw.name}.feeds[{number}]"
            raise ConfigError(f"{key} = {_shown(text)}: {error}") from None
        feeds.append(feed)
    return Prices(tuple(feeds), raw.csv)


def change_rules(symbol: SymbolConfig, changes: dict[str, Any]) -> SymbolConfig:
    """The full new rules with the next version: keys and values as in config.toml (SY-3).

    Raises RuleError with key, value and why: no such key, one that is not changed while trading
    (SY-2), a wrong type, or rules that are not possible
    """
    table = to_table(symbol)
    for key, value in changes.items():
        if key in FIXED_KEYS:
            raise RuleError(key, value, "is fixed for ever")
        if key in START_KEYS:
            raise RuleError(key, value, "is changed by config.toml at a start only")
        if key not in table:
            raise RuleError(key, value, "there is no such key")
    table |= changes
    table["version"] = symbol.version + 1
    try:
        return _symbol(msgspec.convert(table, SymbolText))
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$.")
        key = re.split(r"[`.\[]", path)[0]
        if key == "adl":
            text = f"must be {' or '.join(ADL_POLICIES)}"
        raise RuleError(key, table[key], text[0].lower() + text[1:].replace("`", "")) from None


def _check(config: Config) -> None:
    symbols = config.symbols
    if not symbols:
        raise ConfigError("symbols: at least one market is needed")
    most = TILES_MAX - config.risk.shards
    if len(symbols) > most:
        raise ConfigError(
            f"symbols: {len(symbols)} markets; at most {most} with risk.shards = "
            f"{config.risk.shards}"
        )
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
    for path, text in (
        ("server.host", config.server.host), ("data.dir", config.data.dir),
        ("dxs.host", config.dxs.host),
    ):  # fmt: skip
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
    _check_mark(config)
    _check_dxs(config)
    cpus = config.tiles.cpus
    if not isinstance(cpus, str) and (not cpus or min(cpus) < 0 or len(set(cpus)) < len(cpus)):
        raise ConfigError(f"tiles.cpus = {cpus}: must be different core numbers, at least one")


def _check_dxs(config: Config) -> None:
    """What [dxs] and [standby] owe themselves (specs/dxs.md DX-19, DX-70)."""
    dxs, lease = config.dxs, config.standby.lease
    if bool(dxs.cert) != bool(dxs.key):
        raise ConfigError(f"dxs.cert = {dxs.cert!r}, dxs.key = {dxs.key!r}: both or none")
    if dxs.ca and not dxs.cert:
        raise ConfigError(f"dxs.ca = {dxs.ca!r}: needs dxs.cert and dxs.key")
    if lease and not lease.startswith(("postgres://", "postgresql://")):
        raise ConfigError("standby.lease: must begin with postgres:// or postgresql://")


def _is_socket_url(text: str) -> bool:
    """Whether it is ws:// or wss:// with a host, perhaps port and path, and nothing else."""
    if not re.fullmatch(r"wss?://[!-~]+", text):
        return False
    try:
        parts = urlsplit(text)
        whole = parts.hostname and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:
        return False
    return bool(whole)


def _check_mark(config: Config) -> None:
    """What [mark] and the feeds of the markets owe each other (specs/mark.md)."""
    mark = config.mark
    for key in ("binance_url", "coinbase_url"):
        url = getattr(mark, key)
        if not _is_socket_url(url):
            raise ConfigError(
                f"mark.{key} = {_shown(url)}: must be ws:// or wss://, host, port, path"
            )
    prices = {s.name: config.prices.get(s.id, Prices()) for s in config.symbols}
    for name, own in prices.items():
        if mark.source == "venues" and len(own.feeds) < mark.min_sources:
            raise ConfigError(
                f'symbols.{name}.feeds: {len(own.feeds)} where mark.source = "venues" needs '
                f"mark.min_sources = {mark.min_sources}"
            )
    if mark.source == "csv" and not any(own.csv for own in prices.values()):
        raise ConfigError('mark.source = "csv": no market has a file (symbols.csv)')


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
        prices = {market.id: _prices(market) for market in raw.symbols}
        config = Config(symbols=_symbols(raw.symbols), prices=prices, path=name, **fields)
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
