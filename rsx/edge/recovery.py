"""What the gateway takes over from a recovered log: open orders, triggers, fills, modes, settings.

The state comes from rsx/wal; here it gets the shape that Edge.load takes. Source: specs/wal.md
L-23; specs/wire.md W-10, W-72.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rsx.edge.orders import PENDING, RESTING, WAITING, OpenOrder, time_of
from rsx.records import TRIGGER_FIRED

# Of a row of Engine.triggers: it has fired, and its order is not back from risk.
FIRED = 4


def load_arguments(recovered: Any) -> dict[str, Any]:
    """Arguments of Edge.load, by name.

    Args  recovered: rsx.wal.start.Recovered
    """
    state, start = recovered.state, recovered.start
    fills = state.recent_fills()
    traded = {oid for fill in fills for oid in (fill.taker_oid, fill.maker_oid)}
    client_ids: dict[int, str] = {}
    for engine in state.engines.values():
        client_ids |= engine.client_ids(traded)
    return {
        "open_orders": [*_orders(state), *_triggers(state)], "recent_fills": fills,
        "next_oid_floor": state.oid_max, "epoch": start.epoch, "seq": start.next_seq - 1,
        "client_ids": client_ids, "settings": state.settings, "recent": state.recent_events(),
        "modes": {symbol_id: engine.mode for symbol_id, engine in state.engines.items()},
    }  # fmt: skip


def _orders(state: Any) -> Iterator[OpenOrder]:
    """Resting orders. The book keeps what was ordered less what was cut; clients are told all."""
    for symbol_id, engine in state.engines.items():
        for row in engine.orders():
            (
                oid, user, px, remaining, _, side, tif, flags, qty, cid, expire_s, kind, stp,
            ) = row  # fmt: skip
            yield OpenOrder(
                oid, user, symbol_id, side, px, qty + state.cuts.get(oid, 0), qty - remaining,
                tif, flags, cid, time_of(oid), 0, remaining, kind, stp, expire_s, RESTING,
            )  # fmt: skip


def _triggers(state: Any) -> Iterator[OpenOrder]:
    """Triggers that wait, and those that have fired and whose order is not back (TR-9)."""
    for symbol_id, engine in state.engines.items():
        fired = {view.oid: view.fired_px for view in map(TRIGGER_FIRED.unpack, engine.fired())}
        for row in engine.triggers():
            oid = row["oid"]
            yield OpenOrder(
                oid, row["user_id"], symbol_id, row["side"], row["px"], row["qty"], 0,
                row["tif"], row["flags"], row["cid"], time_of(oid), 0, row["qty"], row["kind"],
                row["stp"], row["expire_s"], PENDING if row["state"] == FIRED else WAITING,
                row["trigger_px"], row["trail_px"], row["trail_ppm"], fired.get(oid, 0),
            )  # fmt: skip
