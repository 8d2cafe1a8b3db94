"""The configuration: every rule refuses with the file, the key and the value in one line."""

from __future__ import annotations

import re

import pytest

from rsx.config import SYMBOLS_MAX, Prices, default_path, load, parse
from rsx.errors import ConfigError

TEXT = default_path().read_text(encoding="utf-8")


def changed(key: str, value: str, text: str = TEXT) -> str:
    """The default file with the first line of a key replaced."""
    text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text, count=1)
    assert count == 1, key
    return text


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "my.toml")
    message = str(caught.value)
    assert message.startswith("my.toml: ")
    assert "\n" not in message
    return message.removeprefix("my.toml: ")


# --- the default file -------------------------------------------------------------------------


def test_the_default_file_is_accepted_and_says_what_the_issue_asks_for():
    config = load()

    assert [symbol.name for symbol in config.symbols] == ["BTC-PERP", "ETH-PERP", "SOL-PERP"]
    assert (config.server.host, config.server.port) == ("127.0.0.1", 8080)
    assert (config.wal.durability, config.wal.flush_ms, config.wal.segment_mib) == ("fill", 10, 64)
    assert config.demo.enabled
    assert config.demo.levels >= 20
    assert config.money_decimals == 8


def test_the_defaults_of_the_code_are_those_of_the_file():
    from rsx import config as module

    spelled = load()
    bare = parse(TEXT[TEXT.index("[[symbols]]") :])

    for section in module._File.__struct_fields__[:-1]:
        assert getattr(bare, section) == getattr(spelled, section), section


def test_decimal_text_becomes_units():
    btc = load().symbols[0]

    assert (btc.tick, btc.lot, btc.reference_px) == (10, 100, 5_000_000)
    assert btc.notional_min == 5 * 10**8
    assert (btc.price_band_ppm, btc.market_band_ppm) == (200_000, 50_000)
    assert (btc.px_max, btc.qty_max) == (100_000_000, 1_000_000_000)
    assert btc.notional_max == 50_000_000 * 10**8


@pytest.mark.parametrize(
    ("source", "demo", "resolved"),
    [("auto", True, "synthetic"), ("auto", False, "last"), ("last", True, "last"),
     ("synthetic", False, "synthetic"), ("venues", True, "venues")],
)  # fmt: skip
def test_the_mark_source_auto_follows_the_demo(source, demo, resolved):
    config = load().replace(mark={"source": source}, demo={"enabled": demo})

    assert config.mark_source == resolved


def test_replace_changes_a_copy_and_checks_it():
    config = load()

    other = config.replace(server={"port": 0}, data={"dir": "elsewhere"})

    assert (other.server.port, other.server.host, other.data.dir) == (0, "127.0.0.1", "elsewhere")
    assert config.server.port == 8080
    with pytest.raises(ConfigError, match=r"data\.dir = ''"):
        config.replace(data={"dir": ""})


# --- what is refused --------------------------------------------------------------------------

