"""`rsx wal dump|stats|verify|salvage DIR`: the log, for people and scripts.

They only read DIR, and may run while the exchange does. DIR is the data folder or its wal folder.
Source: specs/wal.md section 4.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from rsx.commands.remote import Failure, json_option
from rsx.errors import Reason
from rsx.records import BRACKETS_MAX, BY_NAME, RECORD_SIZE, Kind, OrderFlag, Tif, View, decode
from rsx.units import to_text

FOLLOW_S = 0.1
TYPES = [record.name for record in BY_NAME.values() if record.kind is Kind.LOGGED]
SHOWN_APART = frozenset(("seq", "ts_ns", "symbol_id", "cid_len", "pad0"))
LEFT_OUT_WHEN_ZERO = frozenset(
    ("cid", "flags", "taker_flags", "maker_flags", "original_flags", "request_id", "received_ns",
     "index_px", "px", "kind", "original_kind", "stp", "owner_group", "expire_s", "extra",
     "extra_qty", "trigger_px", "trail_px", "trail_ppm", "original_reason",
     "next_funding_s", "source_ns", "sources", "leg", "margin_mode", "user_flags", "counter_flags",
     "leverage", "round", "oid",
     *(f"tick_{part}{n}" for part in ("", "from_") for n in (1, 2, 3, 4)),
     *(f"{part}_{n}" for part in ("from", "initial_ppm", "maintenance_ppm")
       for n in range(1, BRACKETS_MAX + 1)))
)  # fmt: skip
# Enums whose names are written as they are elsewhere; the others in lower case.
IN_CAPITALS = (Tif, Reason)

directory = click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))


@click.group()
def wal() -> None:
    """Look into the log of an exchange: dump, stats, verify; salvage what is damaged."""


@contextmanager
def _quiet_pipe() -> Iterator[None]:
    """End quietly when the reader of our output has gone (`| head`)."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still buffered must not fail again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise Failure(f"{error.filename or 'log'}: {error.strerror or error}") from None


# --- dump -------------------------------------------------------------------------------------


@wal.command()
@directory
@click.option(
    "--from",
    "first",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="First record number.",
)
@click.option("--to", "last", type=click.IntRange(min=1), metavar="N", help="Last record number.")
@click.option(
    "--type",
    "types",
    type=click.Choice(TYPES, case_sensitive=False),
    multiple=True,
    metavar="T",
    help="Only this type; may be given several times.",
)
@click.option("--user", type=click.IntRange(min=1), help="Only what concerns this account.")
@click.option("--symbol", help="Only this market, by name or id.")
@click.option("--follow", is_flag=True, help="Go on with what is written, until interrupted.")
@json_option()
def dump(
    directory: Path, first: int, last: int | None, types: tuple[str, ...], user: int | None,
    symbol: str | None, follow: bool, as_json: bool,
) -> None:  # fmt: skip
    """Print one line, or with --json one object, per record.

    Text shows prices, quantities and money as decimals; JSON shows the raw integers.
    """
    numbers = {BY_NAME[name.upper()].type for name in types}
    markets = Markets()
    show = _json_line if as_json else _text_line
    matches = _filter(markets, user, symbol)
    with _quiet_pipe():
        for start, chunk in _chunks(directory, last, follow):
            kinds = bytes(chunk[2::RECORD_SIZE])
            markets.note(chunk, kinds)
            for at, kind in enumerate(kinds):
                seq = start + at
                if last is not None and seq > last:
                    return
                if seq < first or (numbers and kind not in numbers):
                    continue
                view = decode(chunk, at * RECORD_SIZE)
                if matches(view):
                    sys.stdout.write(show(view, markets) + "\n")
            if follow:
                sys.stdout.flush()


def _chunks(directory: Path, last: int | None, follow: bool) -> Iterator[tuple[int, bytes]]:
    """(number of the first record, records) from record 1 on: markets are told at the start."""
    from rsx.wal.follow import LogFollower
    from rsx.wal.reader import LogReader

    reader = LogReader(directory)
    if not reader.segments and not follow:
        raise Failure(f"{reader.folder}: no log here (no segment files)")
    seq = reader.first_seq
    for chunk in reader.chunks():
        yield seq, chunk
        seq += len(chunk) // RECORD_SIZE
        if last is not None and seq > last:
            return
    follower = LogFollower(reader.folder, seq)
    end = reader.end()
    if end.unsynced and not follow:
        where = f"{reader.folder}: the log ends before record {end.next_seq}"
        click.echo(f"rsx: {where}; {end.unsynced} behind it were never promised", err=True)
    while follow:
        while chunk := follower.read():
            yield seq, chunk
            seq = follower.next_seq
            if last is not None and seq > last:
                return
        sys.stdout.flush()
        time.sleep(FOLLOW_S)


