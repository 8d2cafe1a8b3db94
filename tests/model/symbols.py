"""Markets for tests: any object with the attributes of rsx.config's SymbolConfig will do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


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
    }
    unknown = changes.keys() - values.keys()
    if unknown:
        raise TypeError(f"a symbol has no field {sorted(unknown)[0]!r}")
    return SimpleNamespace(**{**values, **changes})
