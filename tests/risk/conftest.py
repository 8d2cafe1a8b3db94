"""Ledgers for the rule tests: every table runs over the plain model and the compiled ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from model.ledger import ModelLedger
from model.ledger_table import LedgerTable
from model.symbols import make_symbol

MS = 1_000_000


def model_ledger(symbols: tuple[Any, ...], mark_source: str, stale_ms: int) -> ModelLedger:
    return ModelLedger(symbols, mark_source, stale_ms)


def compiled_ledger(symbols: tuple[Any, ...], mark_source: str, stale_ms: int) -> Any:
    from rsx.risk.ledger import Ledger

    return Ledger(
        symbols, accounts_max=64, positions_max=256, mark_source=mark_source,
        stale_ns=stale_ms * MS,
    )  # fmt: skip


@pytest.fixture(params=[model_ledger, compiled_ledger], ids=["model", "compiled"])
def make_ledger(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """make_ledger(mark_source="feed", reference_px=100, ...): symbols 1 and 2, alike but for id."""

    def make(mark_source: str = "last", stale_ms: int = 10_000, **changes: int) -> Any:
        symbols = tuple(make_symbol(id=n, **changes) for n in (1, 2))
        return request.param(symbols, mark_source, stale_ms)

    return make


@pytest.fixture
def make_table(make_ledger: Callable[..., Any]) -> Callable[..., LedgerTable]:
    return lambda **changes: LedgerTable(make_ledger(**changes))
