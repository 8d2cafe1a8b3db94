"""Triggers in the compiled engine: rings of few slots, steps of bounded work, folds, cut logs.

TR-5, TR-9, M-12, F-1 to F-3. The rules themselves are in test_rules_triggers.py, with the model.
"""

from __future__ import annotations

import random

import pytest
from model.engines import ask, compiled_engine, new
from model.symbols import make_symbol
from model.wire import as_event, changed, make_request

from rsx.core.check import InvariantError
from rsx.core.ring import Ring

LIMITS = {
    "orders_max": 256, "users_max": 16, "open_orders_per_user_max": 256, "triggers_max": 4096,
    "open_triggers_per_user_max": 4096, "dedup_window_s": 60, "dedup_orders_max": 16384,
    "level_slots_max": 4096,
}  # fmt: skip
NS = 1_000_000_000


def make():
    return compiled_engine(make_symbol(reference_px=100, px_max=1000), **LIMITS)


def trigger(oid, **values):
    terms = {"user_id": 1, "kind": 2, "tif": 1, "qty": 5, "trigger_px": 110, "symbol_id": 1}
    return make_request("TRIGGER_REQUEST", oid=oid, **{**terms, **values})


def mark(px):
    return make_request("MARK_UPDATE", symbol_id=1, mark_px=px)


def refused(oid, user_id=1):
    return make_request("TRIGGER_REFUSED", oid=oid, user_id=user_id, symbol_id=1, reason=2001)


def cancel(oid, user_id=1):
    return make_request("ORDER_CANCEL", oid=oid, user_id=user_id, symbol_id=1)


def fired_oids(events):
    return [e["oid"] for e in map(as_event, events) if e["type"] == "TRIGGER_FIRED"]


def folded(events):
    engine = make()
    for event in events:
        engine.apply(event)
    engine.audit()
    return engine


def recover(engine, ts_ns=0, depth=1024):
    """What the start writes down."""
    ring, out = Ring("engine_caller", depth), b""
    while not engine.recovered(ring, ts_ns):
        out += ring.pop(depth)
    out += ring.pop(depth)
    return [out[at : at + 128] for at in range(0, len(out), 128)]


def in_parts(engine, request, ts_ns, depth):
    """A request through a ring of `depth` slots; its events, and how often it had to stop."""
    ring, out, stops = Ring("engine_caller", depth), b"", 0
    done = engine.begin(request, ts_ns, ring)
    while not done:
        out += ring.pop(depth)
        stops += 1
        done = engine.resume(ring, ts_ns)
    out += ring.pop(depth)
    return [out[at : at + 128] for at in range(0, len(out), 128)], stops


