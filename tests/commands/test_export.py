"""`rsx export`: files that pandas and backtesting tools read back (AR-40 to AR-43)."""

from __future__ import annotations

import csv
import io
import sqlite3
import sys
from decimal import Decimal

import pandas
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from scenario.chaos import Chaos
from store.helpers import archived
from world import IOC, NOW_NS, World

from rsx import cli
from rsx.store.export import NAMES

D = Decimal
MINUTE_NS = 60_000_000_000


def run(*args):
    """(exit code, stdout, stderr) of `rsx export`."""
    result = CliRunner().invoke(cli.cli, ["export", *map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder with three minutes of trades and an archive of them."""
    folder = tmp_path_factory.mktemp("data")
    world = World(folder)
    world.deposit(1, 2)
    world.run()
    for minute, px in ((0, 1000), (0, 1010), (3, 990)):
        world.clock.set(NOW_NS + minute * MINUTE_NS)
        world.place(1, 0, px, 20, cid=f'c,"{px}')
        world.place(2, 1, px, 20, tif=IOC)
        world.run()
    world.stop(2, 1, 900, 10)
    world.run()
    archived(folder / "archive.db", world.log())
    world.close()
    return folder


@pytest.fixture(scope="module")
def lively(tmp_path_factory):
    """The same of a drawn history with every kind of row, and its database."""
    folder = tmp_path_factory.mktemp("lively")
    chaos = Chaos(folder, 18, bold=9)
    for _ in range(250):
        chaos.act()
    chaos.run()
    path = archived(folder / "archive.db", chaos.log())
    chaos.close()
    return path


def test_fills_as_csv(folder, tmp_path):
    out = tmp_path / "fills.csv"
    code, _, said = run(folder, "--table", "fills", "--out", out, "--user", 2)
    assert code == 0
    assert said.startswith(f"3 rows to {out} (as of record")
    first = rows_of(out)[0]
    assert first["time"] == "2023-11-14T22:13:20.000000000Z"
    assert first["time_ns"] == str(NOW_NS)
    assert {key: first[key] for key in ("user", "symbol", "price", "qty", "side", "maker")} == {
        "user": "2", "symbol": "M1-PERP", "price": "100.0", "qty": "0.20", "side": "sell",
        "maker": "false",
    }  # fmt: skip
    assert (first["fee"], first["notional"]) == ("0.008", "20.000")


def test_client_ids_survive_what_csv_makes_of_them(folder, tmp_path):
    out = tmp_path / "orders.csv"
    assert run(folder, "--table", "orders", "--out", out)[0] == 0
    orders = rows_of(out)
    assert orders[0]["cid"] == 'c,"1000'
    assert (orders[-1]["status"], orders[-1]["type"], orders[-1]["ended"]) == (
        "waiting", "stop_market", "")  # fmt: skip


@pytest.mark.parametrize("table", NAMES)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_every_table_in_both_formats_is_read_by_pandas(lively, tmp_path, table, form):
    out = tmp_path / f"{table}.{form}"
    code, _, said = run("--db", lively, "--table", table, "--format", form, "--out", out)
    assert code == 0, said
    frame = pandas.read_csv(out) if form == "csv" else pandas.read_parquet(out)
    assert len(frame) == int(said.split()[0].replace(",", "")) > 0
    db = sqlite3.connect(lively)
    if table == "fills":
        assert len(frame) == 2 * db.execute("SELECT count(*) FROM fills").fetchone()[0]
    elif table == "balances":
        more = sum(db.execute(f"SELECT count(*) FROM fills WHERE {side}_change <> 0").fetchone()[0]
                   for side in ("taker", "maker"))  # fmt: skip
        assert len(frame) == more + db.execute("SELECT count(*) FROM balances").fetchone()[0]
        assert frame["seq"].is_monotonic_increasing
    elif table not in ("candles", "trades"):
        assert len(frame) == db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    db.close()


@pytest.mark.parametrize("table", NAMES)
def test_csv_and_parquet_say_the_same(lively, tmp_path, table):
    assert run("--db", lively, "--table", table, "--out", tmp_path / "a.csv")[0] == 0
    assert run("--db", lively, "--table", table, "--format", "parquet",
               "--out", tmp_path / "a.parquet")[0] == 0  # fmt: skip
    texts = rows_of(tmp_path / "a.csv")
    data = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    for name in data.column_names:
        column = data.column(name)
        kind = str(column.type)
        if kind.startswith("timestamp"):
            due = [row[f"{name}_ns"] for row in texts]
            values = ["" if v is None else str(v) for v in column.cast("int64").to_pylist()]
        elif kind.startswith("decimal"):
            due = [D(row[name]) for row in texts]
            values = column.to_pylist()
        elif kind == "bool":
            due = [row[name] == "true" for row in texts]
            values = column.to_pylist()
        else:
            due = [row[name] for row in texts]
            values = [str(v) for v in column.to_pylist()]
        assert values == due, name


def test_parquet_has_exact_types_of_one_market(folder, tmp_path):
    out = tmp_path / "t.parquet"
    run(folder, "--table", "trades", "--symbol", "M1-PERP", "--format", "parquet", "--out", out)
    schema = pyarrow.parquet.read_schema(out)
    assert str(schema.field("price").type) == "decimal128(38, 1)"
    assert str(schema.field("qty").type) == "decimal128(38, 2)"
    assert str(schema.field("time").type) == "timestamp[ns, tz=UTC]"
    assert pyarrow.parquet.read_table(out)["price"].to_pylist() == [
        D("100.0"),
        D("101.0"),
        D("99.0"),
    ]


def test_candles_with_gaps_and_without(folder, tmp_path):
    out = tmp_path / "candles.csv"
    args = (folder, "--table", "candles", "--symbol", "M1-PERP", "--out", out)
    assert run(*args)[0] == 0
    assert [(row["open"], row["close"], row["trades"]) for row in rows_of(out)] == [
        ("100.0", "101.0", "2"), ("101.0", "101.0", "0"), ("101.0", "101.0", "0"),
        ("99.0", "99.0", "1"),
    ]  # fmt: skip
    assert run(*args, "--gaps", "skip", "--force")[0] == 0
    assert [row["trades"] for row in rows_of(out)] == ["2", "1"]
    start = NOW_NS // MINUTE_NS * MINUTE_NS
    assert run(*args, "--force", "--from", start + MINUTE_NS, "--to", start + 3 * MINUTE_NS)[0] == 0
    assert [row["close"] for row in rows_of(out)] == ["101.0", "101.0"]


def test_klines_in_the_columns_of_binance(folder, tmp_path):
    """What tools for its archives read: names, milliseconds, the end of the interval."""
    out = tmp_path / "klines.csv"
    assert run(folder, "--table", "candles", "--symbol", "M1-PERP", "--layout", "binance",
               "--out", out)[0] == 0  # fmt: skip
    frame = pandas.read_csv(out)
    assert list(frame.columns) == [
        "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume",
        "count", "taker_buy_volume", "taker_buy_quote_volume", "ignore",
    ]  # fmt: skip
    frame["open_time"] = pandas.to_datetime(frame["open_time"], unit="ms", utc=True)
    frame = frame.set_index("open_time")
    assert frame.index.to_series().diff().dropna().unique() == pandas.Timedelta(minutes=1)
    first = frame.iloc[0]
    assert (first["high"], first["low"], first["volume"], first["count"]) == (101, 100, 0.4, 2)
    assert first["quote_volume"] == pytest.approx(40.2)
    daily = frame["close"].resample("1D").last()
    assert list(daily) == [99]


def test_trades_in_the_columns_of_binance(folder, tmp_path):
    out = tmp_path / "trades.csv"
    assert run(folder, "--table", "trades", "--symbol", "M1-PERP", "--layout", "binance",
               "--out", out)[0] == 0  # fmt: skip
    frame = pandas.read_csv(out)
    assert list(frame.columns) == ["id", "price", "qty", "quote_qty", "time", "is_buyer_maker"]
    assert list(frame["price"]) == [100.0, 101.0, 99.0]
    assert list(frame["time"]) == [NOW_NS // 10**6, NOW_NS // 10**6, NOW_NS // 10**6 + 180_000]
    assert frame["is_buyer_maker"].all()


def test_ranges_and_markets(folder, tmp_path):
    def count(*args):
        out = tmp_path / "x.csv"
        code, _, said = run(folder, "--table", "trades", "--out", out, "--force", *args)
        assert code == 0, said
        return len(rows_of(out))

    assert count() == 3
    assert count("--from", "2023-11-14T22:14:00") == 1
    assert count("--to", "2023-11-14T23:14:00+01:00") == 2
    assert count("--from", NOW_NS + 1) == 1
    assert count("--symbol", "M2-PERP") == 0
    assert count("--from", "2030-01-01") == 0


def test_stdout(folder):
    code, text, _ = run(folder, "--table", "trades", "--out", "-")
    assert code == 0
    assert len(list(csv.reader(io.StringIO(text)))) == 4


def test_a_file_that_is_there_is_not_overwritten(folder, tmp_path):
    out = tmp_path / "a.csv"
    out.write_text("mine")
    code, _, said = run(folder, "--table", "trades", "--out", out)
    assert (code, out.read_text()) == (1, "mine")
    assert "--force" in said
    assert run(folder, "--table", "trades", "--out", out, "--force")[0] == 0
    assert out.read_text().startswith("seq,")
    assert list(tmp_path.iterdir()) == [out]  # nothing half written beside it


def test_an_export_that_fails_leaves_nothing(folder, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rsx.store.files.write_csv", fail)
    code, _, said = run(folder, "--table", "trades", "--out", tmp_path / "a.csv")
    assert code == 1
    assert "No space left" in said
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_it_says_what_to_install(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = tmp_path / "a.parquet"
    code, _, said = run(folder, "--table", "trades", "--format", "parquet", "--out", out)
    assert code == 1
    assert "pip install 'rsx[export]'" in said
    assert not out.exists()


@pytest.mark.parametrize(("args", "code", "what"), [
    (["--table", "nothing"], 2, "nothing"),
    (["--table", "fills", "--format", "xml"], 2, "xml"),
    (["--table", "candles", "--interval", "2m"], 2, "2m"),
    (["--table", "fills", "--symbol", "NO-PERP"], 2, "NO-PERP"),
    (["--table", "fills", "--user", "0"], 2, "0"),
    (["--table", "fills", "--from", "soon"], 2, "soon"),
    (["--table", "fills", "--from", "1900-01-01"], 2, "1900-01-01"),
    (["--table", "fills", "--from", "9", "--to", "9"], 2, "9"),
    (["--table", "trades", "--user", "7"], 2, "7"),
    (["--table", "fills", "--layout", "binance", "--symbol", "M1-PERP"], 2, "fills"),
    (["--table", "trades", "--layout", "binance"], 2, "--symbol"),
    (["--table", "candles", "--price", "mark", "--interval", "1s"], 2, "1s"),
    (["--table", "trades", "--format", "parquet", "--out", "-"], 1, "stdout"),
])  # fmt: skip
def test_what_cannot_be_is_refused(folder, tmp_path, args, code, what):
    """AR-43."""
    out = [] if "--out" in args else ["--out", tmp_path / "x"]
    found, _, said = run(folder, *args, *out)
    assert found == code
    assert what in said
    assert "Traceback" not in said


def test_databases_that_are_not_ours(folder, tmp_path):
    args = ("--table", "fills", "--out", tmp_path / "x.csv")
    code, _, said = run(tmp_path, *args)
    assert (code, "archive.db: there is no archive" in said) == (1, True)
    code, _, said = run(*args)
    assert (code, "DIR or --db" in said) == (2, True)
    text = tmp_path / "text.db"
    text.write_text("no database, " * 100)
    code, _, said = run("--db", text, *args)
    assert (code, "not a database" in said) == (1, True)
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE t (x)").connection.close()
    code, _, said = run("--db", other, *args)
    assert (code, "no archive" in said) == (1, True)
    newer = tmp_path / "newer.db"
    newer.write_bytes((folder / "archive.db").read_bytes())
    db = sqlite3.connect(newer)
    db.execute("INSERT INTO migrations VALUES (99, 'of_the_future', 0)")
    db.commit()
    db.close()
    code, _, said = run("--db", newer, *args)
    assert code == 1
    assert "of_the_future" in said
    assert not (tmp_path / "x.csv").exists()


def test_it_reads_beside_a_writer(folder, tmp_path):
    lock = sqlite3.connect(folder / "archive.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    assert run(folder, "--table", "fills", "--out", tmp_path / "x.csv")[0] == 0
    lock.execute("ROLLBACK")
    lock.close()