RANGES = [
    ("port", "server", 0, 65535),
    ("flush_ms", "wal", 1, 1000),
    ("segment_mib", "wal", 1, 1024),
    ("segments_ahead", "wal", 0, 15),
    ("retain_mib", "wal", 0, 1 << 24),
    ("every_s", "snapshot", 0, 604_800),
    ("every_mib", "snapshot", 0, 1 << 20),
    ("keep", "snapshot", 1, 1000),
    ("check_ms", "replica", 0, 3_600_000),
    ("batch_records", "archive", 1024, 1 << 18),
    ("batch_ms", "archive", 10, 5000),
    ("checkpoint_s", "archive", 1, 300),
    ("lag_mib", "archive", 1, 1 << 30),
    ("keep_days", "archive", 0, 100_000),
    ("lag_warn_s", "archive", 1, 86_400),
    ("spin_us", "tiles", 0, 100_000),
    ("yield_us", "tiles", 0, 100_000),
    ("switch_interval_us", "tiles", 50, 5000),
    ("reply_poll_us", "tiles", 0, 1000),
    ("gateway_risk", "rings", 1024, 1 << 22),
    ("mark_risk", "rings", 1024, 1 << 22),
    ("risk_matching", "rings", 1024, 1 << 22),
    ("risk_gateway", "rings", 1024, 1 << 22),
    ("matching_wal", "rings", 1024, 1 << 22),
    ("risk_wal", "rings", 1024, 1 << 22),
    ("wal_gateway", "rings", 1024, 1 << 22),
    ("wal_risk", "rings", 1024, 1 << 22),
    ("wal_marketdata", "rings", 1024, 1 << 22),
    ("marketdata_mark", "rings", 1024, 1 << 22),
    ("accounts_max", "risk", 1, 1 << 26),
    ("positions_max", "risk", 1, 1 << 26),
    ("shards", "risk", 1, 8),
    # With triggers_max at most half of the default dedup_orders_max.
    ("orders_max", "matching", 1024, (1 << 19) - (1 << 16)),
    ("triggers_max", "matching", 16, 1 << 18),
    ("open_triggers_per_user_max", "matching", 1, 1 << 24),
    ("level_slots_max", "matching", 1024, 1 << 24),
    ("users_max", "matching", 1024, 1 << 26),
    ("open_orders_per_user_max", "matching", 1, 1 << 26),
    ("dedup_window_s", "matching", 1, 604_800),
    # At least twice the defaults of orders_max and triggers_max together.
    ("dedup_orders_max", "matching", 1 << 20, 1 << 27),
    ("stale_ms", "mark", 100, 3_600_000),
    ("seed", "mark", 0, (1 << 63) - 1),
    ("synthetic_hz", "mark", 1, 1000),
    ("synthetic_step_ppm", "mark", 0, 100_000),
    ("csv_speed", "mark", 1, 1_000_000),
    ("basis_window_s", "mark", 0, 86_400),
    ("basis_max_ppm", "mark", 0, 100_000),
    ("update_ms", "mark", 10, 10_000),
    ("fresh_ms", "mark", 100, 3_600_000),
    ("min_sources", "mark", 1, 8),
    ("outlier_ppm", "mark", 1, 1_000_000),
    ("step_ppm_per_s", "mark", 1, 1_000_000),
    ("far_times", "mark", 2, 1000),
    ("silent_ms", "mark", 100, 3_600_000),
    ("alarm_s", "mark", 1, 86_400),
    ("orders_per_second", "edge", 1, 10_000_000),
    ("pending_per_user", "edge", 1, 1_000_000),
    ("batch_max", "edge", 1, 1000),
    ("answer_timeout_ms", "edge", 10, 600_000),
    ("connections_per_user", "edge", 1, 100_000),
    ("connections_max", "edge", 1, 1_000_000),
    ("private_backlog_bytes", "edge", 4096, 1 << 30),
    ("public_backlog_bytes", "edge", 4096, 1 << 30),
    ("slow_reader_ms", "edge", 0, 600_000),
    ("account_push_ms", "edge", 10, 60_000),
    ("heartbeat_s", "edge", 1, 29),  # below the default idle_s
    ("idle_s", "edge", 6, 36_000),  # above the default heartbeat_s
    ("clients_max", "dxs", 1, 10_000),
    ("handshake_ms", "dxs", 10, 600_000),
    ("write_ms", "dxs", 10, 600_000),
    ("heartbeat_ms", "dxs", 10, 60_000),
    ("poll_ms", "dxs", 1, 1000),
    ("grace_s", "dxs", 0, 604_800),
    ("hold_mib", "dxs", 1, 1 << 24),
    ("lease_id", "standby", 0, (1 << 31) - 1),
    ("levels", "demo", 1, 200),
    ("id", "symbols", 4, 65_000),
    ("maker_fee_ppm", "symbols", -400, 100_000),  # not below -taker_fee_ppm
    ("taker_fee_ppm", "symbols", 50, 100_000),
    ("initial_margin_ppm", "symbols", 25_000, 1_000_000),
    ("maintenance_margin_ppm", "symbols", 1, 50_000),
    ("version", "symbols", 1, (1 << 32) - 1),
    ("funding_interval_s", "symbols", 0, 604_800),
    ("funding_interest_ppb", "symbols", -1_000_000_000, 1_000_000_000),
    ("funding_damp_ppb", "symbols", 0, 1_000_000_000),
    ("funding_cap_ppb", "symbols", 0, 1_000_000_000),
    ("liquidation_fee_ppm", "symbols", 0, 100_000),
    ("liquidation_slip_ppm", "symbols", 1, 50_000),  # up to the largest
    ("liquidation_slip_max_ppm", "symbols", 1_000, 999_999),
    ("liquidation_rounds", "symbols", 0, 200),
    ("liquidation_delay_ms", "symbols", 0, 3_600_000),
    ("liquidation_step_ppm", "symbols", 1, 1_000_000),
    ("liquidation_buffer_ppm", "symbols", 0, 10_000_000),
    ("margin_call_ppm", "symbols", 1_000_000, 100_000_000),
    ("withdraw_keep_ppm", "symbols", 0, 1_000_000),
    ("price_band_ppm", "symbols", 0, 1_000_000),
    ("market_band_ppm", "symbols", 1, 1_000_000),
]


