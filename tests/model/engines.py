"""The two matching engines behind one call, for tests that hold one to the other."""

from __future__ import annotations

from typing import Any

from model.book import ModelEngine
from model.wire import as_event, order_new

NS = 1_000_000_000


def compiled_engine(symbol: Any, **limits: int) -> Any:
    """rsx.book.engine.Engine, limits as ModelEngine names them."""
    from rsx.book.engine import Engine

    window_s = limits.pop("dedup_window_s")
    return Engine(symbol, dedup_window_ns=window_s * NS, **limits)


def model_engine(symbol: Any, **limits: int) -> ModelEngine:
    return ModelEngine(symbol, **limits)


def new(
    oid: int, user: int, side: int, qty: int, px: int, *, tif: int = 0, flags: int = 0, **more: Any
) -> bytes:
    """ORDER_NEW for symbol 1."""
    return order_new(
        oid=oid, user_id=user, side=side, qty=qty, px=px, tif=tif, flags=flags,
        **{"symbol_id": 1, **more},
    )  # fmt: skip


def ask(engine: Any, request: bytes, ts_ns: int = 0) -> list[dict[str, Any]]:
    """The events of one request, decoded."""
    return [as_event(e) for e in engine.submit(request, ts_ns)]
