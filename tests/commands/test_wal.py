"""`rsx wal dump|stats|verify`: specs/wal.md section 4, also while the log is written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from world import BUY, IOC, SELL, World

from rsx import records
from rsx.cli import main
from rsx.core.crc import record_crc, sealed
from rsx.records import RECORD_SIZE
from rsx.wal import inspect as inspection
from rsx.wal.segments import list_segments
from rsx.wal.slots import Place

ROOT = Path(__file__).resolve().parents[2]
SEGMENT_RECORDS = (1 << 20) // RECORD_SIZE
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path / "data")
    world.deposit(1, 2)
    world.run()
    world.place(1, SELL, 1005, 100, cid="one")
    world.place(1, SELL, 1010, 50, symbol=2)
    world.place(2, BUY, 1005, 150, tif=IOC)
    world.place(2, BUY, 990, 70, cid="two")
    world.run()
    yield world
    world.close()


@pytest.fixture
def rsx(capsys: pytest.CaptureFixture[str]) -> Run:
    """rsx("dump", world, "--json"): exit code, output, errors."""

    def run(command: str, place: World | Path, *args: str) -> tuple[int, str, str]:
        folder = place.folder if isinstance(place, World) else place
        code = main(["wal", command, str(folder), *args])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def dump(rsx: Run, world: World, *args: str) -> list[dict[str, Any]]:
    code, out, _ = rsx("dump", world, "--json", *args)
    assert code == 0
    return [json.loads(line) for line in out.splitlines()]


def overwrite(world: World, seq: int, data: bytes, at: int = 0) -> Path:
    """Change bytes of a record on disk, `at` bytes into it; returns its file."""
    segment = next(s for s in reversed(list_segments(world.folder)) if s.first <= seq)
    with open(segment.path, "r+b") as file:
        file.seek((seq - segment.first) * RECORD_SIZE + at)
        file.write(data)
    return segment.path


def promise(world: World) -> None:
    """Let the log say of what is in it that it was on disk: what is bad there is damage then."""
    world.wal.sync_marks = True
    for _ in range(2):
        world.deposit(1)
        world.run()
    assert world.names()[-2] == "LOG_SYNCED"


def fill_segments(world: World, count: int) -> None:
    while world.wal.appended < count * SEGMENT_RECORDS + 50:
        for _ in range(900):
            world.cancel(1, 1)
        world.run()


# --- dump -------------------------------------------------------------------------------------


def test_dump_prints_a_line_per_record_with_prices_as_decimals(rsx: Run, world: World) -> None:
    for place in (world.folder, world.folder.parent):
        code, out, _ = rsx("dump", place)
        lines = out.splitlines()
        assert code == 0
        assert len(lines) == world.wal.appended
    fill = next(line for line in lines if " FILL " in line)
    assert "M1-PERP" in fill and "px=100.5 qty=1.00" in fill and "taker_side=buy" in fill
    assert any('cid="one"' in line and "side=sell tif=GTC flags=rests" in line for line in lines)
    assert any("reason=IOC_REMAINDER" in line for line in lines)


def test_dump_as_json_keeps_the_integers(rsx: Run, world: World) -> None:
    rows = dump(rsx, world)
    assert [row["seq"] for row in rows] == list(range(1, world.wal.appended + 1))
    fill = next(row for row in rows if row["type"] == "FILL")
    assert (fill["px"], fill["qty"], fill["symbol"], fill["epoch"]) == (1005, 100, "M1-PERP", 1)
    assert fill["length"] == 112 and fill["crc"] > 0


def test_dump_shows_only_what_is_asked_for(rsx: Run, world: World) -> None:
    def seqs(*args: str) -> list[int]:
        return [row["seq"] for row in dump(rsx, world, *args)]

    rows = dump(rsx, world)
    assert seqs("--from", "3", "--to", "5") == [3, 4, 5]
    assert seqs("--from", "1000") == []
    assert seqs("--type", "fill", "--type", "DEPOSIT") == [
        row["seq"] for row in rows if row["type"] in ("FILL", "DEPOSIT")
    ]
    for user in (1, 2):
        assert seqs("--type", "FILL", "--user", str(user)) == seqs("--type", "FILL")
    assert seqs("--user", "1") == [
        row["seq"] for row in rows
        if 1 in (row.get("user_id"), row.get("taker_user_id"), row.get("maker_user_id"))
    ]  # fmt: skip
    for symbol in ("2", "M2-PERP", "m2-perp"):
        assert seqs("--symbol", symbol) == [
            row["seq"] for row in rows if row.get("symbol_id") == 2
        ]  # fmt: skip
    assert seqs("--symbol", "NONE") == []


def test_dump_crosses_segments_and_still_knows_the_scales(rsx: Run, world: World) -> None:
    fill_segments(world, 1)
    world.place(2, BUY, 985, 70)
    world.run()
    code, out, _ = rsx("dump", world, "--from", str(SEGMENT_RECORDS - 1))
    lines = out.splitlines()
    assert code == 0
    assert "SEGMENT_STARTED" in lines[2]
    assert "px=98.5 qty=0.70" in lines[-1]


def test_dump_prints_what_is_sound_and_says_where_it_ends(rsx: Run, world: World) -> None:
    promise(world)
    path = overwrite(world, 6, b"\xff", 60)
    code, out, err = rsx("dump", world)
    assert code == 1
    assert len(out.splitlines()) == 5
    assert f"{path}: no valid record 6 at offset 640" in err


def test_a_wrong_type_is_misuse(rsx: Run, world: World) -> None:
    assert rsx("dump", world, "--type", "NOTHING")[0] == 2
    assert rsx("dump", world, "--type", "ORDER_REQUEST")[0] == 2


@pytest.mark.parametrize("command", ["dump", "stats", "verify"])
def test_a_folder_without_a_log_is_an_error_in_one_line(
    rsx: Run, tmp_path: Path, command: str
) -> None:
    for place in (tmp_path, tmp_path / "missing"):
        code, out, err = rsx(command, place)
        assert (code, out, len(err.splitlines())) == (1, "", 1)
        assert str(place) in err


def test_the_readers_end_of_a_pipe_may_close_early(world: World) -> None:
    fill_segments(world, 1)
    script = (
        "import sys; from rsx.cli import main; "
        f"sys.exit(main(['wal', 'dump', {str(world.folder)!r}]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    with process.stdout, process.stderr:
        assert b"SEGMENT_STARTED" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.wait(30) == 0


def test_dump_follows_a_log_that_is_being_written(
    rsx: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the end of a segment; --to ends it here."""
    last = SEGMENT_RECORDS + 20

    def write_more(seconds: float) -> None:
        for _ in range(1000):
            world.cancel(1, 1)
        world.run()

    monkeypatch.setattr("time.sleep", write_more)
    rows = dump(rsx, world, "--follow", "--to", str(last))
    assert [row["seq"] for row in rows] == list(range(1, last + 1))


