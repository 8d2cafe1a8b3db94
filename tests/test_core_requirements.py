"""Where each requirement on positions, fees, margin, prices, funding and liquidation is proven.

Those that a test names in its own name or docstring are not repeated here. `PROVEN`: a test that
shows what holds, as our rules have it; `OTHERWISE`: what the design does in another way altogether,
so that nothing is left to show.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

PROVEN = {
    # Positions
    "POS-1": "risk/test_ledger_rules.py cost_and_profit_follow_the_fills",
    "POS-2": "risk/test_examples_functions.py cost_and_profit",
    "POS-3": "risk/test_examples_functions.py cost_and_profit",
    "POS-4": "wal/test_recovery.py recovery_at_any_record_gives_the_state_of_the_log_up_to_it",
    "POS-5": "risk/test_unit_check.py what_leaves_64_bits_is_refused_and_nothing_is_reserved",
    "POS-8": "risk/test_ledger_rules.py profit_and_fee_go_to_collateral_in_the_same_step",
    "POS-9": "risk/test_ledger_against_model.py"
             " any_fills_leave_profit_and_cost_that_add_up_to_the_cash_paid",
    "POS-28": "risk/test_unit_settle.py random_trades_keep_lists_and_open_interest",
    "POS-29": "risk/test_unit_settle.py random_trades_keep_lists_and_open_interest",
    "POS-30": "risk/test_ledger_against_model.py"
              " any_fills_leave_profit_and_cost_that_add_up_to_the_cash_paid",
    # Fees
    "FEE-1": "risk/test_examples_functions.py charges_round_up_and_rebates_toward_zero",
    "FEE-4": "risk/test_ledger_rules.py"
             " a_requirement_that_leaves_64_bits_is_refused_and_never_wraps",
    "FEE-5": "risk/test_ledger_rules.py equity_may_be_negative_and_available_with_it",
    "FEE-7": "wal/test_shards_through_tiles.py"
             " users_of_all_shards_trade_and_every_tile_says_the_same",
    "FEE-8": "risk/test_ledger_rules.py a_rebate_does_not_lower_the_requirement",
    # Margin
    "MAR-1": "risk/test_ledger_rules.py margins_add_up_over_symbols_with_one_equity",
    "MAR-2": "risk/test_ledger_rules.py margins_add_up_over_symbols_with_one_equity",
    "MAR-3": "risk/test_ledger_rules.py one_symbols_margin_is_not_free_in_another",
    "MAR-4": "test_rules.py a_rule_that_is_not_possible_is_refused_with_key_value_and_why",
    "MAR-6": "risk/test_ledger_rules.py requirements_round_up_per_symbol",
    "MAR-10": "tiles/test_risk.py a_mark_of_an_unknown_market_stops_the_exchange",
    "MAR-11": "risk/test_ledger_rules.py a_missing_mark_blocks_what_adds_exposure",
    "MAR-12": "risk/test_unit_margin.py the_largest_number_is_charged_without_a_wrap",
    "MAR-14": "risk/test_unit_margin.py what_is_kept_is_what_it_would_be_from_scratch",
    # Before the match
    "PRE-1": "risk/test_ledger_against_model.py"
             " any_order_of_a_flat_user_needs_what_the_formula_says",
    "PRE-7": "risk/test_unit_margin.py what_is_kept_is_what_it_would_be_from_scratch",
    "PRE-8": "risk/test_request_rules.py a_duplicate_takes_back_its_own_request_alone",
    "PRE-9": "risk/test_ledger_rules.py fills_cuts_and_cancels_release_what_they_say",
    "PRE-10": "book/test_rules_reduce_only.py a_cut_releases_in_proportion",
    "PRE-11": "risk/test_ledger_rules.py fills_cuts_and_cancels_release_what_they_say",
    "PRE-12": "risk/test_ledger_against_model.py a_restart_loses_only_what_was_in_flight",
    "PRE-13": "risk/test_ledger_rules.py a_fold_of_the_log_gives_the_confirmed_part",
    "PRE-14": "book/test_live_rules.py"
              " fees_are_those_of_the_rules_in_force_not_of_the_orders_time",
    "PRE-16": "scenario/test_random_histories.py"
              " the_model_predicts_every_balance_position_and_margin",
    "PRE-17": "edge/test_whole_exchange.py what_users_are_told_is_what_the_engines_have",
    # The own book: how far it moves the mark from the index
    "IDX-1": "mark/test_basis.py the_worked_example",
    "IDX-2": "mark/test_basis.py a_book_that_is_empty_one_sided_or_wide_says_nothing_r17",
    "IDX-4": "tiles/test_mark_through_tiles.py"
             " the_own_book_moves_the_mark_and_an_empty_one_lets_it_go_mk_50",
    "IDX-5": "tiles/test_marketdata.py"
             " best_prices_go_out_at_first_and_when_they_change_ten_times_a_second",
    "IDX-6": "mark/test_basis.py a_book_far_away_counts_as_the_limit",
    "IDX-7": "risk/test_examples_functions.py the_premium_is_of_mark_over_index",
    # Marks
    "MRK-1": "tiles/test_mark.py a_full_ring_is_counted_and_changes_no_price",
    "MRK-2": "mark/test_index.py a_dropped_price_leaves_the_one_before_in_force",
    "MRK-6": "tiles/test_mark.py metrics_tell_of_every_venue_and_symbol_mk_62",
    "MRK-7": "tiles/test_mark.py a_dead_feed_is_said_to_be_stale_and_never_a_price",
    "MRK-8": "mark/test_index.py the_cut_is_that_of_the_plain_model",
    "MRK-17": "tiles/test_mark.py updates_come_when_they_are_due_and_keep_their_rhythm",
    "MRK-18": "tiles/test_risk.py marks_go_on_to_their_symbol_in_order",
    "MRK-19": "test_config.py feeds_and_files_are_kept_by_market_beside_its_rules",
    "MRK-20": "mark/test_connector.py stopping_does_not_wait_for_a_venue_that_does_not_answer",
    # Funding
    "FND-7": "risk/test_unit_funding.py every_settlement_leaves_at_most_two_units_a_payment",
    "FND-13": "risk/test_unit_funding.py not_where_the_market_does_not_allow_it",
    "FND-14": "tiles/test_keeper.py a_restart_at_any_record_pays_once",
    # Liquidation
    "LIQ-6": "test_config.py the_default_file_is_accepted_and_says_what_the_issue_asks_for",
    "LIQ-7": "tiles/test_risk_liquidation.py the_time_of_a_step_is_the_clock_s",
    "LIQ-8": "book/test_rules_hedge.py what_it_may_say",
    "LIQ-13": "risk/test_unit_liquidation.py"
              " a_burst_rises_and_borrows_from_the_next_millisecond",
    "LIQ-14": "risk/test_unit_settle.py a_refused_order_ends_its_round",
    "LIQ-16": "tiles/test_risk_liquidation.py full_rings_lose_nothing",
    "LIQ-21": "edge/test_whole_margin.py"
              " a_liquidation_is_told_step_by_step_and_the_account_is_left_alone_after",
    "LIQ-23": "tiles/test_risk_liquidation.py nothing_is_done_on_a_stale_mark",
    "LIQ-24": "risk/test_unit_settle.py rounds_never_fall",
    "LIQ-26": "tiles/test_risk_liquidation.py own_orders_go_before_anything_is_sold",
    "LIQ-27": "risk/test_unit_watch.py new_rates_are_looked_at",
    "LIQ-28": "tiles/test_keeper.py"
              " who_gives_up_a_position_may_lose_it_as_a_counterparty_first",
    "LIQ-29": "tiles/test_risk_liquidation.py a_cascade_ends",
    # The risk tile
    "RSK-1": "test_shards.py every_user_has_one_tile_that_its_virtual_shard_says",
    "RSK-4": "risk/test_ledger_rules.py fills_cuts_and_cancels_release_what_they_say",
    "RSK-5": "risk/test_ledger_rules.py profit_and_fee_go_to_collateral_in_the_same_step",
    "RSK-6": "risk/test_unit_watch.py nothing_is_found_on_a_stale_mark",
    "RSK-7": "risk/test_ledger_rules.py a_fill_of_a_user_without_an_account_is_a_failed_check",
    "RSK-8": "wal/test_recovery_of_requests.py"
             " a_start_behind_any_record_goes_on_from_what_it_says",
    "RSK-9": "wal/test_append.py numbers_are_dense_and_every_seal_holds",
    "RSK-11": "wal/test_recovery.py recovery_at_any_record_gives_the_state_of_the_log_up_to_it",
    "RSK-12": "wal/test_backpressure.py a_full_release_ring_stalls_and_goes_on_without_loss",
    "RSK-13": "wal/test_backpressure.py"
              " many_random_stops_in_one_log_end_in_the_state_of_its_fold",
    "RSK-14": "risk/test_known_orders.py a_record_that_does_not_fit_is_a_failed_check",
    "RSK-17": "wal/test_shards_through_tiles.py"
              " a_restart_finds_every_tile_as_it_was_also_with_another_number_of_them",
    "RSK-18": "tiles/test_risk_liquidation.py a_restart_goes_on_where_the_log_is",
}  # fmt: skip

OTHERWISE = {
    "IDX-3": "no price is made of the best quantities; mark.md MK-50 averages the basis",
    "RSK-2": "one log for all shards; nothing is written twice (SH-2)",
    "RSK-3": "specs/tiles.md: one duty cycle, released records first (PRE-18)",
    "RSK-10": "no database holds balances: the log does, and the archive follows it",
    "RSK-15": "a standby follows the log itself (specs/dxs.md)",
    "RSK-16": "no database holds balances: the log does, and the archive follows it",
}


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((TESTS / path).read_text())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@pytest.mark.parametrize("requirement", PROVEN)
def test_the_test_that_proves_a_requirement_is_there(requirement: str) -> None:
    path, name = PROVEN[requirement].split()
    assert f"test_{name}" in names_in(path)


def test_nothing_is_both() -> None:
    assert not PROVEN.keys() & OTHERWISE.keys()
