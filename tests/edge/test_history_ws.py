"""Histories over the private WebSocket: frame HQ with integers, refusals with the value (AR-34)."""

from __future__ import annotations

import asyncio
import json

import pytest
from edge.history_rig import make_world, running
from world import IOC, NOW_NS


@pytest.fixture
def world(tmp_path):
    world = make_world(tmp_path)
    world.deposit(1, 2)
    world.run()
    for _ in range(3):
        world.place(1, 0, 1000, 20, cid="")
        world.place(2, 1, 1000, 20, tif=IOC)
        world.run()
    yield world
    world.close()


def talk(world, *frames):
    """What is answered to each frame, for user 1; one may be made of the answers before it."""

    async def main():
        async with running(world) as rig:
            url = rig.url.replace("http", "ws") + "/ws"
            async with rig.http.ws_connect(url, headers=rig.token(1)) as ws:
                assert "W" in json.loads((await ws.receive()).data)
                answers = []
                for frame in frames:
                    if callable(frame):
                        frame = frame(answers)
                    await ws.send_str(json.dumps(frame))
                    answers.append(json.loads((await ws.receive()).data))
                return answers

    return asyncio.run(main())


def test_every_history_has_its_frame(world):
    names = ("orders", "fills", "funding", "liquidations", "balances")
    answers = talk(
        world, *({"HQ": [name]} for name in names),
        *({"HQ": [name, {"sym": 1}, 7]} for name in ("trades", "funding_rates", "candles")),
    )  # fmt: skip
    found = {answer["HQ"][0]: answer["HQ"] for answer in answers}
    assert list(found) == [*names, "trades", "funding_rates", "candles"]
    assert [len(fields[2]) for fields in found.values()] == [3, 3, 0, 0, 4, 3, 0, 1]
    assert [fields[1] for fields in found.values()] == [None] * 5 + [7] * 3
    (oid, sym, side, px, qty, fee, maker, cid, ts_ns, _, profit) = found["fills"][2][0]
    assert (sym, side, px, qty, fee, maker, cid, ts_ns, profit) == (
        1, 0, 1000, 20, -1, 1, "", NOW_NS, 0)  # fmt: skip
    order = found["orders"][2][0]
    assert (order[0], order[8], order[7], order[24:27]) == (oid, 0, 0, [20_000, -1, 0])
    assert found["candles"][2] == [
        [NOW_NS // 60_000_000_000 * 60_000_000_000, 1000, 1000, 1000, 1000, 60, "60000", 3, 0, "0"]
    ]
    assert found["balances"][2][0][:4] == [1, 3, 1, 10_000_000_003]


def test_pages_by_cursor(world):
    first, second, back = talk(
        world, {"HQ": ["fills", {"limit": 2}]},
        lambda told: {"HQ": ["fills", {"limit": 2, "cursor": told[0]["HQ"][3]}]},
        lambda told: {"HQ": ["fills", {"asc": 1, "cursor": told[1]["HQ"][8]}]},
    )  # fmt: skip
    _, _, rows, _, more, seq, at, complete, _ = first["HQ"]
    assert (len(rows), more, complete, at) == (2, 1, 1, NOW_NS)
    assert seq >= rows[0][9]
    assert (len(second["HQ"][2]), second["HQ"][4]) == (1, 0)
    assert back["HQ"][2] == rows[::-1]


@pytest.mark.parametrize(("fields", "code", "field", "value"), [
    ([], 1014, "what", None),
    (["nothing"], 1014, "what", "nothing"),
    ([5], 1014, "what", 5),
    (["fills", 5], 1014, "options", 5),
    (["fills", {"colour": 1}], 1002, "colour", 1),
    (["fills", {"sym": 99}], 1007, "sym", 99),
    (["fills", {"sym": "1"}], 1014, "sym", "1"),
    (["fills", {"limit": 501}], 1014, "limit", 501),
    (["fills", {"limit": True}], 1014, "limit", True),
    (["fills", {"limit": 1.5}], 1014, "limit", 1.5),
    (["fills", {"cursor": 5}], 1014, "cursor", 5),
    (["fills", {"cursor": "b5"}], 1014, "cursor", "b5"),
    (["fills", {"from": 9, "to": 9}], 1014, "to", 9),
    (["fills", {"from": -1}], 1014, "from", -1),
    (["fills", {"to": 1 << 63}], 1014, "to", 1 << 63),
    (["fills", {"asc": 2}], 1014, "asc", 2),
    (["trades"], 1014, "sym", None),
    (["candles", {"sym": 1, "interval_s": 61}], 1014, "interval_s", 61),
    (["candles", {"sym": 1, "price": "mid"}], 1014, "price", "mid"),
    (["fills", {}, [1]], 1014, "ref", [1]),
])  # fmt: skip
def test_what_cannot_be_is_refused_and_the_session_lives_on(world, fields, code, field, value):
    refused, beat = talk(world, {"HQ": fields}, {"H": [1]})
    assert refused["E"][0] == code
    assert refused["E"][2] == field
    if value is not None:
        assert refused["E"][3] == (value if not isinstance(value, list) else refused["E"][3])
    assert "H" in beat


def test_a_refusal_names_the_question(world):
    (refused,) = talk(world, {"HQ": ["fills", {"limit": 0}, "q-1"]})
    assert refused["E"][4] == "q-1"


def test_several_questions_at_once_are_told_apart_by_their_ref(world):
    async def main():
        async with running(world) as rig:
            url = rig.url.replace("http", "ws") + "/ws"
            async with rig.http.ws_connect(url, headers=rig.token(1)) as ws:
                await ws.receive()
                for ref in range(20):
                    await ws.send_str(json.dumps({"HQ": ["fills", {"limit": 1 + ref % 3}, ref]}))
                refs = {}
                for _ in range(20):
                    fields = json.loads((await ws.receive()).data)["HQ"]
                    refs[fields[1]] = len(fields[2])
                return refs

    assert asyncio.run(main()) == {ref: 1 + ref % 3 for ref in range(20)}
