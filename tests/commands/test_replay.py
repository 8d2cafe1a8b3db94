"""`rsx replay`: a venue's rows through the compiled book. Real data where it lies beside."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from rsx.cli import main

HEADER = "ts_ns,action,side,price_ticks,qty,order_id"
VENUE_DATA = Path(__file__).resolve().parents[3] / "shared/data/es_futures_orders.csv.gz"


def write(path: Path, *rows: str) -> Path:
    text = "\n".join([HEADER, *(f"1,{row}" for row in rows)]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def replay(capsys: pytest.CaptureFixture[str], path: Path) -> dict[str, int]:
    assert main(["replay", "--json", str(path)]) == 0
    out: dict[str, int] = json.loads(capsys.readouterr().out)
    return out


@pytest.mark.skipif(not VENUE_DATA.exists(), reason="the venue's data is not beside the project")
def test_a_real_opening_is_filled_as_the_venue_did_but_for_hidden_quantity(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = replay(capsys, VENUE_DATA)

    assert (out["exact"], out["trades"]) == (1301, 1369)


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "gzip-without-a-suffix"])
def test_plain_and_compressed_files_are_read_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = write(tmp_path / "made.csv.gz", "A,A,100,5,1", "T,B,100,5,0", "F,A,100,5,1")
    data = path.read_bytes() if name != "rows.csv" else gzip.decompress(path.read_bytes())
    (tmp_path / name).write_bytes(data)
    out = replay(capsys, tmp_path / name)

    assert (out["rows"], out["orders"], out["trades"], out["exact"]) == (3, 2, 1, 1)


@pytest.mark.parametrize(
    ("rows", "exact", "resting"),
    [
        # two makers in order of time; a better price first
        (("A,A,100,5,1", "A,A,100,5,2", "T,B,100,7,0", "F,A,100,5,1", "F,A,100,2,2"), 1, 1),
        (("A,A,101,5,1", "A,A,100,5,2", "T,B,101,7,0", "F,A,100,5,2", "F,A,101,2,1"), 1, 1),
        # the venue filled another one first, or another quantity
        (("A,A,100,5,1", "A,A,100,5,2", "T,B,100,5,0", "F,A,100,5,2"), 0, 1),
        (("A,A,100,5,1", "T,B,100,4,0", "F,A,100,3,1"), 0, 1),
        # a fill of an order that does not rest is the venue's hidden quantity
        (("A,A,100,5,1", "T,B,100,7,0", "F,A,100,5,1", "F,A,100,2,9"), 1, 0),
        (("T,B,100,7,0", "F,A,100,7,9"), 1, 0),
        # a fill fewer, a fill more than the book gives
        (("A,A,100,5,1", "T,B,100,5,0"), 0, 0),
        (("A,A,100,5,1", "T,B,99,5,0", "F,A,100,5,1"), 0, 1),
        # smaller keeps the place, larger or another price loses it
        (("A,B,100,5,1", "A,B,100,5,2", "M,B,100,3,1", "T,A,100,3,0", "F,B,100,3,1"), 1, 1),
        (("A,B,100,5,1", "A,B,100,5,2", "M,B,100,6,1", "T,A,100,5,0", "F,B,100,5,2"), 1, 1),
        (("A,B,100,5,1", "A,B,100,5,2", "M,B,99,5,1", "M,B,100,5,1", "T,A,100,5,0",
          "F,B,100,5,2"), 1, 1),
        # cancelled, and twice; changed after it was cancelled
        (("A,B,100,5,1", "C,B,100,5,1", "C,B,100,5,1", "M,B,100,4,1", "T,A,100,5,0"), 1, 0),
    ],
)  # fmt: skip
def test_what_counts_as_filled_exactly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: tuple[str, ...], exact: int,
    resting: int,
) -> None:  # fmt: skip
    out = replay(capsys, write(tmp_path / "rows.csv", *rows))

    assert (out["trades"], out["exact"], out["resting"]) == (1, exact, resting)


def test_fills_of_an_auction_are_applied_to_a_crossed_book_as_they_stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(
        tmp_path / "rows.csv", "A,B,101,5,1", "A,A,99,5,2", "A,A,99,1,3", "T,N,100,5,0",
        "F,N,100,5,1", "F,N,100,4,2", "F,N,100,9,77", "T,B,99,2,0", "F,A,99,1,2", "F,A,99,1,3",
    )  # fmt: skip
    out = replay(capsys, path)

    assert (out["trades"], out["exact"], out["auction_fills"], out["resting"]) == (1, 1, 3, 0)


def test_a_sweep_of_more_fills_than_any_buffer_is_compared_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    makers = [f"A,A,{100 + oid // 7},1,{oid}" for oid in range(1, 3001)]
    fills = [f"F,A,{100 + oid // 7},1,{oid}" for oid in range(1, 3001)]
    out = replay(capsys, write(tmp_path / "rows.csv", *makers, "T,B,9000,3000,0", *fills))

    assert (out["exact"], out["fills"], out["resting"]) == (1, 3000, 0)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("A,B,100,5", "5 fields where 6 are due"),
        ("A,B,100,5,1,9", "7 fields where 6 are due"),
        ("X,B,100,5,1", "action = 'X' is none of A C M T F"),
        ("A,Q,100,5,1", "side = 'Q' is none of B A"),
        ("A,N,100,5,1", "side = 'N' is none of B A"),
        ("A,B,10.5,5,1", "price_ticks = '10.5' is not a whole number 1 .. 16777215"),
        ("A,B,0,5,1", "price_ticks = '0' is not"),
        ("A,B,99999999,5,1", "price_ticks = '99999999' is not"),
        ("A,B,1_0,5,1", "price_ticks = '1_0' is not"),
        ("A,B,100,-5,1", "qty = '-5' is not a whole number 1 .. "),
        ("A,B,100,,1", "qty = '' is not"),
        ("A,B,100,5,0", "order_id = '0' is not a whole number 1 .. "),
        ("A,B,100,5," + "9" * 60, "order_id = '9999"),
        ("A,B,100,5,2\n1,A,B,100,5,2", "order 2 rests already"),
        ("F,B,100,5,1", "action = 'F' without its T before it"),
    ],
)
def test_a_bad_row_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: str, complaint: str
) -> None:
    path = write(tmp_path / "rows.csv", "A,B,100,5,1", row)
    assert main(["replay", str(path)]) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"rsx: {path}: line {4 if 'rests' in complaint else 3}: ")
    assert complaint in line


def test_a_file_that_is_no_such_file_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write(tmp_path / "whole.csv.gz", *["A,B,100,5,1"] * 50).read_bytes()
    cases = {
        "missing.csv": None,
        "other.csv": b"time,price\n1,2\n",
        "empty.csv": b"",
        "cut.csv.gz": whole[:-20],
        "broken.csv.gz": whole[:20] + b"\xff\xff\xff\xff" + whole[24:],
        "binary.csv": HEADER.encode() + b"\n\xff\xfe\n",
    }
    for name, data in cases.items():
        path = tmp_path / name
        if data is not None:
            path.write_bytes(data)
        assert main(["replay", str(path)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"rsx: {path}: line ")


def test_people_read_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "rows.csv", "A,A,100,5,1", "T,B,100,5,0", "F,A,100,5,1")
    assert main(["replay", str(path)]) == 0

    out = capsys.readouterr().out
    assert "1 of 1 aggressor trades filled exactly as the venue did" in out
    assert "orders/s" in out
