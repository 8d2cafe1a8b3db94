"""The two matching engines behind one call, for tests that hold one to the other."""

from __future__ import annotations

from typing import Any

from model.book import ModelEngine

NS = 1_000_000_000


def compiled_engine(symbol: Any, **limits: int) -> Any:
    """rsx.book.engine.Engine, limits as ModelEngine names them."""
    from rsx.book.engine import Engine

    window_s = limits.pop("dedup_window_s")
    return Engine(symbol, dedup_window_ns=window_s * NS, **limits)


def model_engine(symbol: Any, **limits: int) -> ModelEngine:
    return ModelEngine(symbol, **limits)