def _filter(markets: Markets, user: int | None, symbol: str | None) -> Callable[[View], bool]:
    """A record without the attribute asked for does not match; fills, transfers have two users."""

    def matches(view: View) -> bool:
        names = view.record.offsets
        if user is not None and not any(
            name in names and getattr(view, name) == user
            for name in ("user_id", "taker_user_id", "maker_user_id", "counter_user_id")
        ):
            return False
        if symbol is None:
            return True
        return "symbol_id" in names and symbol.upper() in (
            str(view.symbol_id), markets.name(view.symbol_id)
        )  # fmt: skip

    return matches


class Markets:
    """What the log says of the scales of its markets."""

    def __init__(self) -> None:
        self.configs: dict[int, View] = {}
        self.money_decimals: int | None = None

    def note(self, chunk: bytes, kinds: bytes) -> None:
        """Take the SYMBOL_CONFIG and LOG_STARTED records out of a chunk."""
        for name in ("SYMBOL_CONFIG", "LOG_STARTED"):
            number = BY_NAME[name].type
            at = kinds.find(number)
            while at >= 0:
                view = decode(chunk, at * RECORD_SIZE)
                if name == "SYMBOL_CONFIG":
                    self.configs[view.symbol_id] = view
                else:
                    self.money_decimals = view.money_decimals
                at = kinds.find(number, at + 1)

    def name(self, symbol_id: int) -> str:
        view = self.configs.get(symbol_id)
        return view.name.rstrip(b"\0").decode("ascii", "replace") if view else str(symbol_id)

    def decimals(self, unit: str, symbol_id: int) -> int | None:
        if unit == "money units":
            return self.money_decimals
        view = self.configs.get(symbol_id)
        if view is None:
            return None
        if unit == "price units":
            return int(view.price_decimals)
        return int(view.qty_decimals) if unit == "quantity units" else None


def _time(ts_ns: int) -> str:
    seconds, ns = divmod(ts_ns, 1_000_000_000)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"
    except (ValueError, OverflowError, OSError):
        return f"{ts_ns} ns"


def _text_line(view: View, markets: Markets) -> str:
    names = view.record.offsets
    symbol_id = view.symbol_id if "symbol_id" in names else 0
    words = [f"{view.seq:>10} {view.epoch:>3} {_time(view.ts_ns)} {view.record.name:<20}"]
    if symbol_id:
        words.append(markets.name(symbol_id))
    for field in view.record.fields:
        if field.name not in SHOWN_APART:
            words.append(_word(view, field, symbol_id, markets))
    return " ".join(word for word in words if word)


def _word(view: View, field: Any, symbol_id: int, markets: Markets) -> str:
    """name=value of one field; "" where it says nothing."""
    name, value = field.name, getattr(view, field.name)
    if name in LEFT_OUT_WHEN_ZERO and not (view.cid_len if name == "cid" else value):
        return ""
    if name == "cid":
        text = orjson.dumps(view.client_id).decode()
    elif field.type.startswith("bytes["):
        text = value.rstrip(b"\0").decode("ascii", "replace")
    elif field.enum is not None:
        member = field.enum(value)
        text = member.name if field.enum in IN_CAPITALS else member.name.lower()
    elif field.flags is not None and "flags" in name:
        text = "+".join(flag.name.lower() for flag in OrderFlag if value & flag and flag.name)
    elif name in ("expire_s", "next_funding_s"):
        text = f"{datetime.fromtimestamp(value, UTC):%Y-%m-%dT%H:%M:%SZ}"
    else:
        decimals = markets.decimals(field.unit, symbol_id)
        text = str(value) if decimals is None else to_text(value, decimals)
    return f"{name}={text}"


def _json_line(view: View, markets: Markets) -> str:
    out = {"seq": view.seq, **view.as_dict(), "length": view.row[3], "crc": view.crc}
    if "symbol_id" in out:
        out["symbol"] = markets.name(out["symbol_id"])
    return orjson.dumps(out).decode()


# --- stats ------------------------------------------------------------------------------------