class Flow:
    """Random requests about triggers; plays risk, which answers what fires, some later."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.oid = 0
        self.px = 100
        self.ts_ns = NS
        self.fired: list[dict] = []

    def saw(self, events):
        self.fired += [e for e in map(as_event, events) if e["type"] == "TRIGGER_FIRED"]

    def next(self):
        rng = self.rng
        self.ts_ns += rng.randrange(NS // 2)
        if self.fired and rng.random() < 0.4:
            return self.answer(self.fired.pop(rng.randrange(len(self.fired))))
        self.oid += 1
        user = rng.randrange(1, 5)
        way = rng.random()
        if way < 0.35:
            return self.trigger(user)
        if way < 0.7:
            self.px = min(900, max(30, self.px + rng.randrange(-3, 4)))
            tif = rng.choice([0, 0, 1, 3])
            expire = {"expire_s": self.ts_ns // NS + 5} if tif == 3 else {}
            return new(self.oid, user, rng.randrange(2), rng.randrange(1, 9),
                       self.px + rng.randrange(-2, 3), tif=tif, reserved=100, **expire)  # fmt: skip
        if way < 0.85:
            return mark(max(1, self.px + rng.randrange(-9, 10)))
        if way < 0.95:
            return cancel(rng.randrange(1, self.oid + 1), user)
        if way < 0.98:
            return make_request("ORDER_CANCEL_ALL", user_id=user, symbol_id=1, scope=2, sides=3)
        return make_request("MODE_REQUEST", symbol_id=1, mode=rng.choice([0, 0, 0, 1, 3]))

    def trigger(self, user):
        rng = self.rng
        kind, side = rng.randrange(2, 7), rng.randrange(2)
        rising = (side == 1) if kind > 3 else (side == 0)
        level = self.px + rng.randrange(1, 12) * (1 if rising else -1)
        more = {"kind": kind, "side": side, "trigger_px": level, "user_id": user, "flags": 0}
        if rng.random() < 0.5:
            more["flags"] = 32
        if kind == 6:
            more["trigger_px"] = rng.choice([0, 0, level])
            more[rng.choice(["trail_px", "trail_ppm"])] = rng.choice([2, 5, 30_000])
            if "trail_px" in more:
                more["trail_px"] = rng.randrange(1, 9)
        if kind in (3, 5):
            more.update(px=self.px, tif=rng.choice([0, 3]))
            if more["tif"] == 3:
                more["expire_s"] = self.ts_ns // NS + rng.randrange(1, 9)
        if rng.random() < 0.5:
            more["cid"] = f"c{rng.randrange(40)}"
        return trigger(self.oid, **more)

    def answer(self, e):
        if self.rng.random() < 0.2:
            return refused(e["oid"], e["user_id"])
        names = ("qty", "px", "expire_s", "kind", "stp", "tif", "flags")
        values = {name: e[name] for name in names}
        values["px"] = values["px"] or max(1, self.px)
        return new(e["oid"], e["user_id"], e["side"], values.pop("qty"), values.pop("px"),
                   reserved=50, **values)  # fmt: skip


def run_flow(seed, count):
    """A live engine and its log, with the state hash after each request."""
    live, flow, log, hashes = make(), Flow(seed), [], []
    for _ in range(count):
        events = live.submit(flow.next(), flow.ts_ns)
        flow.saw(events)
        log += events
        hashes.append((len(log), live.state_hash()))
    live.audit()
    return live, flow, log, hashes


@pytest.mark.parametrize("seed", range(6))
def test_a_fold_agrees_with_the_engine_after_every_request(seed):
    """INV-14, F-1, F-3: extremes, what has fired, what is due or not."""
    live, _, log, hashes = run_flow(seed, 1200)
    fold, at = make(), 0

    for end, due in hashes:
        for event in log[at:end]:
            fold.apply(event)
        at = end
        assert fold.state_hash() == due
    fold.audit()
    assert {e["type"] for e in map(as_event, log)} >= {
        "TRIGGER_FIRED", "TRIGGER_CANCELLED", "TRIGGER_REJECTED", "ORDER_DUPLICATE",
        "ORDER_RELEASED",
    }  # fmt: skip
    assert [t | {"state": 0} for t in by_oid(fold)] == [t | {"state": 0} for t in by_oid(live)]
    assert fold.fired() == live.fired()


def by_oid(engine):
    return sorted(engine.triggers(), key=lambda row: row["oid"])


@pytest.mark.parametrize("seed", range(3))
def test_a_ring_of_few_slots_gives_the_same_records(seed):
    """M-12."""
    wide, narrow, flow = make(), make(), Flow(seed + 100)
    for oid in range(100_000, 100_060):
        for engine in (wide, narrow):
            engine.submit(trigger(oid, side=oid % 2, kind=6, trigger_px=0, trail_px=1 + oid % 5))
    stops = 0

    for _ in range(600):
        request = flow.next()
        due = wide.submit(request, flow.ts_ns)
        seen, stopped = in_parts(narrow, request, flow.ts_ns, 8)
        flow.saw(due)
        stops += stopped
        assert seen == due
        assert narrow.state_hash() == wide.state_hash()

    narrow.audit()
    assert stops > 10


def test_a_price_that_concerns_thousands_goes_through_in_steps_and_others_wait():
    """M-12, TR-5: no request comes between, and the price cannot swing back meanwhile."""
    engine, whole = make(), make()
    for oid in range(1, 3001):
        for each in (engine, whole):
            terms = {"kind": 6, "side": 1, "trigger_px": 0, "trail_px": 1 + oid % 50}
            each.submit(trigger(oid, **(terms if oid % 2 else {"trigger_px": 101 + oid % 99})))
    ring, out, turns = Ring("engine_caller", 4096), b"", 0

    done = engine.begin(mark(500), 0, ring)
    assert not done
    with pytest.raises(InvariantError, match="1102"):
        engine.begin(mark(1), 0, ring)
    while not done:
        engine.audit()
        turns += 1
        done = engine.resume(ring)
    out = ring.pop(4096)

    assert turns >= 5
    assert [out[at : at + 128] for at in range(0, len(out), 128)] == whole.submit(mark(500))
    assert engine.state_hash() == whole.state_hash()
    assert engine.submit(mark(1)) == whole.submit(mark(1))
    assert engine.triggers() == whole.triggers()


def test_what_had_fired_is_given_to_risk_again_and_its_order_has_the_client_id():
    """TR-9: a crash between firing and order."""
    live = make()
    log = live.submit(trigger(1, cid="a")) + live.submit(trigger(2)) + live.submit(mark(110))
    assert fired_oids(log) == [1, 2]

    fold = folded(log)
    assert recover(fold) == []
    assert fold.fired() == [changed(e, header_flags=0) for e in log if fired_oids([e])]
    assert fold.state_hash() == live.state_hash()

    (accepted,) = ask(fold, new(1, 1, 0, 5, 115, kind=2, tif=1))[:1]
    assert (accepted["cid"][:1], accepted["cid_len"]) == (b"a", 1)
    assert fired_oids(fold.fired()) == [2]
    (cancelled,) = ask(fold, refused(2))
    assert (cancelled["type"], cancelled["reason"]) == ("TRIGGER_CANCELLED", 2001)
    assert fold.fired() == [] and fold.triggers() == []
    (duplicate,) = ask(fold, trigger(3, cid="a"))
    assert (duplicate["original_oid"], duplicate["original_status"]) == (1, 2)
    fold.audit()


def test_after_a_start_no_answer_is_awaited_for_what_was_cancelled_on_its_way():
    """TR-7."""
    live = make()
    log = live.submit(trigger(1)) + live.submit(mark(110)) + live.submit(cancel(1))

    fold = folded(log)
    assert recover(fold) == []
    assert fold.fired() == [] == fold.triggers()
    with pytest.raises(InvariantError, match="1107"):
        ask(fold, new(1, 1, 0, 5, 115, kind=2, tif=1))
    assert live.submit(refused(1)) == []
    assert live.state_hash() == folded(log).state_hash()


def test_what_was_due_when_the_log_ended_fires_in_its_order():
    """TR-9."""
    live = make()
    log = [e for oid in range(1, 41) for e in live.submit(trigger(oid, trigger_px=150 - oid))]
    log += live.submit(mark(200))
    whole = fired_oids(log)
    assert whole == list(range(40, 0, -1))

    for kept in (0, 1, 17, 39):
        fold = folded(log[: 41 + kept])
        assert fired_oids(fold.fired()) == whole[:kept]
        again = recover(fold, depth=8)
        assert [changed(e, ts_ns=0) for e in again] == log[41 + kept :]
        assert fired_oids(fold.fired()) == whole
        fold.audit()


def test_above_the_limit_they_fire_after_a_start_as_the_others_come_back():
    live = make()
    log = [e for oid in range(1, 1101) for e in live.submit(trigger(oid))]
    log += live.submit(mark(110)) + live.submit(mark(50))
    fold = folded(log)

    assert recover(fold) == []
    assert fired_oids(fold.fired()) == list(range(1, 1025))
    (_, fired) = ask(fold, refused(7))
    assert (fired["oid"], fired["fired_px"]) == (1025, 110)
    assert len([t for t in fold.triggers() if t["state"] == 3]) == 75


@pytest.mark.parametrize("seed", range(4))
def test_wherever_the_log_is_cut_the_start_makes_up_for_it_and_a_fold_of_both_agrees(seed):
    """F-2, TR-4, TR-9: prices of the request that was cut reach triggers at start."""
    _, _, log, _ = run_flow(seed + 50, 500)
    rng = random.Random(seed)
    open_ended = [at for at in range(1, len(log)) if not log[at - 1][1]]
    cuts = rng.sample(open_ended, min(30, len(open_ended))) + rng.sample(range(len(log)), 15)

    for cut in cuts:
        fold = folded(log[:cut])
        made_up = recover(fold)
        fold.audit()
        again = folded(log[:cut] + made_up)
        assert again.state_hash() == fold.state_hash()
        assert again.fired() == fold.fired()
        assert again.submit(mark(60)) == fold.submit(mark(60))


def test_the_first_and_last_price_of_a_request_cut_off_reach_triggers_at_the_start():
    live = make()
    log = []
    for oid, px in enumerate((103, 104, 105), 1):
        log += live.submit(new(oid, 1, 1, 1, px))
    log += live.submit(trigger(4, side=0, trigger_px=103, flags=32))
    log += live.submit(trigger(5, side=0, trigger_px=104, flags=32))
    sweep = live.submit(new(9, 2, 0, 9, 105))
    assert fired_oids(sweep) == [4, 5]

    fold = folded(log + sweep[:2])  # accepted, one fill at 103
    made_up = [as_event(e) for e in recover(fold)]
    assert [e["type"] for e in made_up] == ["ORDER_CANCELLED", "TRIGGER_FIRED"]
    assert (made_up[1]["oid"], made_up[1]["fired_px"]) == (4, 103)


@pytest.mark.parametrize(
    "request_",
    [refused(1), new(1, 1, 0, 5, 115, kind=2, tif=1)],
    ids=["refused", "order"],
)
def test_an_answer_to_what_has_not_fired_stops_the_exchange(request_):
    """TR-6."""
    engine = make()
    for number in range(2):
        with pytest.raises(InvariantError, match="1107"):
            engine.submit(request_)
        if number == 0:
            engine.submit(trigger(1))


@pytest.mark.parametrize("kind", ["TRIGGER_FIRED", "TRIGGER_CANCELLED"])
def test_a_log_that_tells_of_an_unknown_trigger_is_refused(kind):
    """INV-14."""
    record = make_request(kind, oid=7, qty=5, user_id=1, symbol_id=1, header_flags=1)
    with pytest.raises(InvariantError, match="INV-14"):
        make().apply(record)


def test_triggers_are_listed_with_all_that_was_asked():
    engine = make()
    engine.submit(trigger(1, cid="a"))
    engine.submit(trigger(2, kind=6, side=1, trigger_px=0, trail_ppm=50_000, user_id=2))
    engine.submit(trigger(3, kind=5, px=90, trigger_px=95, tif=3, expire_s=77, flags=1, stp=2))
    engine.submit(mark(104))

    first, trailing, limit = engine.triggers()
    assert engine.triggers(1) == [limit, first]
    assert engine.triggers(3) == []
    assert (first["cid"], first["state"], first["extreme"], first["trigger_px"]) == ("a", 1, 0, 110)
    assert (trailing["trail_ppm"], trailing["trail_px"]) == (50_000, 0)
    assert (trailing["extreme"], trailing["state"], trailing["user_id"]) == (104, 2, 2)
    assert {name: limit[name] for name in ("px", "tif", "expire_s", "flags", "stp", "side")} == {
        "px": 90, "tif": 3, "expire_s": 77, "flags": 1, "stp": 2, "side": 0,
    }  # fmt: skip
    engine.submit(mark(110))
    assert [row["state"] for row in engine.triggers()] == [4, 2, 1]
    assert engine.counts()["triggers"] == 3
