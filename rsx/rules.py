"""The rules of one market: what they are, which are possible, how they are written in records.

config.toml, the admin API, the log and every tile use this one form and this one check.
Source: specs/symbols.md; specs/risk.md for what the numbers do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from rsx import records
from rsx.errors import ConfigError
from rsx.units import to_text

TICK_ROWS_MAX = 4
BRACKETS_MAX = records.BRACKETS_MAX
BALANCE_MAX = 1 << 56
NOTIONAL_MAX = 1 << 60
U32_MAX = (1 << 32) - 1
ADL_POLICIES = ("queue", "pro_rata", "risk_weighted")
# The four records that hold them, in the order of the log (SY-1).
RULE_RECORDS = (
    records.SYMBOL_CONFIG, records.SYMBOL_LIMITS, records.SYMBOL_RISK, records.SYMBOL_BRACKETS,
)  # fmt: skip


class RuleError(ConfigError):
    """A rule that is not possible. key: as in config.toml; value: as text or number; why."""

    def __init__(self, key: str, value: Any, why: str):
        super().__init__(f"{key} = {value!r}: {why}")
        self.key = key
        self.value = value
        self.why = why


class SymbolConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one market in integer units (specs/risk.md).

    px_* and tick in price units, lot and qty_* in quantity units, notional_* in money units.
    tick_table: further rows (first price, tick), rising; `tick` holds below the first.
    brackets: further rows (first notional, initial ppm, maintenance ppm), rising; the rates above
    hold below the first. adl: number of records.AdlPolicy. insurance_seed is not in the records.
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
    insurance_loss_max: int = BALANCE_MAX
    insurance_notional_max: int = NOTIONAL_MAX
    adl: int = 0

    def tick_at(self, px: int) -> int:
        """The price step of the row that px falls in (specs/matching.md PX-1)."""
        step = self.tick
        for first, tick in self.tick_table:
            if px < first:
                break
            step = tick
        return step

    def money_text(self, value: int) -> str:
        return to_text(value, self.price_decimals + self.qty_decimals)


# Keys of config.toml that are decimal text: attribute, kind of unit, least value.
DECIMAL_KEYS = {
    "tick": ("tick", "price", 1),
    "lot": ("lot", "qty", 1),
    "max_price": ("px_max", "price", 1),
    "max_qty": ("qty_max", "qty", 1),
    "max_notional": ("notional_max", "money", 1),
    "reference_price": ("reference_px", "price", 1),
    "min_notional": ("notional_min", "money", 0),
    "oi_low": ("oi_low", "money", 0),
    "oi_high": ("oi_high", "money", 0),
    "insurance_seed": ("insurance_seed", "money", 0),
    "insurance_loss_max": ("insurance_loss_max", "money", 0),
    "insurance_notional_max": ("insurance_notional_max", "money", 0),
}
# Keys that are whole numbers: least and largest value.
NUMBER_KEYS = {
    "id": (1, 65_000),
    "price_decimals": (0, 12),
    "qty_decimals": (0, 12),
    "maker_fee_ppm": (-10_000, 100_000),
    "taker_fee_ppm": (-10_000, 100_000),
    "initial_margin_ppm": (10_000, 1_000_000),
    "maintenance_margin_ppm": (1, 1_000_000),
    "price_band_ppm": (0, 1_000_000),
    "market_band_ppm": (1, 1_000_000),
    "version": (1, U32_MAX),
    "funding_interval_s": (0, 7 * 86_400),
    "funding_interest_ppb": (-1_000_000_000, 1_000_000_000),
    "funding_damp_ppb": (0, 1_000_000_000),
    "funding_cap_ppb": (0, 1_000_000_000),
    "liquidation_fee_ppm": (0, 100_000),
    "liquidation_slip_ppm": (1, 1_000_000),
    "liquidation_slip_max_ppm": (1, 999_999),
    "liquidation_rounds": (0, 200),
    "liquidation_delay_ms": (0, 3_600_000),
    "liquidation_step_ppm": (1, 1_000_000),
    "liquidation_buffer_ppm": (0, 10_000_000),
    "margin_call_ppm": (1_000_000, 100_000_000),
    "withdraw_keep_ppm": (0, 1_000_000),
}
# What the admin API may not change: fixed for ever, or only by config.toml at a start (SY-2).
FIXED_KEYS = ("id", "name", "price_decimals", "qty_decimals")
START_KEYS = ("max_price", "reference_price", "insurance_seed", "version")


def decimals_of(rules: Any, unit: str) -> int:
    """Digits behind the point of a kind of unit: "price", "qty" or "money"."""
    if unit == "price":
        return int(rules.price_decimals)
    if unit == "qty":
        return int(rules.qty_decimals)
    return int(rules.price_decimals + rules.qty_decimals)


def to_table(symbol: SymbolConfig) -> dict[str, Any]:
    """The rules as config.toml has them: decimal text and numbers by key."""
    price, money = symbol.price_decimals, decimals_of(symbol, "money")
    table: dict[str, Any] = {"id": symbol.id, "name": symbol.name}
    for key, (attribute, unit, _least) in DECIMAL_KEYS.items():
        table[key] = to_text(getattr(symbol, attribute), decimals_of(symbol, unit))
    table |= {key: getattr(symbol, key) for key in NUMBER_KEYS}
    table["tick_table"] = [[to_text(v, price) for v in row] for row in symbol.tick_table]
    table["brackets"] = [[to_text(row[0], money), *row[1:]] for row in symbol.brackets]
    table["adl"] = ADL_POLICIES[symbol.adl]
    return table


# --- the check --------------------------------------------------------------------------------


def check_rules(symbol: SymbolConfig) -> None:
    """Every rule that a market's rules keep. Raises RuleError with key, value and why (SY-3)."""
    for key, (attribute, _unit, least) in DECIMAL_KEYS.items():
        if getattr(symbol, attribute) < least:
            _refuse(symbol, key, f"must {'be positive' if least else 'not be negative'}")
    for key, (low, high) in NUMBER_KEYS.items():
        if not low <= getattr(symbol, key) <= high:
            _refuse(symbol, key, f"must be from {low} to {high}")
    _check_tick_table(symbol)
    for holds, key, why in _relations(symbol):
        if not holds:
            _refuse(symbol, key, why)
    _check_brackets(symbol)