@pytest.mark.parametrize(("key", "section", "low", "high"), RANGES)
def test_a_number_is_taken_up_to_its_limits_and_refused_beyond_with_key_and_value(
    key, section, low, high
):
    text = re.sub(r"(?m)^brackets = .*$", "", TEXT)
    parse(changed(key, str(low), text))
    parse(changed(key, str(high), text))

    for value in (low - 1, high + 1, "'12'", "true", "1.5", "[1]"):
        message = refusal(changed(key, str(value), text))
        assert re.match(rf"{section}\b.*\b{key}\b", message), message
        shown = {"true": "True"}.get(value, str(value))
        assert shown in message or key in ("maker_fee_ppm", "taker_fee_ppm"), message


def test_every_integer_key_of_the_file_has_its_range_tested():
    keys = set(re.findall(r"(?m)^(\w+) = -?\d+$", TEXT))

    assert keys == {row[0] for row in RANGES} | {"price_decimals", "qty_decimals"}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("durability", '"none"',
         'wal.durability = \'none\': must be "fill" or "all" or "async"'),
        ("layout", '"wide"',
         'tiles.layout = \'wide\': must be "auto" or "shared" or "dedicated"'),
        ("idle", '"nap"', 'tiles.idle = \'nap\': must be "backoff" or "spin"'),
        ("cpus", '"all"', 'tiles.cpus = \'all\': must be "auto" or "none"'),
        ("cpus", "[1, 'a']", "tiles.cpus[1] = 'a': expected int, got str"),
        ("cpus", "[]", "tiles.cpus = []: must be different core numbers, at least one"),
        ("cpus", "[1, 1]", "tiles.cpus = [1, 1]: must be different core numbers, at least one"),
        ("cpus", "[-1]", "tiles.cpus = [-1]: must be different core numbers, at least one"),
        ("source", '"nowhere"',
         'mark.source = \'nowhere\': must be "auto" or "last" or "synthetic" or '
         '"csv" or "venues"'),
        ("enabled", "1", "replica.enabled = 1: expected bool, got int"),
        ("l3", "1", "edge.l3 = 1: expected bool, got int"),
        ("requote_s", "0.01", "demo.requote_s = 0.01: expected float >= 0.05"),
        ("requote_s", "nan", "demo.requote_s = nan: expected float >= 0.05"),
        ("trades_per_second", "1001", "demo.trades_per_second = 1001: expected float <= 1000.0"),
        ("host", "5", "server.host = 5: expected str, got int"),
        ("host", '""', "server.host = '': must not be empty"),
        ("dir", '" "', "data.dir = ' ': must not be empty"),
        ("gateway_risk", "1025", "rings.gateway_risk = 1025: must be a power of two"),
        ("dedup_orders_max", "1048577",
         "matching.dedup_orders_max = 1048577: must be a power of two"),
        ("orders_max", "524289",
         "matching.dedup_orders_max = 1048576: must be at least twice orders_max + triggers_max "
         "= 524289 + 65536"),
        ("triggers_max", "262145",
         "matching.dedup_orders_max = 1048576: must be at least twice orders_max + triggers_max "
         "= 262144 + 262145"),
        ("idle_s", "5", "edge.idle_s = 5: must be above heartbeat_s = 5"),
        ("name", '"btc"', "symbols.btc.name = 'btc': expected str matching regex "),
        ("name", '"ETH-PERP"', "symbols: the same name twice: ['ETH-PERP', 'ETH-PERP', "),
        ("id", "2", "symbols: the same id twice: [2, 2, 3]"),
        ("tick", "0.1", "symbols.BTC-PERP.tick = 0.1: expected str, got float"),
        ("tick", '"x"', "symbols.BTC-PERP.tick = 'x': is not a decimal number"),
        ("tick", '"0.001"', "symbols.BTC-PERP.tick = '0.001': has more than 2 decimals"),
        ("tick", '"0"', "symbols.BTC-PERP.tick = '0': must be positive"),
        ("tick", '"-0.1"', "symbols.BTC-PERP.tick = '-0.1': must be positive"),
        ("tick", '"0.30"',
         "symbols.BTC-PERP.max_price = '1000000.00': is not a multiple of its tick"),
        ("reference_price", '"50000.05"',
         "symbols.BTC-PERP.reference_price = '50000.05': is not a multiple of its tick"),
        ("reference_price", '"1000000.1"',
         "symbols.BTC-PERP.reference_price = '1000000.10': is above max_price = '1000000.00'"),
        ("min_notional", "5", "symbols.BTC-PERP.min_notional = 5: expected str, got int"),
        ("min_notional", '"-1"', "symbols.BTC-PERP.min_notional = '-1': must not be negative"),
        ("min_notional", '"x"', "symbols.BTC-PERP.min_notional = 'x': is not a decimal number"),
        ("min_notional", '"0.000000001"',
         "symbols.BTC-PERP.min_notional = '0.000000001': has more than 8 decimals"),
        ("min_notional", '"50000000.01"',
         "symbols.BTC-PERP.min_notional = '50000000.01000000': is above "
         "max_notional = '50000000.00000000'"),
        ("max_notional", '"20000000000"',
         "symbols.BTC-PERP.max_notional = '20000000000.00000000': is above 11529215046.06846976"),
        ("max_notional", '"99999999999999"',
         "symbols.BTC-PERP.max_notional = '99999999999999': is too large"),
        ("lot", '"1001"', "symbols.BTC-PERP.lot = '1001.000000': is above max_qty = '1000.000000'"),
        ("maker_fee_ppm", "-401",
         "symbols.BTC-PERP.maker_fee_ppm = -401: with taker_fee_ppm = 400 the sum is below 0"),
        ("maintenance_margin_ppm", "50001",
         "symbols.BTC-PERP.maintenance_margin_ppm = 50001: is above initial_margin_ppm = 50000"),
        ("price_decimals", "3", "symbols.ETH-PERP: price_decimals + qty_decimals = 8, but "
         "BTC-PERP has 9; the sum is the money unit and must be the same"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_with_key_value_and_rule(key, value, message):
    assert refusal(changed(key, value)).startswith(message)


def with_rows(rows: str) -> str:
    """The default file with a tick table in its first market (tick 0.10, at most 1000000)."""
    return TEXT.replace('tick = "0.10"', f'tick = "0.10"\ntick_table = {rows}', 1)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("5", "symbols.BTC-PERP.tick_table = 5: expected array, got int"),
        ('["1", "2"]', "symbols.BTC-PERP.tick_table[0] = '1': expected array, got str"),
        ('[["1000"]]', "symbols.BTC-PERP.tick_table[0] = ['1000']: expected array of length 2"),
        ("[[1000, 1]]", "symbols.BTC-PERP.tick_table[0][0] = 1000: expected str, got int"),
        (str([["1000", "1"]] * 5), "symbols.BTC-PERP.tick_table = [['1000', '1'], "),
        ('[["1000.005", "1"]]',
         "symbols.BTC-PERP.tick_table[0] = '1000.005': has more than 2 decimals"),
        ('[["1000", "-1"]]', "symbols.BTC-PERP.tick_table[0] = '-1': must be positive"),
        ('[["0", "1"]]', "symbols.BTC-PERP.tick_table[0] = '0': must be positive"),
        ('[["1000001", "1"]]',
         "symbols.BTC-PERP.tick_table[0] = ['1000001.00', '1.00']: the first price is not "
         "between the row before and max_price"),
        ('[["1000", "1"], ["1000", "2"]]', "symbols.BTC-PERP.tick_table[1] = ['1000.00', '2.00']: "
         "the first price is not between the row before and max_price"),
        ('[["1000", "0.10"]]', "symbols.BTC-PERP.tick_table[0] = ['1000.00', '0.10']: "
         "the tick is not a larger "
         "multiple of the one before"),
        ('[["1000", "0.25"]]', "symbols.BTC-PERP.tick_table[0] = ['1000.00', '0.25']: "
         "the tick is not a larger "
         "multiple of the one before"),
        ('[["1000", "1"], ["2000", "1.50"]]',
         "symbols.BTC-PERP.tick_table[1] = ['2000.00', '1.50']: "
         "the tick is not a larger multiple of the one before"),
        ('[["1000.50", "1"]]',
         "symbols.BTC-PERP.tick_table[0] = ['1000.50', '1.00']: the first price is not a "
         "multiple of its own tick"),
        ('[["40000", "30000"]]',
         "symbols.BTC-PERP.tick_table[0] = ['40000.00', '30000.00']: the first price is not a "
         "multiple of its own tick"),
        ('[["30000", "30000"]]',
         "symbols.BTC-PERP.max_price = '1000000.00': is not a multiple of its tick"),
        ('[["40000", "20000"]]',
         "symbols.BTC-PERP.reference_price = '50000.00': is not a multiple of its tick"),
    ],
)  # fmt: skip
def test_a_tick_table_that_cannot_be_is_refused_with_row_value_and_rule(rows, message):
    """PX-1."""
    assert refusal(with_rows(rows)).startswith(message)


