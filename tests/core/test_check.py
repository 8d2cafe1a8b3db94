"""Failed checks carry their number and their values."""

from __future__ import annotations

import pytest

from rsx.core.check import InvariantError, check


def test_a_check_that_holds_says_nothing():
    check(True, 6, 1, 2)


def test_a_check_that_fails_names_its_number_and_its_values():
    with pytest.raises(InvariantError, match=r"^INV-6 does not hold: 105, 'ask'$") as caught:
        check(False, 6, 105, "'ask'")

    assert (caught.value.number, caught.value.values) == (6, (105, "'ask'"))
