"""The wiring: the ring graph is proved, threads and cores are planned as specs/tiles.md says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from rsx import topology
from rsx.config import load
from rsx.core.check import InvariantError
from rsx.errors import ConfigError
from rsx.topology import LAP, RINGS, STALL, RingRow, Stepper, build_rings, plan_threads, validate

CONFIG = load()


def tile(name: str) -> SimpleNamespace:
    return SimpleNamespace(name=name)


def tiles(
    symbols: int = 3, mark: bool = False, shards: int = 1, replica: bool = False
) -> SimpleNamespace:
    """Names only: planning looks at nothing else."""
    risks = [tile("risk" if shards == 1 else f"risk[{i}]") for i in range(shards)]
    wal, wal_sync = tile("wal"), tile("wal_sync")
    matching = [tile(f"matching[{i}]") for i in range(symbols)]
    return SimpleNamespace(
        risks=risks, matching=matching, wal=wal, wal_sync=wal_sync,
        serving=[*risks, *matching, wal],
        compiled=[*risks, *matching, wal, wal_sync, *([tile("replica")] if replica else [])],
        replica=tile("replica") if replica else None,
        asynchronous=[tile("marketdata"), tile("gateway"), *([tile("mark")] if mark else [])],
    )  # fmt: skip


def plan(cores: list[int], shards: int = 1, **keys) -> list[tuple[str, list[str], set[int] | None]]:
    planned = plan_threads(CONFIG.replace(tiles=keys), tiles(shards=shards), cores)
    return [
        (p.name, [t.name for t in p.tiles], set(p.cpus) if p.cpus is not None else None)
        for p in planned
    ]


ENGINE = ["risk", "matching[0]", "matching[1]", "matching[2]", "wal"]


# --- the ring graph ---------------------------------------------------------------------------


def test_the_rings_in_use_are_sound():
    validate()


def test_a_cycle_in_which_every_edge_may_block_is_found_and_named():
    rows = tuple(
        RingRow(r.producer, r.consumer, r.depth, r.on_full, r.per_symbol) for r in RINGS
    )  # the same without the edge that never blocks

    with pytest.raises(InvariantError) as caught:
        validate(rows)

    assert caught.value.number == 1504
    assert set(caught.value.values[0]) >= {"risk", "matching", "wal"}


def test_a_longer_cycle_is_found_behind_a_tail():
    rows = (
        RingRow("x", "a", 8, STALL),
        RingRow("a", "b", 8, STALL),
        RingRow("b", "c", 8, STALL),
        RingRow("c", "a", 8, STALL),
        RingRow("c", "y", 8, STALL),
    )

    with pytest.raises(InvariantError, match="INV-1504"):
        validate(rows)
    validate(rows[:3] + rows[4:])
    validate((*rows[:3], RingRow("c", "a", 8, LAP), rows[4]))


def test_a_ring_declared_twice_is_found():
    with pytest.raises(InvariantError, match=r"INV-1501 .*gateway_risk"):
        validate((*RINGS, RINGS[0]))


def test_a_ring_to_oneself_is_found():
    with pytest.raises(InvariantError, match=r"INV-1502 .*risk_risk"):
        validate((RingRow("risk", "risk", 8, STALL),))


def test_only_a_ring_that_stalls_can_be_one_that_never_blocks():
    with pytest.raises(InvariantError, match=r"INV-1503 .*a_b"):
        validate((RingRow("a", "b", 8, LAP, never_blocks=True),))


def test_every_ring_is_built_with_the_depth_of_the_configuration_one_per_symbol_where_due():
    rings = build_rings(CONFIG.replace(rings={"risk_matching": 2048})).by_name

    per_symbol = [row for row in RINGS if row.per_symbol]
    assert len(rings) == len(RINGS) + (len(CONFIG.symbols) - 1) * len(per_symbol)
    assert [rings[f"risk_matching[{s.id}]"].depth for s in CONFIG.symbols] == [2048] * 3
    assert rings["gateway_risk"].depth == CONFIG.rings.gateway_risk
    assert all(ring.name == name for name, ring in rings.items())


def test_three_risk_tiles_have_rings_of_their_own_one_has_names_without_a_number():
    """SH-4."""
    rings = build_rings(CONFIG.replace(risk={"shards": 3}))

    names = {name for name in rings.by_name if "risk" in name}
    assert names == {"mark_risk", "replica_risk"} | {
        f"{name}[{shard}]"
        for name in ("gateway_risk", "risk_gateway", "risk_wal", "wal_risk") for shard in range(3)
    } | {
        f"risk_matching[{shard}, {s.id}]" for shard in range(3) for s in CONFIG.symbols
    }  # fmt: skip
    assert [ring.name for ring in rings.of_shards("wal_risk")] == [
        "wal_risk[0]", "wal_risk[1]", "wal_risk[2]",
    ]  # fmt: skip
    assert rings.risk_matching(2, 1).name == "risk_matching[2, 1]"
    one = build_rings(CONFIG)
    assert [ring.name for ring in one.of_shards("wal_risk")] == ["wal_risk"]
    assert one.risk_matching(0, 1).name == "risk_matching[1]"


def test_every_depth_of_the_configuration_belongs_to_a_ring():
    used = {row.depth for row in RINGS if isinstance(row.depth, str)}

    assert used == set(CONFIG.rings.__struct_fields__)


# --- threads and cores ------------------------------------------------------------------------


def test_one_core_one_engine_thread_and_nothing_is_pinned():
    assert plan([0]) == [
        ("engine", ENGINE, None),
        ("wal_sync", ["wal_sync"], None),
        ("marketdata", ["marketdata"], None),
        ("gateway", ["gateway"], None),
    ]


def test_two_cores_one_engine_thread_and_nothing_is_pinned():
    assert plan([0, 1]) == [
        ("engine", ENGINE, None),
        ("wal_sync", ["wal_sync"], None),
        ("marketdata", ["marketdata"], None),
        ("gateway", ["gateway"], None),
    ]


def test_risk_tiles_share_the_engine_thread_or_have_one_each():
    """SH-4, T-30."""
    risks = ["risk[0]", "risk[1]", "risk[2]"]

    assert plan([0], 3)[0] == ("engine", [*risks, *ENGINE[1:]], None)
    # Three risk, three matching tiles, wal and wal_sync, and two cores more.
    assert plan(list(range(9)), 3)[0][0] == "engine"
    assert [name for name, _, _ in plan(list(range(10)), 3)[:4]] == [*risks, "matching[0]"]


def test_four_cores_are_too_few_for_a_thread_per_tile():
    threads = plan([0, 1, 2, 3])

    assert threads[0] == ("engine", ENGINE, {3})
    assert [cpus for _, _, cpus in threads[1:]] == [{0, 1, 2}] * 3


def test_sixteen_cores_give_every_compiled_tile_its_own_from_the_end():
    threads = plan(list(range(16)))

    assert threads[:5] == [
        ("risk", ["risk"], {15}),
        ("matching[0]", ["matching[0]"], {14}),
        ("matching[1]", ["matching[1]"], {13}),
        ("matching[2]", ["matching[2]"], {12}),
        ("wal", ["wal"], {11}),
    ]
    assert [(name, cpus) for name, _, cpus in threads[5:]] == [
        (name, set(range(11))) for name in ("wal_sync", "marketdata", "gateway")
    ]


@pytest.mark.parametrize(("cores", "layout"), [(7, "shared"), (8, "dedicated")])
def test_auto_is_dedicated_from_two_cores_more_than_compiled_tiles_on(cores, layout):
    assert plan(list(range(cores))) == plan(list(range(cores)), layout=layout)


def test_shared_on_sixteen_cores_is_one_engine_thread():
    threads = plan(list(range(16)), layout="shared")

    assert threads[0] == ("engine", ENGINE, {15})
    assert threads[1][2] == set(range(15))


def test_dedicated_on_four_cores_pins_what_it_can_and_leaves_one_core_for_the_rest():
    threads = plan([0, 1, 2, 3], layout="dedicated")

    assert threads[0] == ("risk", ["risk"], {3})
    assert [cpus for _, _, cpus in threads[1:]] == [{2}, {1}, *[{0}] * 5]


@pytest.mark.parametrize("layout", ["auto", "shared", "dedicated"])
@pytest.mark.parametrize("cores", [1, 2, 4, 16])
def test_every_tile_runs_on_exactly_one_thread_within_the_allowed_cores(cores, layout):
    cpus = [2 * core + 1 for core in range(cores)]  # as a container may be given them
    world = tiles(symbols=5, mark=True, replica=True)
    planned = plan_threads(CONFIG.replace(tiles={"layout": layout}), world, cpus)

    names = [t.name for p in planned for t in p.tiles]
    assert sorted(names) == sorted(t.name for t in (*world.compiled, *world.asynchronous))
    assert len({p.name for p in planned}) == len(planned)
    for p in planned:
        assert p.cpus is None or (p.cpus and p.cpus <= set(cpus))


def test_no_pinning_when_the_kernel_is_to_decide():
    assert [cpus for _, _, cpus in plan(list(range(16)), cpus="none")] == [None] * 8


def test_listed_cores_go_to_the_compiled_threads_in_order_and_the_rest_to_the_others():
    threads = plan([0, 1, 2, 3], layout="dedicated", cpus=[2, 1])

    assert [cpus for _, _, cpus in threads] == [{2}, {1}, *[{0, 3}] * 6]


def test_all_cores_listed_leaves_the_others_to_the_kernel():
    threads = plan([0, 1], layout="dedicated", cpus=[0, 1])

    assert [cpus for _, _, cpus in threads] == [{0}, {1}, *[None] * 6]


def test_a_listed_core_that_is_not_to_be_had_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match=r"tiles\.cpus = \[1, 9\].* \[0, 1\]"):
        plan([0, 1], cpus=[1, 9])


def test_the_cores_of_this_process_are_told():
    cpus = topology.allowed_cpus()

    assert cpus == sorted(set(cpus))
    assert cpus


# --- the stepper ------------------------------------------------------------------------------


class Countdown:
    def __init__(self, work: int):
        self.work = work

    def step(self) -> int:
        self.work -= 1
        return max(self.work + 1, 0) and 1


def test_the_stepper_steps_until_nothing_is_left_to_do():
    stepper = Stepper([Countdown(3), Countdown(5)])

    assert stepper.step() == 2
    assert stepper.run() == 4
    assert stepper.run() == 0


def test_the_stepper_gives_up_on_tiles_that_never_rest():
    with pytest.raises(RuntimeError, match="still busy after 10 passes"):
        Stepper([Countdown(1000)]).run(10)
