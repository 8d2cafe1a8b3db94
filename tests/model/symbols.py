"""Markets for tests: any object with the attributes of rsx.config's SymbolConfig will do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from rsx import records


def make_symbol(**changes: Any) -> SimpleNamespace:
    """A market with round numbers: tick 1, lot 1, 10 % initial margin, no fees."""
    values: dict[str, Any] = {
        "id": 1,
        "name": "TEST-PERP",
        "price_decimals": 0,
        "qty_decimals": 0,
        "tick": 1,
        "lot": 1,
        "px_max": 200_000,
        "qty_max": 1_000_000,
        "notional_max": 1 << 50,
        "reference_px": 50_000,
        "maker_fee_ppm": 0,
        "taker_fee_ppm": 0,
        "initial_margin_ppm": 100_000,
        "maintenance_margin_ppm": 50_000,
        "notional_min": 0,
        "price_band_ppm": 0,
        "market_band_ppm": 50_000,
        "tick_table": (),
        "version": 1,
        "brackets": (),
        "oi_low": 0,
        "oi_high": 0,
        "funding_interval_s": 28_800,
        "funding_interest_ppb": 100_000,
        "funding_damp_ppb": 500_000,
        "funding_cap_ppb": 7_500_000,
        "liquidation_fee_ppm": 0,
        "liquidation_slip_ppm": 1_000,
        "liquidation_slip_max_ppm": 50_000,
        "liquidation_rounds": 10,
        "liquidation_delay_ms": 200,
        "liquidation_step_ppm": 1_000_000,
        "liquidation_buffer_ppm": 100_000,
        "margin_call_ppm": 1_500_000,
        "withdraw_keep_ppm": 0,
        "insurance_seed": 0,
        "insurance_loss_max": 1 << 56,
        "insurance_notional_max": 1 << 60,
        "adl": 0,
    }
    unknown = changes.keys() - values.keys()
    if unknown:
        raise TypeError(f"a symbol has no field {sorted(unknown)[0]!r}")
    return SimpleNamespace(**{**values, **changes})


def with_rules(symbol: Any, parts: dict[str, dict[str, Any]]) -> SimpleNamespace:
    """The market as SYMBOL_CONFIG, SYMBOL_LIMITS, SYMBOL_RISK say: what matching goes by."""
    config, limits, risk = (parts[n] for n in ("SYMBOL_CONFIG", "SYMBOL_LIMITS", "SYMBOL_RISK"))
    table = tuple(
        (limits[f"tick_from_{n}"], limits[f"tick_{n}"])
        for n in (1, 2, 3, 4) if limits[f"tick_from_{n}"]
    )  # fmt: skip
    taken = {name: value for part in (config, limits, risk) for name, value in part.items()
             if hasattr(symbol, name) and name not in ("id", "name", "version")}  # fmt: skip
    return SimpleNamespace(
        **{**vars(symbol), **taken, "tick_table": table, "version": config["config_version"]}
    )


def rules_records(symbol: Any, version: int = 1, ts_ns: int = 0) -> list[bytes]:
    """SY-1: the four records that carry a market's rules."""
    limits = {"notional_min": symbol.notional_min}
    for n, (first, tick) in enumerate(symbol.tick_table, 1):
        limits |= {f"tick_from_{n}": first, f"tick_{n}": tick}
    brackets: dict[str, int] = {}
    for n, (first, initial, maintenance) in enumerate(symbol.brackets, 1):
        brackets |= {f"from_{n}": first, f"initial_ppm_{n}": initial,
                     f"maintenance_ppm_{n}": maintenance}  # fmt: skip
    own = {"name": symbol.name.encode()}
    parts = (
        (records.SYMBOL_CONFIG, own, 0), (records.SYMBOL_LIMITS, limits, 0),
        (records.SYMBOL_RISK, {"adl_policy": symbol.adl}, 0),
        (records.SYMBOL_BRACKETS, brackets, 1),
    )  # fmt: skip
    out = []
    for record, more, end in parts:
        values = {n: getattr(symbol, n) for n in record.offsets if hasattr(symbol, n)}
        out.append(record.pack(
            **{**values, **more}, symbol_id=symbol.id, stream=symbol.id, ts_ns=ts_ns,
            config_version=version, header_flags=end,
        ))  # fmt: skip
    return out