def log_of(folder: Path, *rows: bytes) -> Path:
    """A log that begins as every log does, and goes on with these records."""
    head = [
        records.SEGMENT_STARTED.pack(exchange_id=7),
        records.LOG_STARTED.pack(exchange_id=7, money_decimals=3),
        records.SYMBOL_CONFIG.pack(
            symbol_id=1, name=b"M1-PERP", price_decimals=1, qty_decimals=2, config_version=1
        ),
    ]
    data = b"".join(sealed(row, seq, 1) for seq, row in enumerate([*head, *rows], 1))
    path = folder / "wal" / f"{1:020d}.wal"
    path.parent.mkdir(parents=True)
    path.write_bytes(data.ljust(1 << 20, b"\0"))
    return folder


def test_dump_shows_the_terms_of_orders_triggers_and_modes_by_name(
    rsx: Run, tmp_path: Path
) -> None:
    """And leaves out what says nothing."""
    cid = {"cid": b"st-1", "cid_len": 4}
    folder = log_of(
        tmp_path,
        records.SYMBOL_LIMITS.pack(
            symbol_id=1, notional_min=5000, tick_from_1=10_000, tick_1=5, price_band_ppm=200_000,
            market_band_ppm=50_000, config_version=1,
        ),
        records.TRIGGER_PLACED.pack(
            oid=9, qty=150, trigger_px=995, trail_ppm=0, user_id=1, symbol_id=1, kind=2, side=1,
            tif=1, flags=2 | 32, **cid,
        ),
        records.TRIGGER_FIRED.pack(
            oid=9, qty=150, trigger_px=995, fired_px=990, user_id=1, symbol_id=1, kind=2, side=1,
            tif=1, stp=2,
        ),
        records.ORDER_ACCEPTED.pack(
            oid=10, px=1000, qty=100, user_id=1, symbol_id=1, tif=3, expire_s=2_000_000_000,
            flags=1 | 8 | 16,
        ),
        records.ORDER_AMENDED.pack(oid=10, px=1000, qty=50, remaining=50, symbol_id=1, flags=64),
        records.ORDER_DUPLICATE.pack(
            oid=11, original_oid=10, original_px=1000, original_qty=50, original_remaining=50,
            original_status=1, original_tif=3, symbol_id=1,
        ),
        records.TRADING_MODE.pack(symbol_id=1, mode=2, previous=0, user_id=4_294_000_000),
        records.ACCOUNT_CONFIG.pack(user_id=1, owner_group=7, stp=3),
        records.CANCEL_ALL_DONE.pack(symbol_id=1, user_id=1, cancelled=4, reason=3110),
    )  # fmt: skip
    code, out, _ = rsx("dump", folder)
    lines = [line.split(" ", 1)[1] for line in (row.strip() for row in out.splitlines()[3:])]

    assert code == 0
    for line, parts in zip(lines, (
        "notional_min=5.000 tick_from_1=1000.0 tick_1=0.5 price_band_ppm=200000",
        'qty=1.50 trigger_px=99.5 user_id=1 kind=stop_market side=sell tif=IOC '
        'flags=reduce_only+last_price cid="st-1"',
        "trigger_px=99.5 fired_px=99.0 user_id=1 kind=stop_market stp=oldest side=sell",
        "expire_s=2033-05-18T03:33:20Z user_id=1 side=buy tif=GTD "
        "flags=post_only+reprice+on_disconnect",
        "remaining=0.50", "original_status=resting original_side=buy original_tif=GTD",
        "mode=cancel_only previous=open", "owner_group=7 stp=both",
        "cancelled=4 reason=CANCEL_ALL",
    ), strict=True):  # fmt: skip
        assert parts in line, line
    assert "flags=kept" in lines[4] and "tick_from_2" not in lines[0]


