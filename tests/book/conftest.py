"""Engines for the rule tests: every table runs over the plain model and the compiled engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from model.engines import compiled_engine, model_engine
from model.symbols import make_symbol
from model.table import Table

LIMITS = {
    "orders_max": 1024,
    "users_max": 64,
    "open_orders_per_user_max": 1024,
    "dedup_window_s": 3600,
    "triggers_max": 512,
    "open_triggers_per_user_max": 512,
    "dedup_orders_max": 4096,
}


@pytest.fixture(params=[model_engine, compiled_engine], ids=["model", "compiled"])
def make_engine(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """make_engine(orders_max=4, tick=10, ...): limits and symbol fields by name."""

    def make(**changes: int) -> Any:
        limits = {name: changes.pop(name, due) for name, due in LIMITS.items()}
        return request.param(make_symbol(**changes), **limits)

    return make


@pytest.fixture
def make_table(make_engine: Callable[..., Any]) -> Callable[..., Table]:
    return lambda **changes: Table(make_engine(**changes))


@pytest.fixture
def table(make_table: Callable[..., Table]) -> Table:
    return make_table()