def _refuse(symbol: SymbolConfig, key: str, why: str) -> None:
    """Raise with the value as it would be written."""
    attribute, unit, _least = DECIMAL_KEYS.get(key, (key, "", 0))
    value = getattr(symbol, attribute)
    raise RuleError(key, to_text(value, decimals_of(symbol, unit)) if unit else value, why)


def _check_tick_table(symbol: SymbolConfig) -> None:
    """Rows rise, and their ticks are multiples of the ones before (specs/matching.md PX-1)."""
    rows = [[to_text(v, symbol.price_decimals) for v in row] for row in symbol.tick_table]
    if len(rows) > TICK_ROWS_MAX:
        raise RuleError("tick_table", rows, f"at most {TICK_ROWS_MAX} rows")
    before, step = 0, symbol.tick
    for number, (first, own) in enumerate(symbol.tick_table):
        key = f"tick_table[{number}]"
        if not before < first <= symbol.px_max:
            why = "the first price is not between the row before and max_price"
            raise RuleError(key, rows[number], why)
        if own <= step or own % step:
            raise RuleError(
                key, rows[number], "the tick is not a larger multiple of the one before"
            )
        if first % own:
            raise RuleError(key, rows[number], "the first price is not a multiple of its own tick")
        before, step = first, own


def _check_brackets(symbol: SymbolConfig) -> None:
    """Rates of larger positions never fall (specs/risk.md BR-1)."""
    rows = [(symbol.money_text(first), *rates) for first, *rates in symbol.brackets]
    if len(rows) > BRACKETS_MAX:
        raise RuleError("brackets", [list(row) for row in rows], f"at most {BRACKETS_MAX} rows")
    before = (0, symbol.initial_margin_ppm, symbol.maintenance_margin_ppm)
    for number, row in enumerate(symbol.brackets):
        key, (first, initial, maintenance) = f"brackets[{number}]", row
        if not before[0] < first <= NOTIONAL_MAX:
            why = f"the first notional must rise, and be at most {symbol.money_text(NOTIONAL_MAX)}"
            raise RuleError(key, list(rows[number]), why)
        if not before[1] <= initial <= 1_000_000:
            why = "the initial rate must not fall from row to row, nor be above 1000000"
            raise RuleError(key, list(rows[number]), why)
        if not before[2] <= maintenance <= initial:
            why = "the maintenance rate must not fall from row to row, nor be above the initial one"
            raise RuleError(key, list(rows[number]), why)
        before = row


def _relations(s: SymbolConfig) -> Iterator[tuple[bool, str, str]]:
    """What holds between keys: whether it does, the key to blame, and why."""
    money, price = s.money_text, s.price_decimals
    yield s.notional_max <= NOTIONAL_MAX, "max_notional", f"is above {money(NOTIONAL_MAX)}"
    yield s.px_max % s.tick_at(s.px_max) == 0, "max_price", "is not a multiple of its tick"
    yield (s.reference_px % s.tick_at(s.reference_px) == 0, "reference_price",
           "is not a multiple of its tick")  # fmt: skip
    yield (s.reference_px <= s.px_max, "reference_price",
           f"is above max_price = {to_text(s.px_max, price)!r}")  # fmt: skip
    yield (s.notional_min <= s.notional_max, "min_notional",
           f"is above max_notional = {money(s.notional_max)!r}")  # fmt: skip
    yield (s.lot <= s.qty_max, "lot",
           f"is above max_qty = {to_text(s.qty_max, s.qty_decimals)!r}")  # fmt: skip
    yield (s.maker_fee_ppm + s.taker_fee_ppm >= 0, "maker_fee_ppm",
           f"with taker_fee_ppm = {s.taker_fee_ppm} the sum is below 0")  # fmt: skip
    yield (s.maintenance_margin_ppm <= s.initial_margin_ppm, "maintenance_margin_ppm",
           f"is above initial_margin_ppm = {s.initial_margin_ppm}")  # fmt: skip
    yield (s.liquidation_slip_ppm <= s.liquidation_slip_max_ppm, "liquidation_slip_ppm",
           f"is above liquidation_slip_max_ppm = {s.liquidation_slip_max_ppm}")  # fmt: skip
    yield (s.oi_low < s.oi_high if s.oi_high else s.oi_low == 0, "oi_low",
           f"must be below oi_high = {money(s.oi_high)!r}; both 0 = off")  # fmt: skip
    yield s.funding_interval_s % 60 == 0, "funding_interval_s", "is not whole minutes"
    yield s.insurance_seed <= BALANCE_MAX, "insurance_seed", f"is above {money(BALANCE_MAX)}"
    yield (s.insurance_loss_max <= BALANCE_MAX, "insurance_loss_max",
           f"is above {money(BALANCE_MAX)}")  # fmt: skip
    yield (s.insurance_notional_max <= NOTIONAL_MAX, "insurance_notional_max",
           f"is above {money(NOTIONAL_MAX)}")  # fmt: skip
    yield 0 <= s.adl < len(ADL_POLICIES), "adl", f"must be one of {', '.join(ADL_POLICIES)}"