def test_dump_shows_the_terms_of_margin_funding_and_liquidation_by_name(
    rsx: Run, tmp_path: Path
) -> None:
    folder = log_of(
        tmp_path,
        records.WITHDRAWAL.pack(request_id=5, amount=1500, user_id=1),
        records.MARGIN_CONFIG.pack(user_id=1, symbol_id=1, leverage=20, margin_mode=1),
        records.FUNDING_PAYMENT.pack(
            interval_id=60_000, amount=-1500, net_qty=-200, mark_px=1000, user_id=1, symbol_id=1,
            leg=1,
        ),
        records.LIQUIDATION_STEP.pack(
            oid=77, equity=-1, maintenance_margin=2000, qty=150, px=995, mark_px=1000, net_qty=200,
            user_id=1, symbol_id=1, stage=2, round=3, side=1,
        ),
        records.POSITION_TRANSFERRED.pack(
            transfer_id=9, qty=150, px=995, mark_px=1000, score=7, user_id=1, counter_user_id=2,
            symbol_id=1, side=1, kind=1, user_flags=2 | 128,
        ),
        records.SYMBOL_RISK.pack(symbol_id=1, insurance_loss_max=1000, adl_policy=2),
        records.SYMBOL_BRACKETS.pack(symbol_id=1, from_1=5000, initial_ppm_1=100_000),
        records.MARK_PRICE.pack(
            symbol_id=1, mark_px=1000, open_interest=150, next_funding_s=2_000_000_000, state=1,
        ),
    )  # fmt: skip
    code, out, _ = rsx("dump", folder)
    lines = [line.split(" ", 1)[1] for line in (row.strip() for row in out.splitlines()[3:])]

    assert code == 0
    for line, parts in zip(lines, (
        "request_id=5 amount=1.500 user_id=1",
        "M1-PERP user_id=1 leverage=20 margin_mode=isolated position_mode=one_way",
        "interval_id=60000 amount=-1.500 net_qty=-2.00 mark_px=100.0 rate_ppb=0 user_id=1 "
        "leg=short",
        "oid=77 equity=-0.001 maintenance_margin=2.000 qty=1.50 px=99.5 mark_px=100.0 net_qty=2.00 "
        "user_id=1 stage=ordered round=3 side=sell",
        "transfer_id=9 qty=1.50 px=99.5 mark_px=100.0 score=7 user_id=1 counter_user_id=2 "
        "side=sell kind=adl user_flags=reduce_only+hedge",
        "adl_policy=risk_weighted", "from_1=5.000 initial_ppm_1=100000",
        "open_interest=1.50 rate_ppb=0 next_funding_s=2033-05-18T03:33:20Z state=stale",
    ), strict=True):  # fmt: skip
        assert parts in line, line


