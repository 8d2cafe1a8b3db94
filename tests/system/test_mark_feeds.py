"""A real exchange on prices of others: venues on loopback, files. Source: specs/mark.md."""

from __future__ import annotations

import asyncio
import contextlib
import time
import urllib.error
import urllib.request

import orjson
import pytest
from mark.venue_server import in_thread, say, ticker
from system.process import ExchangeProcess, rsx, run_args, write_config

pytestmark = pytest.mark.system

PRICES = {"BTC": "50000.10", "ETH": "3000.10", "SOL": "150.10"}


async def quote(socket, _number):
    """Best prices of all three products, and tickers, until the end."""
    with contextlib.suppress(ConnectionError):
        while True:
            for name, px in PRICES.items() if not socket.server.quiet else ():
                book = {"s": f"{name}USDT", "b": px, "B": "1", "a": px, "A": "1"}
                message = {"data": book} if socket.is_binance else ticker(px, f"{name}-USD")
                await say(socket, message)
            await asyncio.sleep(0.02)


def health(exchange):
    """(status code, body) of /health."""
    try:
        with urllib.request.urlopen(f"{exchange.url}/health", timeout=5) as answer:
            return answer.status, orjson.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, orjson.loads(error.read())


def until(holds, seconds=10.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        got = holds()
        if got:
            return got
        time.sleep(0.02)
    raise TimeoutError


def metrics(exchange):
    with urllib.request.urlopen(f"{exchange.url}/metrics", timeout=5) as answer:
        return answer.read().decode()


def test_health_says_which_market_has_no_price_from_start_to_outage_and_back_mrk_15(tmp_path):
    with in_thread(quote, refuse=503) as server:
        url = f'"{server.url}"'
        path = write_config(
            tmp_path / "venues.toml", source='"venues"', binance_url=url, coinbase_url=url,
            fresh_ms="500", update_ms="50", alarm_s="1",
        )  # fmt: skip
        with ExchangeProcess(tmp_path / "data", "--config", str(path)) as exchange:
            _, body = until(lambda: (got := health(exchange))[0] == 503 and got)
            assert body["status"] == "unready"
            assert [text.partition(":")[0] for text in body["reasons"]] == [
                "BTC-PERP", "ETH-PERP", "SOL-PERP",
            ]  # fmt: skip
            until(lambda: len(health(exchange)[1]["warnings"]) == 2)
            warning = health(exchange)[1]["warnings"][0]
            assert warning.startswith("binance: no price for ")
            assert "503" in warning

            server.refuse = 0
            _, body = until(lambda: (got := health(exchange))[0] == 200 and got)
            assert (body["status"], body["reasons"]) == ("ok", [])
            until(lambda: 'rsx_mark_venue_connected{venue="binance"} 1.0' in metrics(exchange))
            page = metrics(exchange)
            assert 'rsx_mark_venue_alarms_total{venue="coinbase"} 1.0' in page
            server.quiet = True
            _, body = until(lambda: (got := health(exchange))[0] == 503 and got)
            assert "no fresh price" in body["reasons"][0]

            server.quiet = False
            until(lambda: health(exchange)[0] == 200)


def test_a_file_is_replayed_and_its_end_is_stale(tmp_path):
    bars = tmp_path / "bars.csv"
    rows = [f"2022-01-01 00:0{minute}:00,50000,50010,49990,50005,1\n" for minute in range(9)]
    bars.write_text("timestamp,open,high,low,close,volume\n" + "".join(rows))
    path = write_config(
        tmp_path / "csv.toml", source='"csv"', csv=f'"{bars}"', csv_speed="600", fresh_ms="300",
    )  # fmt: skip
    with ExchangeProcess(tmp_path / "data", "--config", str(path)) as exchange:
        _, body = until(lambda: (got := health(exchange))[0] == 503 and got)

        assert [text.partition(":")[0] for text in body["reasons"]] == ["BTC-PERP"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("timestamp,open,high,low,close,volume\n2022-01-01,1,2,0,1,1\n",
         "bars.csv, line 2, low = '0': not positive, or above max_price"),
        ("o,h,l,c\n", "bars.csv, line 1: 'o,h,l,c' where timestamp,open,"),
        (None, "cannot read"),
    ],
)  # fmt: skip
def test_a_bad_file_ends_the_start_with_one_line(tmp_path, text, told):
    bars = tmp_path / "bars.csv"
    if text is not None:
        bars.write_text(text)
    path = write_config(tmp_path / "csv.toml", source='"csv"', csv=f'"{bars}"')
    done = rsx(*run_args(tmp_path / "data", "--config", str(path)))

    (line,) = done.stderr.splitlines()
    assert line.startswith("rsx: symbols.BTC-PERP.csv: ")
    assert told in line
    assert done.returncode > 0
