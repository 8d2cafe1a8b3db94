"""Rules of a market: one check, one form, four records that say all of it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsx import records
from rsx.config import change_rules, load
from rsx.rules import (
    DECIMAL_KEYS,
    NUMBER_KEYS,
    RULE_RECORDS,
    RuleError,
    SymbolConfig,
    check_rules,
    differences,
    from_records,
    to_records,
    to_table,
)

BTC, ETH, SOL = load().symbols


def but(symbol: SymbolConfig = BTC, **changes) -> SymbolConfig:
    return msgspec.structs.replace(symbol, **changes)


def read(packed: list[bytes]) -> list[records.View]:
    return [records.decode(record, crc=False) for record in packed]


# --- records ----------------------------------------------------------------------------------

BIG = st.integers(1, (1 << 63) - 1)
TICKS = st.lists(st.tuples(BIG, BIG), max_size=4).map(tuple)
RATE = st.integers(0, (1 << 32) - 1)
BRACKETS = st.lists(st.tuples(BIG, RATE, RATE), max_size=5).map(tuple)
ANY_RULES = st.builds(
    SymbolConfig,
    name=st.from_regex(r"[A-Z0-9][A-Z0-9-]{0,19}", fullmatch=True),
    tick_table=TICKS,
    brackets=BRACKETS,
    adl=st.integers(0, 2),
    insurance_seed=st.just(0),
    **{attribute: BIG for attribute, _, _ in DECIMAL_KEYS.values()
       if attribute != "insurance_seed"},
    **{key: st.integers(*ends) for key, ends in NUMBER_KEYS.items()},
)  # fmt: skip


@given(ANY_RULES)
def test_what_the_records_say_are_the_rules_that_were_written(symbol):
    """SY-1: nothing is read from elsewhere."""
    packed = to_records(symbol, ts_ns=5)
    views = read(packed)

    assert from_records(views) == symbol
    assert [view.record for view in views] == list(RULE_RECORDS)
    assert [view.header_flags for view in views] == [0, 0, 0, records.HeaderFlag.GROUP_END]
    assert {(v.stream, v.symbol_id, v.config_version, v.ts_ns) for v in views} == {
        (symbol.id, symbol.id, symbol.version, 5)
    }


def test_every_rule_has_its_place_in_the_records():
    """A rule that is in no record would be lost at the next start."""
    for field in SymbolConfig.__struct_fields__:
        if field in ("insurance_seed", "name", "tick_table", "brackets"):
            continue
        changed = but(**{field: getattr(BTC, field) + 1})
        assert to_records(changed) != to_records(BTC), field
        assert from_records(read(to_records(changed)), BTC.insurance_seed) == changed, field


def test_the_seed_of_the_insurance_fund_is_in_no_record():
    """SY-6: it is a deposit at the first start."""
    assert to_records(BTC) == to_records(but(insurance_seed=7))
    assert from_records(read(to_records(BTC)), 7).insurance_seed == 7


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (lambda own, other: own[:3], "four records in a row"),
        (lambda own, other: [own[1], own[0], *own[2:]], "four records in a row"),
        (lambda own, other: [*own[:3], other[3]], "different markets or versions"),
        (lambda own, other: [own[0], *read(to_records(but(version=2)))[1:]], "or versions"),
    ],
)
def test_records_that_are_no_set_are_refused(views, message):
    own, other = read(to_records(BTC)), read(to_records(ETH))

    with pytest.raises(RuleError, match=message):
        from_records(views(own, other))


# --- the check --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "key", "value", "why"),
    [
        ({"tick": 0}, "tick", "0.00", "must be positive"),
        ({"oi_low": -1}, "oi_low", "-0.00000001", "must not be negative"),
        ({"taker_fee_ppm": 100_001}, "taker_fee_ppm", 100_001, "must be from -10000 to 100000"),
        ({"oi_low": 5}, "oi_low", "0.00000005", "must be below oi_high = '0.00000000'"),
        ({"oi_low": 5, "oi_high": 5}, "oi_low", "0.00000005", "must be below oi_high"),
        ({"funding_interval_s": 90}, "funding_interval_s", 90, "is not whole minutes"),
        ({"liquidation_slip_ppm": 60_000}, "liquidation_slip_ppm", 60_000, "is above"),
        ({"insurance_seed": (1 << 56) + 1}, "insurance_seed", "720575940.37927937", "is above"),
        ({"insurance_loss_max": (1 << 56) + 1}, "insurance_loss_max", "720575940.37927937",
         "is above 720575940.37927936"),
        ({"insurance_notional_max": (1 << 60) + 1}, "insurance_notional_max",
         "11529215046.06846977", "is above"),
        ({"adl": 3}, "adl", 3, "must be one of queue, pro_rata, risk_weighted"),
        ({"tick_table": ((1000, 20),) * 5}, "tick_table", [["10.00", "0.20"]] * 5,
         "at most 4 rows"),
        ({"brackets": ((1, 100_000, 50_000),) * 6}, "brackets",
         [["0.00000001", 100_000, 50_000]] * 6, "at most 5 rows"),
        ({"brackets": ((0, 100_000, 50_000),)}, "brackets[0]", ["0.00000000", 100_000, 50_000],
         "the first notional must rise"),
        ({"brackets": ((2, 100_000, 50_000), (2, 100_000, 50_000))}, "brackets[1]",
         ["0.00000002", 100_000, 50_000], "the first notional must rise"),
        ({"brackets": (((1 << 60) + 1, 100_000, 50_000),)}, "brackets[0]",
         ["11529215046.06846977", 100_000, 50_000], "be at most 11529215046.06846976"),
        ({"brackets": ((2, 49_999, 40_000),)}, "brackets[0]", ["0.00000002", 49_999, 40_000],
         "the initial rate must not fall"),
        ({"brackets": ((2, 1_000_001, 40_000),)}, "brackets[0]",
         ["0.00000002", 1_000_001, 40_000], "nor be above 1000000"),
        ({"brackets": ((2, 100_000, 24_999),)}, "brackets[0]", ["0.00000002", 100_000, 24_999],
         "the maintenance rate must not fall"),
        ({"brackets": ((2, 100_000, 100_001),)}, "brackets[0]",
         ["0.00000002", 100_000, 100_001], "nor be above the initial one"),
    ],
)  # fmt: skip
def test_a_rule_that_is_not_possible_is_refused_with_key_value_and_why(changes, key, value, why):
    """SY-3, CFG: the same check for config.toml and the admin API."""
    with pytest.raises(RuleError) as caught:
        check_rules(but(**changes))

    assert (caught.value.key, caught.value.value) == (key, value)
    assert why in caught.value.why


def test_rules_at_their_limits_are_possible():
    for symbol in load().symbols:
        check_rules(symbol)
    check_rules(but(brackets=((1, 50_000, 25_000), (1 << 60, 1_000_000, 1_000_000))))
    check_rules(but(insurance_loss_max=0, insurance_notional_max=1 << 60, oi_high=1))


# --- changes while trading --------------------------------------------------------------------


def test_a_change_gives_the_full_new_rules_with_the_next_version():
    new = change_rules(BTC, {"taker_fee_ppm": 300, "min_notional": "10", "adl": "pro_rata",
                             "brackets": [["5", 100_000, 50_000]]})  # fmt: skip

    assert new == but(version=2, taker_fee_ppm=300, notional_min=10 * 10**8, adl=1,
                      brackets=((5 * 10**8, 100_000, 50_000),))  # fmt: skip
    assert differences(BTC, new) == {
        "taker_fee_ppm": (400, 300),
        "min_notional": ("5.00000000", "10.00000000"),
        "adl": ("queue", "pro_rata"),
        "brackets": ([["1000000.00000000", 100_000, 50_000], ["5000000.00000000", 200_000,
                      100_000]], [["5.00000000", 100_000, 50_000]]),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "key", "value", "why"),
    [
        ({"id": 5}, "id", 5, "is fixed for ever"),
        ({"name": "X"}, "name", "X", "is fixed for ever"),
        ({"price_decimals": 5}, "price_decimals", 5, "is fixed for ever"),
        ({"qty_decimals": 5}, "qty_decimals", 5, "is fixed for ever"),
        ({"max_price": "5"}, "max_price", "5", "is changed by config.toml at a start only"),
        ({"reference_price": "5"}, "reference_price", "5", "at a start only"),
        ({"insurance_seed": "5"}, "insurance_seed", "5", "at a start only"),
        ({"version": 9}, "version", 9, "at a start only"),
        ({"fee": 9}, "fee", 9, "there is no such key"),
        ({"taker_fee_ppm": "9"}, "taker_fee_ppm", "9", "expected `int`, got `str`"),
        ({"taker_fee_ppm": True}, "taker_fee_ppm", True, "expected `int`, got `bool`"),
        ({"taker_fee_ppm": 1.5}, "taker_fee_ppm", 1.5, "expected `int`, got `float`"),
        ({"taker_fee_ppm": -10_001}, "taker_fee_ppm", -10_001, "must be from -10000 to 100000"),
        ({"lot": 5}, "lot", 5, "expected `str`, got `int`"),
        ({"lot": "x"}, "lot", "x", "is not a decimal number"),
        ({"adl": "none"}, "adl", "none", "must be queue or pro_rata or risk_weighted"),
        ({"brackets": [[5, 1, 1]]}, "brackets", [[5, 1, 1]], "expected `str`, got `int`"),
        ({"tick_table": [["1", "2"]] * 5}, "tick_table", [["1", "2"]] * 5, "length <= 4"),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_is_refused_with_key_value_and_why(changes, key, value, why):
    """SY-2, SY-3."""
    with pytest.raises(RuleError) as caught:
        change_rules(BTC, changes)

    assert (caught.value.key, caught.value.value) == (key, value)
    assert why.replace("`", "") in caught.value.why


def test_the_table_form_gives_the_same_rules_back():
    for symbol in load().symbols:
        table = to_table(symbol)
        assert change_rules(symbol, {"lot": table["lot"]}) == but(symbol, version=2)
        assert differences(symbol, symbol) == {}