def test_dump_shows_every_logged_type_whatever_it_holds(rsx: Run, tmp_path: Path) -> None:
    logged = [r for r in records.RECORDS if r.kind is records.Kind.LOGGED]
    folder = log_of(tmp_path, *(record.pack() for record in logged))

    text, rows = rsx("dump", folder)[1], rsx("dump", folder, "--json")[1].splitlines()

    assert [json.loads(row)["type"] for row in rows[3:]] == [record.name for record in logged]
    for record, line in zip(logged, text.splitlines()[3:], strict=True):
        assert f" {record.name} " in line


# --- stats ------------------------------------------------------------------------------------


def test_stats_counts_records_and_says_what_they_add_up_to(rsx: Run, world: World) -> None:
    world.restart()
    world.run()
    fill_segments(world, 1)
    code, out, _ = rsx("stats", world, "--json")
    found = json.loads(out)

    assert code == 0
    assert found["status"] == "sound"
    assert found["records"] == found["last_seq"] == world.wal.appended
    assert (found["segments"], found["bytes"]) == (2, 2 << 20)
    assert found["types"] == {
        name: world.names().count(name) for name in found["types"]
    } | {"SEGMENT_STARTED": 2}  # fmt: skip
    assert [(e["epoch"], e["started_ns"]) for e in found["epochs"]] == [
        (1, world.clock.now_ns()), (2, world.clock.now_ns()),
    ]  # fmt: skip
    assert found["epochs"][0]["started"] == "2023-11-14T22:13:20.000000000Z"
    assert found["resting_orders"] == {"M1-PERP": 1, "M2-PERP": 1}
    assert found["accounts"] == 2
    assert "resting orders" in rsx("stats", world.folder.parent)[1]


# --- verify -----------------------------------------------------------------------------------


def verify(rsx: Run, world: World) -> tuple[int, dict[str, Any]]:
    code, out, _ = rsx("verify", world, "--json")
    assert rsx("verify", world)[0] == code
    return code, json.loads(out)


def test_a_sound_log_is_called_sound_and_its_state_is_the_live_one(rsx: Run, world: World) -> None:
    for _ in range(3):
        world.restart()
        world.run()
    fill_segments(world, 2)
    code, found = verify(rsx, world)

    assert (code, found["status"], found["findings"]) == (0, "sound", [])
    assert found["last_seq"] == world.wal.appended
    assert found["state_hash"] == f"{world.live_hash():016x}"


def test_a_torn_tail_is_told_with_its_place(rsx: Run, world: World) -> None:
    last = world.wal.appended
    path = overwrite(world, last, b"\0" * 40, 88 - 40)
    code, found = verify(rsx, world)

    assert (code, found["status"], found["last_seq"]) == (1, "torn", last - 1)
    (place,) = found["findings"]
    assert (place["file"], place["offset"], place["seq"]) == (
        str(path), (last - 1) * RECORD_SIZE, last,
    )  # fmt: skip


def test_damage_in_the_middle_is_told_with_what_is_valid_after_it(rsx: Run, world: World) -> None:
    promise(world)
    overwrite(world, 7, b"\xff" * 200, 100)
    code, found = verify(rsx, world)

    assert (code, found["status"], found["last_seq"]) == (1, "damaged", 6)
    assert found["records"] == world.wal.appended - 3
    place = found["findings"][0]
    assert (place["offset"], place["seq"]) == (6 * RECORD_SIZE, 7)
    assert "no valid record in 3 slot(s); valid again from record 10" in place["text"]


def test_a_missing_and_a_damaged_segment_are_both_named(rsx: Run, world: World) -> None:
    fill_segments(world, 3)
    promise(world)
    segments = list_segments(world.folder)
    hidden = segments[1].path.rename(segments[1].path.with_suffix(".away"))
    overwrite(world, segments[3].first + 4, b"\0" * RECORD_SIZE)
    code, found = verify(rsx, world)
    hidden.rename(segments[1].path)

    texts = [place["text"] for place in found["findings"]]
    assert (code, found["last_seq"]) == (1, SEGMENT_RECORDS)
    assert any(f"begins at {segments[2].first}, {segments[1].first} is due" in t for t in texts)
    assert any("no valid record in 1 slot(s)" in text for text in texts)


def test_the_end_of_a_segment_missing_before_a_good_one_is_damage(rsx: Run, world: World) -> None:
    fill_segments(world, 1)
    overwrite(world, SEGMENT_RECORDS, b"\0" * RECORD_SIZE)
    code, found = verify(rsx, world)  # nothing says that any of it was on disk
    assert (code, found["status"], found["last_seq"]) == (1, "torn", SEGMENT_RECORDS - 1)
    assert found["unsynced"] == world.wal.appended - SEGMENT_RECORDS
    promise(world)
    code, found = verify(rsx, world)
    assert (code, found["status"], found["last_seq"]) == (1, "damaged", SEGMENT_RECORDS - 1)
    assert "valid again from record" in found["findings"][0]["text"]

    second = list_segments(world.folder)[1].path
    second.write_bytes(bytes(1 << 20))
    assert verify(rsx, world)[1]["status"] == "torn"


