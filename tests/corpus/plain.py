"""What a folded state says, as plain values that survive JSON: to hold folds by two programs
against each other.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rsx.wal.state import State


def plain(state: State) -> dict[str, Any]:
    """Everything that can be asked of a state, by name."""
    ledger = state.ledger
    out = {
        "next_seq": state.next_seq, "epoch": state.epoch, "exchange_id": state.exchange_id,
        "oid_max": state.oid_max, "own_oid_max": state.own_oid_max,
        "state_hash": f"{state.state_hash():016x}", "totals": ledger.totals(),
        "settings": {user: list(row) for user, row in sorted(state.settings.items())},
        "cuts": dict(sorted(state.cuts.items())), "seeded": sorted(state.seeded),
        "rules": {symbol: msgspec.to_builtins(r) for symbol, r in sorted(state.rules.items())},
        "recent_fills": [view.seq for view in state.recent_fills()],
        "recent_events": [view.seq for view in state.recent_events()],
        "users": ledger.users(),
        "accounts": {user: ledger.account(user) for user in ledger.users()},
        "positions": {
            f"{user} {symbol} {leg}": row
            for user in ledger.users()
            for (symbol, leg), row in sorted(ledger.positions(user).items())
        },
        "markets": {symbol: of_market(state, symbol) for symbol in sorted(state.engines)},
    }  # fmt: skip
    return dict(msgspec.json.decode(msgspec.json.encode(out)))


def of_market(state: State, symbol: int) -> dict[str, Any]:
    engine, ledger = state.engines[symbol], state.ledger
    return {
        "orders": engine.orders(), "triggers": sorted(engine.triggers(), key=lambda t: t["oid"]),
        "best": engine.best(), "last": engine.last, "mark": engine.mark, "mode": engine.mode,
        "in_hand": engine.in_hand, "rules_version": engine.rules_version,
        "resting": engine.counts()["resting"], "client_ids": engine.counts()["client_ids"],
        "held": {user: engine.held(user) for user in ledger.users()},
        "fund": ledger.fund(symbol), "fed": ledger.fed(symbol), "value_px": ledger.mark(symbol),
        "open_interest": ledger.open_interest(symbol), "funding": ledger.funding(symbol),
        "risk_mode": ledger.mode(symbol), "risk_rules": ledger.rules(symbol),
    }  # fmt: skip


def differences(was: Any, now: Any, where: str = "") -> list[str]:
    """Where now differs from was; keys that came since are left out."""
    if isinstance(was, dict) and isinstance(now, dict):
        return [
            line
            for key, value in was.items()
            for line in (differences(value, now[key], f"{where}.{key}") if key in now
                         else [f"{where}.{key} is gone"])
        ]  # fmt: skip
    return [] if was == now else [f"{where}: {was!r} is now {now!r}"]
