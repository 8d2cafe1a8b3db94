"""A reducing order of the user may be filled after BANKRUPT: it ends the takeover (LQ-8, V-16)."""

from __future__ import annotations

import pytest
from model.folding import Fold

STARTED, BANKRUPT, CLOSED = 1, 4, 5


def bankrupt_fold():
    """User 1 is short 10 and its position is to be taken over."""
    fold = Fold()
    fold.trade(2, 1, 10)
    fold.put("LIQUIDATION_STEP", user_id=1, stage=STARTED, symbol_id=0)
    fold.put("LIQUIDATION_STEP", user_id=1, stage=BANKRUPT, px=350, qty=10, net_qty=-10)
    return fold


@pytest.mark.parametrize("fills", [[10], [4, 6]])
def test_a_bucket_whose_bankrupt_position_its_own_orders_closed_can_be_closed(fills):
    fold = bankrupt_fold()
    for qty in fills:
        assert fold.ledger.position(1, 1)["bankrupt_px"] == 350
        fold.trade(1, 3, qty)

    assert fold.ledger.position(1, 1)["bankrupt_px"] == 0
    fold.put("LIQUIDATION_STEP", user_id=1, stage=CLOSED, symbol_id=0)
    assert fold.ledger.account(1)["stage"] == 0
    fold.ledger.audit()


def test_what_is_left_of_it_is_taken_over():
    fold = bankrupt_fold()
    fold.trade(1, 3, 4)
    number = fold.seq - 3  # of BANKRUPT

    fold.put("POSITION_TRANSFERRED", transfer_id=number, user_id=1, counter_user_id=2, qty=6,
             px=350, side=0, kind=1, user_flags=2, counter_flags=2)  # fmt: skip

    assert fold.ledger.position(1, 1)["net_qty"] == 0
    assert fold.ledger.position(1, 1)["bankrupt_px"] == 0
