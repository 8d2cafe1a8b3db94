"""The commands that talk to an exchange: DM-20 .. DM-25."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import jwt
import pytest
from click.testing import CliRunner
from client.fake_server import SECRET, FakeExchange
from edge.fakes import SECRET as GATEWAY_SECRET
from edge.fakes import World

from rsx.commands.remote import COMMANDS
from rsx.core.clock import Clock
from rsx.records import FUND_USER_BASE

ROOT = Path(__file__).resolve().parents[2]
GROUP = click.Group(commands={command.name: command for command in COMMANDS})
START = (
    "import click; from rsx.commands.remote import COMMANDS; "
    "click.Group(commands={c.name: c for c in COMMANDS})()"
)


class Served:
    """A fake exchange on a thread of its own, since commands own the main one."""

    def __init__(self) -> None:
        self.exchange = FakeExchange()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.call(self.exchange.start())

    def call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def close(self) -> None:
        self.call(self.exchange.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.close()


def invoke(*args: str, secret: str | None = SECRET):
    return CliRunner().invoke(GROUP, args, env={"RSX_JWT_SECRET": secret, "RSX_URL": None})


def claims(token: str) -> dict:
    return jwt.decode(token, SECRET, algorithms=["HS256"], audience="rsx", issuer="rsx")


def test_token_prints_a_token_that_the_exchange_accepts():
    plain, full = invoke("token", "--user", "5"), invoke(
        "token", "--user", "5", "--ttl", "60", "--admin", "--json"
    )  # fmt: skip

    assert plain.exit_code == 0 and plain.stdout.count("\n") == 1
    found = claims(plain.stdout.strip())
    assert found["sub"] == "5" and "role" not in found
    assert found["exp"] - found["iat"] == 86_400
    shown = json.loads(full.stdout)
    found = claims(shown["token"])
    assert (shown["user"], shown["role"], found["role"]) == (5, "admin", "admin")
    assert found["exp"] - found["iat"] == 60 and abs(found["exp"] - shown["expires_s"]) <= 1


def test_no_token_acts_for_an_account_of_the_exchange_itself():
    last = invoke("token", "--user", str(FUND_USER_BASE - 1))
    refused = invoke("token", "--user", str(FUND_USER_BASE + 1))

    assert last.exit_code == 0
    assert refused.exit_code == 2 and str(FUND_USER_BASE + 1) in refused.stderr


def test_the_secret_of_the_data_folder_is_used_and_never_made(tmp_path):
    missing = invoke("token", "--user", "5", "--data", str(tmp_path), secret=None)
    assert missing.exit_code == 1 and missing.stdout == ""
    assert missing.stderr.startswith("rsx: no secret") and missing.stderr.count("\n") == 1
    assert str(tmp_path) in missing.stderr and list(tmp_path.iterdir()) == []

    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    found = invoke("token", "--user", "5", "--data", str(tmp_path), secret=None)
    assert claims(found.stdout.strip())["sub"] == "5"

    secret.write_text("short")
    short = invoke("token", "--user", "5", "--data", str(tmp_path), secret=None)
    assert short.exit_code == 1 and short.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "args",
    [
        ["token"],
        ["token", "--user", "0"],
        ["token", "--user", "4294967296"],
        ["token", "--user", "x"],
        ["token", "--user", "1", "--ttl", "0"],
        ["deposit", "--user", "1"],
        ["deposit", "--user", "1", "--amount", "1", "--url", "localhost:8080"],
        ["mode", "BTC-PERP"],
        ["mode", "BTC-PERP", "closed"],
        ["mode", "BTC-PERP", "post_only"],
        ["cancel-all"],
        ["cancel-all", "--user", "0"],
        ["account"],
        ["account", "--user", "1", "--stp", "all"],
        ["account", "--user", "1", "--owner-group", "-1"],
        ["watch", "--url", "ftp://x"],
        ["watch", "A", "B"],
    ],
)
def test_misuse_exits_with_2(args):
    result = invoke(*args)
    assert result.exit_code == 2 and result.stdout == ""


def test_deposit_pays_and_says_so(served):
    url = served.exchange.url
    text = invoke("deposit", "--user", "5", "--amount", "100.5", "--url", url)
    full = invoke("deposit", "--user", "5", "--amount", "0.5", "--url", url, "--json")

    assert text.exit_code == 0 and "deposited 100.5" in text.stdout
    assert json.loads(full.stdout) == {"user": 5, "amount": "0.50000000", "seq": 2}
    assert served.exchange.balances[5] == 101 * 10**8


def place(served: Served, user: int, cid: str, side: int = 0, px: int = 4_000_000) -> None:
    served.call(served.exchange.place(user, 1, side, px, 10_000, cid))


def test_mode_sets_a_market_s_trading_mode(served):
    url = served.exchange.url
    text = invoke("mode", "btc-perp", "post-only", "--url", url)
    full = invoke("mode", "BTC-PERP", "halt", "--url", url, "--json")
    unknown = invoke("mode", "DOGE-PERP", "halt", "--url", url)

    assert text.exit_code == 0
    assert text.stdout == "BTC-PERP is post-only, was open (log number 1)\n"
    assert json.loads(full.stdout) == {
        "symbol": "BTC-PERP", "mode": "halt", "previous": "post_only", "seq": 2,
    }  # fmt: skip
    assert served.exchange.markets[1].mode == 3
    assert unknown.exit_code == 1 and "UNKNOWN_SYMBOL" in unknown.stderr


def test_cancel_all_ends_a_user_s_orders(served):
    url = served.exchange.url
    for cid in "abc":
        place(served, 5, cid)
    place(served, 6, "other")
    served.call(served.exchange.place(5, 2, 0, 100, 1000, "eth"))

    one = invoke("cancel-all", "--user", "5", "--symbol", "eth-perp", "--url", url, "--json")
    rest = invoke("cancel-all", "--user", "5", "--url", url)

    assert json.loads(one.stdout) == {"user": 5, "symbol": "ETH-PERP", "cancelled": 1}
    assert rest.stdout == "cancelled 3 orders and triggers of user 5\n"
    assert [o.cid for o in served.exchange.orders.values() if o.is_open] == ["other"]
    assert {o.reason for o in served.exchange.orders.values() if o.user == 5} == {3111}


def test_account_shows_what_a_user_has_and_changes_its_settings(served):
    url = served.exchange.url
    served.exchange.balances[5] = 101 * 10**8
    place(served, 5, "mine")
    served.call(served.exchange.trigger(5, 1, 2, 1, 10_000, 4_500_000, 0, "st", None))

    change = invoke("account", "--user", "5", "--owner-group", "7", "--stp", "oldest", "--url", url)
    again = invoke("account", "--user", "5", "--stp", "both", "--url", url, "--json")
    text = invoke("account", "--user", "5", "--url", url)
    full = invoke("account", "--user", "5", "--url", url, "--json")

    assert change.stdout == "user 5: owner group 7, stp oldest\n"
    assert json.loads(again.stdout) == {"user": 5, "owner_group": 7, "stp": "both"}
    assert "user 5: owner group 7, stp both" in text.stdout
    assert "available" in text.stdout and "101.00000000" in text.stdout
    assert "resting   buy 0.010000 BTC-PERP 40000.00" in text.stdout
    assert "waiting   sell 0.010000 BTC-PERP stop-market 45000.00" in text.stdout
    found = json.loads(full.stdout)
    assert found["user"] == 5 and found["account"]["available"] == "101.00000000"
    assert [o["kind"] for o in found["orders"]] == ["limit", "stop_market"]
    assert found["settings"] == {"type": "settings", "stp": "both", "owner_group": 7}


@pytest.mark.parametrize("amount", ["x", "1e-9", "NaN", "1,5"])
def test_an_amount_that_is_none_is_misuse(served, amount):
    result = invoke("deposit", "--user", "5", "--amount", amount, "--url", served.exchange.url)
    assert result.exit_code == 2 and "--amount" in result.stderr
    assert served.exchange.balances == {}


def test_what_the_exchange_refuses_is_one_line(served):
    url = served.exchange.url
    refused = invoke("deposit", "--user", "5", "--amount", "-1", "--url", url)
    stranger = invoke("deposit", "--user", "5", "--amount", "1", "--url", url, secret="x" * 40)
    unknown = invoke("watch", "DOGE-PERP", "--url", url)

    for result, part in (
        (refused, "AMOUNT_INVALID (2004)"),
        (stranger, "is data the data folder of the exchange"),
        (unknown, "known: BTC-PERP, ETH-PERP"),
    ):
        assert result.exit_code == 1 and result.stdout == ""
        assert result.stderr.startswith("rsx: ") and result.stderr.count("\n") == 1
        assert part in result.stderr


@pytest.mark.parametrize(
    "args",
    [["deposit", "--user", "5", "--amount", "1"], ["mode", "BTC-PERP", "halt"],
     ["cancel-all", "--user", "5"], ["account", "--user", "5"],
     ["account", "--user", "5", "--stp", "none"], ["watch"]],
)  # fmt: skip
def test_an_exchange_that_is_not_there_is_one_line(args):
    result = invoke(*args, "--url", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stderr == (
        "rsx: nothing answers at http://127.0.0.1:1: connection refused; is the exchange running?\n"
    )


# --- watch, as a process ------------------------------------------------------------------


def start(*args: str, **options) -> subprocess.Popen:
    env = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([sys.executable, "-c", START, *args], env=env, **options)


def trade(served: Served) -> None:
    exchange = served.exchange
    number = len(exchange.orders)
    served.call(exchange.place(9, 1, 1, 5_000_000, 10_000, f"m{number}"))
    served.call(exchange.place(8, 1, 0, 5_000_000, 2500, f"t{number}", 1))


def test_watch_without_a_terminal_prints_lines_until_interrupted(served):
    process = start("watch", "btc-perp", "--url", served.exchange.url, stdout=subprocess.PIPE)
    with process:
        assert b"bid" in process.stdout.readline()
        trade(served)
        lines = [process.stdout.readline().decode() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert "ask 0.010000 @ 50000.00" in lines[0]
    assert "trade buy  0.002500 @ 50000.00" in lines[1]
    assert "ask 0.007500 @ 50000.00" in lines[2]


def test_watch_json_prints_one_object_a_line(served):
    process = start("watch", "--json", "--url", served.exchange.url, stdout=subprocess.PIPE)
    with process:
        first = [json.loads(process.stdout.readline()) for _ in range(2)]
        trade(served)
        then = [json.loads(process.stdout.readline()) for _ in range(5)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert [e["type"] for e in first] == ["book", "bbo"]
    assert [e["type"] for e in then] == ["book", "bbo", "trade", "book", "bbo"]
    assert then[2]["price"] == "50000.00" and then[2]["taker_side"] == "buy"
    assert then[4]["ask"] == {"price": "50000.00", "qty": "0.007500", "count": 1}
    assert then[4]["bid"] is None


def test_watch_tells_of_the_trading_mode(served):
    process = start("watch", "btc-perp", "--url", served.exchange.url, stdout=subprocess.PIPE)
    with process:
        assert b"bid" in process.stdout.readline()
        served.call(served.exchange.set_mode(1, 2))
        line = process.stdout.readline().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert "BTC-PERP mode cancel-only" in line
    process = start("watch", "btc-perp", "--url", served.exchange.url, stdout=subprocess.PIPE)
    with process:
        assert process.stdout.readline() == b"-- BTC-PERP mode cancel-only\n"
        process.send_signal(signal.SIGINT)
    process = start("watch", "--json", "--url", served.exchange.url, stdout=subprocess.PIPE)
    with process:
        found = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
    assert (found["type"], found["mode"], found["seq"]) == ("mode", "cancel_only", 0)


def test_watch_into_a_closed_pipe_ends_quietly(served):
    process = start(
        "watch", "--url", served.exchange.url, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        process.stdout.readline()
        process.stdout.close()
        while process.poll() is None:
            trade(served)
        assert process.stderr.read() == b""


@pytest.mark.parametrize("leave", ["q", "interrupt"])
def test_watch_draws_in_a_terminal_and_leaves_it_as_it_was(served, leave):
    import termios

    trade(served)
    outer, inner = pty.openpty()
    termios.tcsetwinsize(inner, (30, 100))
    before = termios.tcgetattr(inner)
    process = start("watch", "--url", served.exchange.url, stdin=inner, stdout=inner, stderr=inner)
    with process:
        screen = read_until(outer, "0.0075")
        assert "BTC-PERP" in screen and "50000.0 ▲" in screen and "q quit" in screen
        trade(served)
        read_until(outer, "0.0150")
        served.call(served.exchange.set_mode(1, 3))
        read_until(outer, "HALT")
        served.call(served.exchange.set_mode(1, 0))
        served.call(served.exchange.stop())
        read_until(outer, "NO CONNECTION")
        served.call(served.exchange.start())
        read_until(outer, "caught up")
        if leave == "q":
            os.write(outer, b"q")
        else:
            process.send_signal(signal.SIGINT)
        read_until(outer, "\x1b[?1049l")
        assert process.wait(10) == 0
    assert termios.tcgetattr(inner) == before
    os.close(outer)
    os.close(inner)


def read_until(fd: int, text: str) -> str:
    """Read a terminal until a text has appeared."""
    seen = b""
    while text not in seen.decode(errors="replace"):
        assert select.select([fd], [], [], 15)[0], seen.decode(errors="replace")[-2000:]
        seen += os.read(fd, 65536)
    return seen.decode(errors="replace")


class ServedGateway:
    """The real gateway over a fake engine, on a thread of its own."""

    def __init__(self) -> None:
        self.world = World(clock=Clock.system())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.call(self.world.__aenter__())

    def call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def invoke(self, *args: str):
        env = {"RSX_JWT_SECRET": GATEWAY_SECRET.decode(), "RSX_URL": self.world.base}
        return CliRunner().invoke(GROUP, args, env=env)

    def close(self) -> None:
        self.call(self.world.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def gateway() -> Iterator[ServedGateway]:
    served = ServedGateway()
    yield served
    served.close()


def test_rules_of_a_market_are_shown_and_changed(gateway):
    changed = gateway.invoke(
        "symbol", "btc-perp", "taker_fee_ppm=350", "max_qty=2", 'brackets=[["100000",90000,60000]]'
    )
    assert (changed.exit_code, changed.stdout) == (0, "BTC-PERP has version 2 (log number 4)\n")
    shown = json.loads(gateway.invoke("symbol", "BTC-PERP", "--json").stdout)
    assert (shown["taker_fee"], shown["max_qty"], shown["version"]) == ("0.000350", "2.000000", 2)
    assert shown["brackets"] == [["100000.00000000", "0.090000", "0.060000"]]
    assert "funding_interval_s" in shown["rules"]
    assert "funding interval s" in gateway.invoke("symbol", "BTC-PERP").stdout


def test_rules_that_cannot_be_are_one_line_of_why(gateway):
    for change, code in (
        ("taker_fee_ppm=999999", 1), ("nonsense=1", 1), ("max_qty=x", 1), ("taker_fee_ppm=x", 2),
        ("taker_fee_ppm", 2), ("brackets=[", 2),
    ):  # fmt: skip
        done = gateway.invoke("symbol", "BTC-PERP", change)
        assert (done.exit_code, done.stdout) == (code, ""), change
        assert change.split("=")[0] in done.stderr
    assert gateway.world.engine.requests == []


def test_money_is_withdrawn_as_far_as_it_is_free(gateway):
    gateway.world.engine.account = {"withdrawable": 3 * 10**8}
    done = gateway.invoke("withdraw", "--user", "7", "--amount", "2.5")
    assert (done.exit_code, done.stdout) == (0, "withdrew 2.50000000 from user 7 (log number 1)\n")
    more = gateway.invoke("withdraw", "--user", "7", "--amount", "5")
    assert more.exit_code == 1 and "3.00000000 is available" in more.stderr


def test_an_account_shows_margin_leverage_and_liquidation_price(gateway):
    engine = gateway.world.engine
    engine.account = {"collateral": 10**8}
    engine.positions = [{"symbol_id": 1, "net_qty": 10**6, "entry_cost": 5 * 10**12}]
    engine.risk = {1: {"liquidation_px": 4400000, "leverage": 10, "margin_mode": 1}}
    shown = gateway.invoke("account", "--user", "1").stdout
    assert "isolated, leverage 10x" in shown and "liquidation at 44000.00" in shown
