"""Files of bars. Source: specs/mark.md section 3."""

import gzip
import os
from pathlib import Path

import pytest

from rsx.errors import ConfigError
from rsx.mark.bars import BAR_NS, Bars, Replay, read_bars
from rsx.mark.index import FINE_BITS, NS, rounded

HEAD = "timestamp,open,high,low,close,volume\n"
MIN = 60 * NS
T = 1_000_000 * NS
UP = (0, 10, 12, 9, 11)
DOWN = (MIN, 11, 12, 9, 10)

DATA = Path(
    os.environ.get("RSX_BTC_CSV", Path(__file__).parents[3] / "shared/data/btc_perp_1m.csv.gz")
)


@pytest.fixture
def file(tmp_path):
    """Writes a file of these lines below the head; returns its path."""

    def write(*lines, head=HEAD, name="bars.csv"):
        path = tmp_path / name
        path.write_text(head + "".join(f"{line}\n" for line in lines))
        return str(path)

    return write


GOOD = "2022-01-01 00:00:00,100.0,101.5,99.25,100.5,3.5"


def test_a_bar_shows_open_the_extremes_by_direction_and_close():
    up, down = Bars([UP]), Bars([DOWN])
    quarters = [quarter * MIN // 4 for quarter in range(4)]

    assert [up.px_at(at) for at in quarters] == [10, 9, 12, 11]
    assert [down.px_at(at) for at in quarters] == [11, 12, 9, 10]
    assert [up.px_at(at + MIN // 4 - 1) for at in quarters] == [10, 9, 12, 11]
    assert Bars([(0, 10, 12, 9, 10)]).px_at(MIN // 4) == 9  # neither up nor down: as up


def test_close_holds_over_a_gap_and_past_the_end():
    bars = Bars([UP, DOWN, (5 * MIN, 20, 20, 20, 20)])

    assert bars.bar_ns == MIN
    assert bars.length_ns == 6 * MIN
    assert bars.at(2 * MIN - 1) == (10, 0)
    assert bars.at(4 * MIN) == (10, 2 * MIN)
    assert bars.at(5 * MIN) == (20, 0)
    assert bars.at(9 * MIN) == (20, 3 * MIN)
    assert bars.at(-5) == (10, 0)
    assert Bars([UP]).bar_ns == BAR_NS


@pytest.mark.parametrize("speed", [1, 60, 1000])
def test_a_replay_gives_any_simulated_time_its_price_at_any_speed(speed):
    bars = Bars([UP, DOWN])
    replay = Replay(bars, speed, 10 * NS, start_ns=T)

    for offset in range(0, 2 * MIN, MIN // 4):
        now_ns = T + -(-offset // speed)
        reading = replay.read(now_ns)
        assert rounded(reading.fine) == bars.px_at((now_ns - T) * speed)
        assert reading[1:] == (now_ns, 1)


def test_a_replay_starts_at_its_first_read_and_goes_stale_fresh_ms_after_the_end():
    replay = Replay(Bars([UP]), 60, 10 * NS)

    assert replay.read(T) == (10 << FINE_BITS, T, 1)
    assert replay.read(T + NS) == (11 << FINE_BITS, T + NS, 1)
    assert replay.read(T + 11 * NS - 1) == (11 << FINE_BITS, T + NS, 1)
    assert replay.read(T + 11 * NS).sources == 0


def test_a_replay_may_be_read_at_any_times_in_any_order():
    def fresh():
        return Replay(Bars([UP, DOWN]), 1, 10 * NS, start_ns=T)

    one = fresh()
    times = [T + at * NS for at in (90, 3, 0, 119, 45)]
    assert [one.read(at) for at in times] == [fresh().read(at) for at in times]


def test_a_file_is_read_in_the_symbols_unit_plain_and_packed(file, tmp_path):
    path = file(GOOD, "2022-01-01 00:01:00,100.5,100.5,100.001,100.009,0")
    packed = tmp_path / "bars.csv.gz"
    packed.write_bytes(gzip.compress(Path(path).read_bytes()))

    for bars in (read_bars(path, 2, 10**9), read_bars(str(packed), 2, 10**9)):
        assert len(bars) == 2
        assert [bars.px_at(at * MIN // 4) for at in range(8)] == [
            10_000, 9925, 10_150, 10_050, 10_050, 10_050, 10_000, 10_000,
        ]  # fmt: skip


LATER = "2022-01-01 00:01:00,"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (LATER + "100,101,99,NaN,1", "line 3, close = 'NaN': 'NaN' is not a decimal number"),
        (LATER + "100,101,99,,1", "line 3, close = '': '' is not a decimal number"),
        (LATER + "0,101,99,100,1", "line 3, open = '0': not positive, or above max_price"),
        (LATER + "-1,101,99,100,1", "line 3, open = '-1': not positive"),
        (LATER + "100,10000001,99,100,1", "line 3, high = '10000001': not positive, or above"),
        (LATER + "100,99,99,99,1", "line 3, open = '100': not between low and high"),
        (LATER + "100,101,99,98,1", "line 3, close = '98': not between low and high"),
        (LATER + "100,101,99,100,-1", "line 3, volume = '-1': is negative"),
        (LATER + "100,101,99,100,x", "line 3, volume = 'x': 'x' is not a decimal number"),
        (LATER + "100,101,99,100", "line 3: 5 fields where 6 are due"),
        (LATER + "100,101,99,100,1,2", "line 3: 7 fields where 6 are due"),
        ("", "line 3: 0 fields where 6 are due"),
        ("noon,100,101,99,100,1", "line 3, timestamp = 'noon': no time"),
        ("2022-01-01 00:00:00,100,101,99,100,1", "timestamp = '2022-01-01 00:00:00': not after"),
        ("2021-01-01 00:00:00,100,101,99,100,1", "timestamp = '2021-01-01 00:00:00': not after"),
    ],
)
def test_a_bad_row_is_named_with_file_line_field_and_value(file, line, told):
    path = file(GOOD, line)
    with pytest.raises(ConfigError) as caught:
        read_bars(path, 2, 10**9)

    assert str(caught.value).startswith(path)
    assert told in str(caught.value)


def test_another_head_no_rows_and_no_file_are_refused(file, tmp_path):
    for path, told in (
        (file(GOOD, head="time,o,h,l,c,v\n"), "line 1: 'time,o,h,l,c,v' where timestamp,open"),
        (file(name="empty.csv"), "line 2: there is no bar"),
        (file(head="", name="nothing.csv"), "line 1: '' where"),
        (str(tmp_path / "gone.csv"), "cannot read"),
        (str(tmp_path), "cannot read"),
        (file(GOOD, name="not.csv.gz"), "cannot read"),
    ):
        with pytest.raises(ConfigError, match="^(cannot read )?" + str(tmp_path)) as caught:
            read_bars(path, 2, 10**9)
        assert told in str(caught.value)


def test_a_cut_packed_file_and_bytes_that_are_no_text_are_refused(tmp_path):
    cut, raw = tmp_path / "cut.csv.gz", tmp_path / "raw.csv"
    cut.write_bytes(gzip.compress((HEAD + GOOD).encode())[:-12])
    raw.write_bytes(HEAD.encode() + b"\xff\xfe\xff\n")

    for path in (cut, raw):
        with pytest.raises(ConfigError, match="cannot read"):
            read_bars(str(path), 2, 10**9)


@pytest.mark.skipif(not DATA.exists(), reason="the two weeks of BTC bars are not on this machine")
def test_two_weeks_of_btc_at_speed():
    bars = read_bars(str(DATA), 2, 100_000_000)
    replay = Replay(bars, 10_000, 10 * NS, start_ns=T)
    step = NS // 4
    end_ns = T + bars.length_ns // 10_000

    prices = [rounded(replay.read(at).fine) for at in range(T, end_ns, step)]

    assert len(bars) > 20_000
    assert bars.bar_ns == MIN
    assert prices[0] == 4_631_900
    assert 3_900_000 < min(prices) < max(prices) < 4_900_000
    assert replay.read(end_ns + 11 * NS).sources == 0