def test_a_tick_table_becomes_rows_in_units_and_says_the_tick_at_a_price():
    """PX-1: the tick at a row's first price is its own, one unit below it the finer one."""
    btc = parse(with_rows('[["1000", "0.50"], ["60000", "1"]]')).symbols[0]

    assert btc.tick_table == ((100_000, 50), (6_000_000, 100))
    assert [btc.tick_at(px) for px in (10, 99_999, 100_000, 5_999_999, 6_000_000)] == [
        10, 10, 50, 50, 100,
    ]  # fmt: skip


def test_a_market_may_have_as_many_ticks_as_its_prices_allow():
    """PM-3: the price map bounds its own memory, whatever max_price / tick is."""
    text = changed("max_price", '"90000000000000"').replace('"0.10"', '"0.01"', 1)

    btc = parse(text).symbols[0]

    assert btc.px_max // btc.tick == 9 * 10**15


def test_the_new_keys_of_a_market_have_defaults_that_switch_them_off():
    lines = ("min_notional", "price_band_ppm", "market_band_ppm", "tick_table")
    bare = re.sub(rf"(?m)^({'|'.join(lines)}) = .*\n", "", TEXT)

    for symbol in parse(bare).symbols:
        assert (symbol.notional_min, symbol.price_band_ppm, symbol.tick_table) == (0, 0, ())
        assert symbol.market_band_ppm == 50_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT + "\nfoo = 1\n", "symbols.SOL-PERP.foo = 1: there is no such key"),
        (TEXT.replace("[server]", "[server]\nfoo = 'x'"),
         "server.foo = 'x': there is no such key"),
        (TEXT + "\n[nonsense]\na = 1\n", "nonsense = {'a': 1}: there is no such key"),
        (TEXT.replace('tick = "0.10"\n', "", 1), "symbols.BTC-PERP.tick: this key is missing"),
        (TEXT.replace('name = "BTC-PERP"\n', ""), "symbols[0].name: this key is missing"),
        (TEXT[: TEXT.index("[[symbols]]")], "symbols: this key is missing"),
        ("symbols = []", "symbols: at least one market is needed"),
        ("symbols = 5", "symbols = 5: expected array, got int"),
        ("server = 5\n" + TEXT.replace("[server]", "[server2]"), "server = 5: expected object"),
        ("port = ", "Invalid value (at end of document)"),
        ("a = 1\na = 2", "Cannot overwrite a value (at "),
    ],
)  # fmt: skip
def test_a_file_of_another_shape_is_refused(text, message):
    assert refusal(text).startswith(message)