def test_a_record_with_a_good_seal_and_a_wrong_meaning_is_damage(rsx: Run, world: World) -> None:
    """Sealed anew after the change: only decoding, grouping and folding can tell."""
    promise(world)
    fill, deposit = (world.names().index(name) + 1 for name in ("FILL", "DEPOSIT"))
    cases = [
        (2, 126, b"\1", "no valid record in 1 slot(s); valid"), (2, 32, b"\0", "another exchange"),
        (7, 100, b"\0", "market 2 gets rules 0, 1 is due"),
        (8, 116, b"\7", "SYMBOL_LIMITS 7 of market 2 without those before it"),
        (fill, 40, b"\x63", "the fold refuses"),
        (deposit, 1, b"\0", "without the flag GROUP_END"), (fill, 2, b"\3", "no place in a log"),
        (fill, 6, b"\7", "market 7 is used before its SYMBOL_CONFIG"),
        (fill - 1, 89, b"\4", "tif = 4 is no Tif"),
        (fill, 2, b"\x20", "before the one before it has ended"),
    ]  # fmt: skip
    good = world.log()
    for seq, at, data, text in cases:
        record = bytearray(good[(seq - 1) * RECORD_SIZE : seq * RECORD_SIZE])
        record[at : at + len(data)] = data
        record[8:12] = record_crc(record, 0).to_bytes(4, "little")
        overwrite(world, seq, bytes(record))
        code, found = verify(rsx, world)
        assert (code, found["status"]) == (1, "damaged")
        assert any(text in place["text"] for place in found["findings"]), (text, found)
        overwrite(world, 1, good)


def test_verify_while_the_log_is_written_finds_nothing(
    rsx: Run, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records come between the looks at a slot and at what lies behind it."""
    added = []

    class Late(Place):
        def find(self, data: memoryview, first_seq: int) -> int:
            if len(added) < 3:
                added.append(world.cancel(1, 1))
                world.run()
            return int(super().find(data, first_seq))

    monkeypatch.setattr(inspection, "Place", Late)
    code, found = verify(rsx, world)
    assert (code, found["status"]) == (0, "sound")
    assert found["last_seq"] >= world.wal.appended - 3


def append(world: World, *packed: bytes) -> int:
    """Write records behind the log, sealed; returns the number of the first."""
    log = world.log()
    first = len(log) // RECORD_SIZE + 1
    for number, record in enumerate(packed):
        overwrite(world, first + number, sealed(record, first + number, 1))
    return first


@pytest.mark.parametrize(
    ("marks", "text"),
    [((0,), "LOG_SYNCED says {seq}, 0 was on disk and {last} written"),
     ((-1, -3), "LOG_SYNCED says {older}, {last} was on disk and {seq} written")],
)  # fmt: skip
def test_a_sync_mark_that_cannot_be_is_damage(
    rsx: Run, world: World, marks: tuple[int, ...], text: str
) -> None:
    """L-17: it names what was written before it, and never less than the mark before."""
    seq = len(world.log()) // RECORD_SIZE + 1
    append(world, *(records.LOG_SYNCED.pack(durable_seq=seq + back, stream=65534, header_flags=1)
                    for back in marks))  # fmt: skip
    code, found = verify(rsx, world)
    assert (code, found["status"]) == (1, "damaged")
    (place,) = found["findings"]
    assert place["text"] == text.format(seq=seq, last=seq - 1, older=seq - 3)


def test_a_digest_that_the_fold_does_not_have_is_told(rsx: Run, world: World) -> None:
    """RP-6: the log and its fold differ; the answer of an admin ends it."""
    seq = append(world, records.ENGINE_DIGEST.pack(digest=1, symbol_id=1, part=0, form=1, stream=1,
                                                   header_flags=1))  # fmt: skip
    code, found = verify(rsx, world)
    assert (code, found["status"]) == (1, "damaged")
    (place,) = found["findings"]
    assert place["seq"] == seq and place["offset"] == (seq - 1) * RECORD_SIZE
    assert place["text"].startswith(f"ENGINE_DIGEST {seq} of M1-PERP: slice 0 of 1 is 0x")
    append(world, records.TRADING_MODE.pack(user_id=9, symbol_id=1, stream=1, header_flags=1))
    assert verify(rsx, world)[0] == 0
