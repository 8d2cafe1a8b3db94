"""Random requests through the model and the compiled engine: the events are the same bytes.

What one run does is said in `model/pair.py`; the flow is `model/flow.py`.

RSX_SOAK=N runs N operations in place of the default, tells how far it is, and draws a seed, which
it prints; RSX_SEED=S runs that seed. TST-7, TST-23, MAT-50, MAT-51.
"""

from __future__ import annotations

import os
import random
import time

import pytest
from model.auditor import audit
from model.engines import compiled_engine, new
from model.flow import PROFILES, Flow, Profile
from model.pair import ROOMY, TICKS, TIGHT, Pair, Run, make_market
from model.symbols import make_symbol
from model.wire import numbered, order_cancel, raw_view, view

SOAK = int(os.environ.get("RSX_SOAK", "0"))
OPERATIONS = SOAK or 300_000
DRAWN = int.from_bytes(os.urandom(4), "little") if SOAK else 17
SEED = int(os.environ.get("RSX_SEED", DRAWN))
RUNS = [(profile, limits) for limits in (ROOMY, TIGHT) for profile in PROFILES]
# A soak goes over the ticks with every profile, a short run takes one tick for each.
ROUNDS = len(TICKS) if SOAK else 1


@pytest.mark.timeout(60 + OPERATIONS // 1000)
@pytest.mark.parametrize("round_", range(ROUNDS))
@pytest.mark.parametrize(
    ("number", "profile", "limits"),
    [
        pytest.param(i, *run, id=f"{run[0].name}, {'tight' if run[1] is TIGHT else 'roomy'}")
        for i, run in enumerate(RUNS)
    ],
)
def test_a_random_flow_makes_the_same_events(number, profile, limits, round_, capsys):
    operations = max(200, OPERATIONS // len(RUNS) // ROUNDS)
    tick = TICKS[(number + round_) % len(TICKS)]
    begun = time.monotonic()

    run = Run(SEED + 1000 * number + 100 * round_, tick, profile, limits)
    run.go(operations)

    if SOAK:
        rate = operations / (time.monotonic() - begun)
        with capsys.disabled():
            print(f"\n{run.name} (RSX_SEED={SEED}): {operations} operations, {rate:.0f} a second")


def test_tiny_rings_do_stop_the_engine_between_makers():
    """M-12, MAT-5: a sweep is longer than any ring, and nothing else happens."""
    pair = Pair(make_symbol(), ROOMY, ring_depth=8)
    rng = random.Random(5)
    for oid in range(1, 301):
        pair.step(new(oid, 1 + oid % 9, 1, 1, 100), 1)

    events = pair.step(new(999, 20, 0, 400, 100, reserved=12345), 2, rng)

    assert len(events) == 302
    assert pair.blocked > 50
    pair.compare()


def test_no_other_request_is_taken_while_a_match_waits_for_room():
    from rsx.core.check import InvariantError
    from rsx.core.ring import Ring

    engine = compiled_engine(make_symbol(), **ROOMY)
    for oid in range(1, 9):
        engine.submit(new(oid, 1, 1, 1, 100), 1)
    ring = Ring("matching_wal", 8)
    assert not engine.begin(new(9, 2, 0, 8, 100), 1, ring)

    with pytest.raises(InvariantError):
        engine.begin(order_cancel(oid=1, user_id=1, symbol_id=1), 1, Ring("other", 16))


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_the_auditor_finds_nothing_in_the_engines_log(profile: Profile):
    """INV-1 to 6, 11 to 13, 17, 20 and 21 over every kind of request, through restarts."""
    run = Run(11, TICKS[len(profile.name) % len(TICKS)], profile, ROOMY)
    asked = []
    step = run.pair.step

    def note(request, ts_ns, rng):
        if request is not None:
            asked.append(raw_view(request))
        return step(request, ts_ns, rng)

    run.pair.step = note  # type: ignore[method-assign]

    run.go(1500)

    assert audit([view(r) for r in numbered(run.log)], asked) == []


def test_what_the_flow_makes_of_every_kind_comes_to_pass():
    """A flow whose requests all miss would prove nothing: each kind of event happens often."""
    seen: dict[str, int] = {}
    for profile in PROFILES:
        rng = random.Random(3)
        market = make_market(rng, 1)
        pair = Pair(market, TIGHT)
        flow = Flow(3, market, profile, pair.model)
        for _ in range(4000):
            events = pair.step(*flow.next())
            flow.saw(events)
            for event in map(view, events):
                name = event.record.name
                if name.endswith(("_REJECTED", "_CANCELLED", "_REDUCED")):
                    name += f" {event.reason}"
                elif name == "ORDER_DUPLICATE":
                    name += f" {event.original_status}"
                elif name == "ORDER_AMENDED":
                    name += f" {event.flags & 68}"
                elif name == "ORDER_ACCEPTED":
                    name += f" {'liquidation' if event.kind == 7 else event.flags & 128}"
                elif name == "POSITION_TRANSFERRED":
                    name += f" {event.kind} {'some' if event.qty else 'none'}"
                elif name == "MARK_PRICE":
                    name += f" {event.state}"
                seen[name] = seen.get(name, 0) + 1

    due = {f"ORDER_REJECTED {n}" for n in (3002, 3003, 3004, 3005, 3006, 3008, 3011, 3012, 3013,
                                           3016)}  # fmt: skip
    due |= {f"ORDER_CANCELLED {n}" for n in (3101, 3102, 3103, 3105, 3106, 3107, 3108, 3109, 3110,
                                             3111, 3112, 3113)}  # fmt: skip
    due |= {f"TRIGGER_CANCELLED {n}" for n in (2001, 3101, 3105, 3110)}
    due |= {f"TRIGGER_REJECTED {n}" for n in (3005, 3008, 3011, 3012, 3014, 3015, 3016)}
    due |= {f"AMEND_REJECTED {n}" for n in (3002, 3007, 3008, 3011, 3012, 3013, 3018)}
    due |= {f"CANCEL_REJECTED {n}" for n in (3007, 3017)}
    due |= {f"ORDER_DUPLICATE {n}" for n in (0, 1, 2, 3, 5)}
    due |= {f"ORDER_AMENDED {n}" for n in (0, 4, 64)}
    due |= {"ORDER_REDUCED 3103", "ORDER_RESTED", "ORDER_RELEASED", "FILL",
            "CANCEL_ALL_DONE", "TRIGGER_PLACED", "TRIGGER_FIRED", "TRADING_MODE",
            "SYMBOL_CONFIG", "SYMBOL_BRACKETS"}  # fmt: skip
    due |= {f"ORDER_ACCEPTED {n}" for n in ("liquidation", 0, 128)}
    due |= {f"POSITION_TRANSFERRED {kind} {n}" for kind in (0, 1) for n in ("some", "none")}
    due |= {"MARK_PRICE 0", "MARK_PRICE 1"}
    assert {name for name in due if seen.get(name, 0) < 2} == set(), seen