def test_more_markets_than_one_thread_can_run_are_refused():
    head, market = TEXT[: TEXT.index("[[symbols]]")], TEXT[TEXT.index("[[symbols]]") :]
    market = market[: market.index("[[symbols]]", 1)]

    def with_markets(count: int) -> str:
        markets = (
            market.replace("id = 1", f"id = {i}").replace("BTC-PERP", f"M{i}-PERP")
            for i in range(1, count + 1)
        )
        return head + "".join(markets)

    assert len(parse(with_markets(SYMBOLS_MAX)).symbols) == SYMBOLS_MAX
    message = "symbols: {} markets; at most {} with risk.shards = {}"
    assert refusal(with_markets(63)) == message.format(63, 62, 1)
    eight = changed("shards", "8", with_markets(56))
    assert refusal(eight) == message.format(56, 55, 8)


def test_a_long_value_is_cut_in_the_message():
    message = refusal(changed("durability", f'"{"x" * 1000}"'))

    assert message.startswith("wal.durability = 'xxx")
    assert len(message) < 200


# --- files ------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*missing\.toml"):
        load(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="cannot read"):
        load(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"cannot read .*binary\.toml"):
        load(tmp_path / "binary.toml")


def test_the_file_that_was_read_is_remembered(tmp_path):
    (tmp_path / "my.toml").write_text(TEXT)

    assert load(tmp_path / "my.toml").path == str(tmp_path / "my.toml")


