"""Random histories through the compiled tiles: the plain model predicts every figure.

RSX_SOAK=N runs N acts in place of the default.
"""

from __future__ import annotations

import os

import pytest
from scenario.chaos import USERS, Chaos

SIZES = {"accounts_max": 1024, "positions_max": 4096}
ACTS = int(os.environ.get("RSX_SOAK", "600"))


@pytest.mark.timeout(60 + ACTS // 5)
@pytest.mark.parametrize(("seed", "shards"), [(1, 1), (2, 1), (1, 3), (3, 3)])
def test_the_model_predicts_every_balance_position_and_margin(tmp_path, seed, shards):
    chaos = Chaos(tmp_path, seed, risk={**SIZES, "shards": shards})
    for number in range(ACTS):
        chaos.act()
        if number % 20 == 19:
            chaos.compare()
            chaos.query(chaos.rng.choice(USERS))
        if number % 200 == 199:
            chaos.prove()
        if number in (ACTS // 3, ACTS // 2):
            chaos.restart()
    chaos.prove()
    names = {name for name, reason in chaos.asked if reason == 0}
    assert names >= {"ORDER_REQUEST", "AMEND_REQUEST", "WITHDRAW_REQUEST"}