# --- records ----------------------------------------------------------------------------------

# Fields that have another name than the attribute.
_ATTRIBUTES = {"symbol_id": "id", "config_version": "version", "adl_policy": "adl"}
_NO_ATTRIBUTE = {"seq", "ts_ns", "pad0", "name"}
_ROWS = ("tick_from_", "tick_", "from_", "initial_ppm_", "maintenance_ppm_")


def _plain_fields(record: records.Record) -> tuple[tuple[str, str], ...]:
    """(field, attribute) of a record, but for rows of tables and the name."""
    names = (f.name for f in record.fields if f.name not in _NO_ATTRIBUTE)
    return tuple(
        (name, _ATTRIBUTES.get(name, name))
        for name in names
        if not (name[-1:].isdigit() and name.startswith(_ROWS))
    )


_PLAIN = {record.type: _plain_fields(record) for record in RULE_RECORDS}


def to_records(symbol: SymbolConfig, ts_ns: int = 0) -> list[bytes]:
    """SYMBOL_CONFIG, SYMBOL_LIMITS, SYMBOL_RISK, SYMBOL_BRACKETS with symbol.version (SY-1)."""
    extra: dict[int, dict[str, Any]] = {record.type: {} for record in RULE_RECORDS}
    extra[records.SYMBOL_CONFIG.type]["name"] = symbol.name.encode()
    for number, (first, tick) in enumerate(symbol.tick_table, 1):
        extra[records.SYMBOL_LIMITS.type] |= {f"tick_from_{number}": first, f"tick_{number}": tick}
    for number, (first, initial, maintenance) in enumerate(symbol.brackets, 1):
        extra[records.SYMBOL_BRACKETS.type] |= {
            f"from_{number}": first, f"initial_ppm_{number}": initial,
            f"maintenance_ppm_{number}": maintenance,
        }  # fmt: skip
    out = []
    for record in RULE_RECORDS:
        last = record is records.SYMBOL_BRACKETS
        values = {field: getattr(symbol, name) for field, name in _PLAIN[record.type]}
        values |= extra[record.type]
        flags = records.HeaderFlag.GROUP_END if last else 0
        out.append(record.pack(ts_ns=ts_ns, stream=symbol.id, header_flags=flags, **values))
    return out


def from_records(views: Iterable[records.View], insurance_seed: int = 0) -> SymbolConfig:
    """The rules that the four decoded records say. Raises RuleError where they are no set."""
    views = tuple(views)
    types = [view.record.name for view in views]
    if types != [record.name for record in RULE_RECORDS]:
        raise RuleError("records", types, "the rules of a market are four records in a row")
    heads = {(view.symbol_id, view.config_version) for view in views}
    if len(heads) != 1:
        raise RuleError("records", sorted(heads), "they are of different markets or versions")
    values = {name: getattr(view, field) for view in views
              for field, name in _PLAIN[view.record.type]}  # fmt: skip
    config, limits, _risk, brackets = views
    rows = range(1, TICK_ROWS_MAX + 1)
    ticks = [(getattr(limits, f"tick_from_{n}"), getattr(limits, f"tick_{n}")) for n in rows]
    rates = [
        tuple(getattr(brackets, f"{part}_{n}") for part in ("from", "initial_ppm",
                                                            "maintenance_ppm"))
        for n in range(1, BRACKETS_MAX + 1)
    ]  # fmt: skip
    return SymbolConfig(
        name=config.name.rstrip(b"\0").decode(),
        tick_table=tuple(row for row in ticks if row[0]),
        brackets=tuple(row for row in rates if row[0]),
        insurance_seed=insurance_seed,
        **values,
    )


def differences(was: SymbolConfig, now: SymbolConfig) -> dict[str, tuple[Any, Any]]:
    """Keys of config.toml that differ, with both values as written; version and seed left out."""
    old, new = to_table(was), to_table(now)
    return {
        key: (old[key], new[key])
        for key in old
        if old[key] != new[key] and key not in ("version", "insurance_seed")
    }