# --- prices of others (specs/mark.md MK-20, MK-30) ----------------------------------------------


def test_feeds_and_files_are_kept_by_market_beside_its_rules():
    text = changed("feeds", '["binance:btcusdt@aggTrade", "coinbase:BTC-USD"]')
    config = parse(changed("csv", '"bars.csv"', text))

    assert config.prices[1] == Prices(
        (("binance", "btcusdt", "aggTrade"), ("coinbase", "BTC-USD", "")), "bars.csv"
    )
    assert config.prices[2].feeds[0] == ("binance", "ethusdt", "bookTicker")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("feeds", '["kraken:XBT"]', "symbols.BTC-PERP.feeds[0] = 'kraken:XBT': begins with none "
         "of binance, coinbase and a colon"),
        ("feeds", '["btcusdt"]', "symbols.BTC-PERP.feeds[0] = 'btcusdt': begins with none"),
        ("feeds", '["coinbase:BTC-USD", "binance:BTCUSDT"]',
         "symbols.BTC-PERP.feeds[1] = 'binance:BTCUSDT': such as"),
        ("feeds", '["binance:btcusdt@depth"]', "symbols.BTC-PERP.feeds[0] = 'binance:btcusdt@de"),
        ("feeds", '["binance:btc/../x"]', "symbols.BTC-PERP.feeds[0] = 'binance:btc/../x': such"),
        ("feeds", '["coinbase:BTCUSD"]', "symbols.BTC-PERP.feeds[0] = 'coinbase:BTCUSD': such as"),
        ("feeds", '["binance:btcusdt", "binance:btcusdc"]',
         "symbols.BTC-PERP.feeds[1] = 'binance:btcusdc': a second feed of binance"),
        ("feeds", "5", "symbols.BTC-PERP.feeds = 5: expected array, got int"),
        ("feeds", "[5]", "symbols.BTC-PERP.feeds[0] = 5: expected str, got int"),
        ("csv", "5", "symbols.BTC-PERP.csv = 5: expected str, got int"),
        ("source", '"csv"', 'mark.source = "csv": no market has a file (symbols.csv)'),
        ("binance_url", '"http://x"', "mark.binance_url = 'http://x': must be ws:// or wss://"),
        ("coinbase_url", '"wss://x?y=1"', "mark.coinbase_url = 'wss://x?y=1': must be ws://"),
        ("coinbase_url", '""', "mark.coinbase_url = '': must be ws:// or wss://"),
        ("coinbase_url", '"ws://h:99999"', "mark.coinbase_url = 'ws://h:99999': must be ws://"),
        ("coinbase_url", '"ws://h:x"', "mark.coinbase_url = 'ws://h:x': must be ws://"),
        ("coinbase_url", '"ws://[::1"', "mark.coinbase_url = 'ws://[::1': must be ws://"),
        ("coinbase_url", '"ws://a b"', "mark.coinbase_url = 'ws://a b': must be ws://"),
        ("coinbase_url", '"ws:///x"', "mark.coinbase_url = 'ws:///x': must be ws://"),
    ],
)  # fmt: skip
def test_a_feed_or_address_that_cannot_be_is_refused(key, value, message):
    assert refusal(changed(key, value)).startswith(message)


def test_venues_need_as_many_feeds_of_every_market_as_sources():
    text = changed("source", '"venues"')
    parse(changed("min_sources", "2", text))

    assert refusal(changed("min_sources", "3", text)) == (
        'symbols.BTC-PERP.feeds: 2 where mark.source = "venues" needs mark.min_sources = 3'
    )
    assert refusal(changed("feeds", "[]", text)) == (
        'symbols.BTC-PERP.feeds: 0 where mark.source = "venues" needs mark.min_sources = 1'
    )