@wal.command()
@directory
@json_option()
def stats(directory: Path, as_json: bool) -> int:
    """Count records by type; show segments, numbers, starts, and what the log adds up to."""
    from rsx.wal.inspect import fold, inspect

    with _quiet_pipe():
        found = inspect(directory)
        state = fold(found)
        names = {r.type: r.name for r in BY_NAME.values()}
        types = {names[number]: count for number, count in sorted(found.counts.items())}
        resting = {
            engine.symbol.name: engine.counts()["resting"] for engine in state.engines.values()
        }
        out = {
            "folder": str(found.folder), "status": found.status,
            "records": sum(found.counts.values()), "first_seq": found.segments[0].first,
            "last_seq": found.last_seq, "segments": len(found.segments), "bytes": found.size,
            "types": types,
            "epochs": [{"epoch": e.number, "first_seq": e.first_seq, "started_ns": e.ts_ns,
                        "started": _time(e.ts_ns)} for e in found.epochs],
            "resting_orders": resting, "accounts": len(state.ledger.users()),
        }  # fmt: skip
        if found.is_pruned:
            out |= {"resting_orders": {}, "accounts": None}
        if as_json:
            click.echo(orjson.dumps(out).decode())
        else:
            _print_stats(out)
        for finding in found.findings:
            click.echo(f"rsx: {finding}", err=True)
    return 1 if found.findings else 0


def _print_stats(out: dict[str, Any]) -> None:
    click.echo(
        f"{out['folder']}: {out['status']}\n"
        f"  records   {out['records']:,}, numbers {out['first_seq']} .. {out['last_seq']}\n"
        f"  segments  {out['segments']}, {out['bytes']:,} bytes"
    )
    for name, count in out["types"].items():
        click.echo(f"  {name:<20} {count:>14,}")
    for epoch in out["epochs"]:
        click.echo(f"  start {epoch['epoch']:<4} {epoch['started']}  from {epoch['first_seq']}")
    for name, count in out["resting_orders"].items():
        click.echo(f"  {name:<20} {count:>14,} resting orders")
    if out["accounts"] is None:
        click.echo("  what came before is pruned: rsx verify DIR folds the rest from a snapshot")
        return
    click.echo(f"  {'accounts':<20} {out['accounts']:>14,}")


# --- verify -----------------------------------------------------------------------------------


@wal.command()
@directory
@json_option()
def verify(directory: Path, as_json: bool) -> int:
    """Check every slot, every record and what they add up to; exit 0 only when all is sound."""
    from rsx.wal.inspect import fold, inspect

    with _quiet_pipe():
        found = inspect(directory, thorough=True)
        state = fold(found)
        torn = found.torn
        if as_json:
            places = [{"file": f.file, "offset": f.offset, "seq": f.seq, "text": f.text}
                      for f in (*found.findings, *([torn] if torn else []))]  # fmt: skip
            click.echo(orjson.dumps({
                "folder": str(found.folder), "status": found.status,
                "records": sum(found.counts.values()), "last_seq": found.last_seq,
                "segments": len(found.segments), "torn_bytes": found.torn_bytes,
                "unsynced": found.unsynced,
                "findings": places, "findings_left_out": found.findings_left_out,
                "state_hash": None if found.is_pruned else f"{state.state_hash():016x}",
            }).decode())  # fmt: skip
        else:
            for finding in found.findings:
                click.echo(str(finding))
            if found.findings_left_out:
                click.echo(f"... and {found.findings_left_out} more")
            if torn:
                click.echo(f"{torn}: {found.torn_bytes} bytes; the next start cuts them")
            folded = f"state {state.state_hash():016x}"
            if found.is_pruned:
                folded = "not folded: its beginning is pruned (rsx verify DIR has the snapshots)"
            click.echo(
                f"{found.folder}: {found.status}, {sum(found.counts.values()):,} valid records in "
                f"{len(found.segments)} segment(s), sound up to record {found.last_seq}, {folded}"
            )
    return 0 if found.status == "sound" else 1


# --- salvage ----------------------------------------------------------------------------------


@wal.command()
@directory
@click.argument("target", metavar="NEWDIR", type=click.Path(path_type=Path))
@click.option("--config", "config_path", metavar="F", help="Configuration file.")
@json_option()
def salvage(directory: Path, target: Path, config_path: str | None, as_json: bool) -> int:
    """Write what can be used of a damaged log to NEWDIR, a data folder to start from.

    DIR is not changed. What is left out is listed.
    """
    from rsx.config import load
    from rsx.wal.salvage import salvage as run

    with _quiet_pipe():
        done = run(directory, target, load(config_path))
        if as_json:
            click.echo(orjson.dumps(done, default=str).decode())
            return 0
        for line in done.passed_over:
            click.echo(f"not used: {line}")
        for part in done.dropped:
            click.echo(f"left out: {part}")
        if done.reason:
            click.echo(f"why: {done.reason}")
        based = f" on {done.snapshot.name}" if done.snapshot else ""
        click.echo(
            f"{done.target}: records {done.first_seq:,} to {done.last_seq:,}{based}, state "
            f"{done.state_hash}; left out {sum(p.records for p in done.dropped):,} records, "
            f"{sum(p.size for p in done.dropped):,} bytes"
        )
    return 0


COMMANDS: list[click.Command] = [wal]
