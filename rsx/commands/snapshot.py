"""`rsx snapshot`, `rsx verify`, `rsx restore`: the state in a file, checked, and put back.

    snapshot DIR          fold the log of a stopped exchange, write a snapshot beside it
    snapshot --url URL    ask a running one
    verify DIR            log, snapshots and folds against each other; only reads
    restore FROM NEWDIR   a data folder that starts where FROM ends

Source: specs/replica.md section 5.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson

from rsx.commands.progress import LogProgress
from rsx.commands.remote import Failure, _as_admin, data_option, json_option, url_option
from rsx.config import Config, load
from rsx.errors import StartError
from rsx.records import RECORD_SIZE
from rsx.wal.segments import Segment, list_segments, segment_name, sync_folder

SNAPSHOTS = "snapshots"
SECRET = "secret"

Progress = Callable[[int, int], None]

config_option = click.option("--config", "config_path", metavar="F", help="Configuration file.")


def _log_of(data: Path) -> Path:
    """The log of a data folder. Raises Failure where there is none."""
    folder = data / "wal"
    if not folder.is_dir():
        raise Failure(f"{data}: no data folder of an exchange (it has no wal folder)")
    return folder


# --- snapshot ---------------------------------------------------------------------------------


@click.command()
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@config_option
@url_option()
@data_option()
@json_option()
@click.pass_context
def snapshot(
    context: click.Context, directory: Path | None, config_path: str | None, url: str, data: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Write the state of a stopped exchange (DIR), or of the one that runs at --url, to a file."""
    is_url = context.get_parameter_source("url") == click.core.ParameterSource.COMMANDLINE
    if is_url and directory is not None:
        raise click.UsageError("name the data folder of a stopped exchange, or --url, not both")
    seq, path = _ask(url, data) if directory is None else _write(load(config_path), directory)
    if as_json:
        click.echo(orjson.dumps({"seq": seq, "file": str(path)}).decode())
    else:
        click.echo(f"{path}: the state after record {seq:,}")


def _ask(url: str, data: Path) -> tuple[int, str | Path]:
    async def ask(admin: Any) -> Any:
        return await admin.snapshot()

    answer = _as_admin(ask, url, data)
    return answer.seq, answer.file


def _write(config: Config, data: Path) -> tuple[int, str | Path]:
    """Fold, and write where the next start looks. The folder is locked meanwhile."""
    from rsx.wal.segments import open_data_folder
    from rsx.wal.snapshot import list_snapshots, write_snapshot
    from rsx.wal.start import fold_log

    folder = _log_of(data)
    _, lock = open_data_folder(data)
    try:
        folded = fold_log(config, folder, LogProgress())
        state = folded.state
        if state.mismatch is not None:
            raise Failure(f"not written, since two folds of the log differ: {state.mismatch}")
        if state.next_seq == 1:
            raise Failure(f"{folder}: the log is empty")
        # Of a killed exchange the newest records may be in the page cache only.
        for segment in folded.reader.segments:
            if segment.first < state.next_seq:
                _sync(segment.path)
        there = {found.seq: found.path for found in list_snapshots(data / SNAPSHOTS)}
        seq = state.next_seq - 1
        return seq, there.get(seq) or write_snapshot(state, data / SNAPSHOTS)
    except OSError as error:
        raise Failure(f"{error.filename or data}: {error.strerror or error}") from None
    finally:
        os.close(lock)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# --- verify -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Checked:
    """One snapshot. error: why it is not good, "" = it is; is_compared: with a fold of the log."""

    path: Path
    seq: int
    hash: int = 0
    error: str = ""
    is_compared: bool = False

    @property
    def text(self) -> str:
        if self.error:
            return self.error
        how = "as the log says" if self.is_compared else "whole; the log no longer goes so far back"
        return f"{self.path.name}: {how} (state {self.hash:016x})"


@dataclass(slots=True)
class Verified:
    """What `verify` found. problems: a line each; [] = sound."""

    snapshots: list[Checked]
    problems: list[str]
    last_seq: int = 0
    digests: int = 0
    differed: int = 0
    hash: int = 0


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@config_option
@json_option()
def verify(directory: Path, config_path: str | None, as_json: bool) -> int:
    """Check log and snapshots of a data folder, alone and against each other; exit 0 if sound."""
    from rsx.wal.inspect import inspect

    config = load(config_path)
    found = inspect(_log_of(directory), thorough=True)
    done = Verified([], [str(finding) for finding in found.findings])
    if found.status == "damaged":
        done.problems.append(f"{found.folder}: the log is damaged; snapshots are not compared")
    else:
        done = verify_snapshots(config, directory, LogProgress())
        done.problems[:0] = [str(finding) for finding in found.findings]
    if as_json:
        rows = [{"file": str(s.path), "seq": s.seq, "error": s.error, "compared": s.is_compared,
                 "state_hash": f"{s.hash:016x}"} for s in done.snapshots]  # fmt: skip
        click.echo(orjson.dumps({
            "folder": str(directory), "sound": not done.problems, "log": found.status,
            "last_seq": done.last_seq, "snapshots": rows, "digests": done.digests,
            "digests_differed": done.differed, "state_hash": f"{done.hash:016x}",
            "problems": done.problems,
        }).decode())  # fmt: skip
        return 1 if done.problems else 0
    for snapshot_ in done.snapshots:
        click.echo(snapshot_.text)
    for problem in done.problems:
        click.echo(problem)
    differed = f", {done.differed} of them differed" if done.differed else ""
    click.echo(
        f"{directory}: {'NOT sound' if done.problems else 'sound'}; log {found.status} up to "
        f"record {done.last_seq:,}, {len(done.snapshots)} snapshot(s), {done.digests:,} digests "
        f"compared{differed}, state {done.hash:016x}"
    )
    return 1 if done.problems else 0


def verify_snapshots(config: Config, data: Path, progress: Progress) -> Verified:
    """Load every snapshot; fold the log and hold it against each as it comes by; audit.

    Raises StartError where the log cannot be folded.
    """
    from rsx.wal.reader import LogReader
    from rsx.wal.snapshot import list_snapshots, load_snapshot
    from rsx.wal.state import State

    reader = LogReader(_log_of(data))
    done = Verified([], [])
    base: Path | None = None
    for found in list_snapshots(data / SNAPSHOTS):
        checked = Checked(found.path, found.seq)
        done.snapshots.append(checked)
        try:
            checked.hash = load_snapshot(found.path, config).state_hash()
        except (StartError, OSError) as error:
            checked.error = str(error)
            continue
        if base is None and found.seq + 1 >= reader.first_seq > 1:
            base = found.path
    if reader.first_seq > 1 and base is None:
        done.problems = [s.error for s in done.snapshots if s.error]
        done.problems.append(f"{reader.folder} begins with record {reader.first_seq}, and no good "
                             "snapshot goes before it")  # fmt: skip
        return done
    state = State(config) if base is None else load_snapshot(base, config)
    due = {s.seq: s for s in done.snapshots if not s.error}
    _compare(state, due)
    for chunk in reader.chunks(state.next_seq if reader.segments else 0):
        _fold(state, chunk, due)
        progress(state.next_seq - reader.first_seq, reader.size)
    state.audit()
    done.last_seq = state.next_seq - 1
    for checked in due.values():
        if checked.seq > done.last_seq:
            checked.error = f"{checked.path}: the log ends before it, with record {done.last_seq}"
    done.problems = [s.error for s in done.snapshots if s.error]
    if state.mismatch is not None:
        done.problems.append(f"nobody has answered: {state.mismatch}")
    done.digests, done.differed = state.digests.compared, state.digests.differed
    done.hash = state.state_hash()
    return done


def _fold(state: Any, chunk: bytes, due: dict[int, Checked]) -> None:
    """Apply records, stopping where a snapshot was taken."""
    at = 0
    while at < len(chunk):
        following = min((seq for seq in due if seq >= state.next_seq), default=None)
        end = len(chunk)
        if following is not None:
            end = min(end, at + (following + 1 - state.next_seq) * RECORD_SIZE)
        state.apply(chunk[at:end])
        at = end
        _compare(state, due)


def _compare(state: Any, due: dict[int, Checked]) -> None:
    checked = due.get(state.next_seq - 1)
    if checked is None or checked.is_compared:
        return
    checked.is_compared = True
    if (own := state.state_hash()) != checked.hash:
        checked.error = (f"{checked.path}: state {checked.hash:016x}, the log adds up to "
                         f"{own:016x}")  # fmt: skip


# --- restore ----------------------------------------------------------------------------------


@click.command()
@click.argument("source", metavar="FROM", type=click.Path(path_type=Path, exists=True))
@click.argument("target", metavar="NEWDIR", type=click.Path(path_type=Path))
@config_option
@click.option("--secret", is_flag=True, help="Copy the secret too: old tokens stay valid.")
@json_option()
def restore(
    source: Path, target: Path, config_path: str | None, secret: bool, as_json: bool
) -> None:
    """Make a data folder from another one, or from a snapshot file alone."""
    config = load(config_path)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Failure(f"{target} is there and not empty: restore makes a new folder")
    if secret and not (source / SECRET).is_file():
        raise Failure(f"--secret: there is no {source / SECRET}")
    try:
        target.mkdir(parents=True, exist_ok=True)
        seq, state_hash = (_from_folder if source.is_dir() else _from_file)(config, source, target)
        if secret:
            shutil.copyfile(source / SECRET, target / SECRET)
            (target / SECRET).chmod(0o600)
    except OSError as error:
        raise Failure(f"{error.filename or target}: {error.strerror or error}") from None
    if as_json:
        click.echo(orjson.dumps({"folder": str(target), "seq": seq, "secret": secret,
                                 "state_hash": f"{state_hash:016x}"}).decode())  # fmt: skip
        return
    keys = "with its secret" if secret else "without the secret: old tokens are not valid there"
    click.echo(f"{target}: goes on behind record {seq:,} (state {state_hash:016x}), {keys}")


def _from_folder(config: Config, source: Path, target: Path) -> tuple[int, int]:
    """The newest good snapshot and the log from there on; checked by folding both."""
    from rsx.wal.start import fold_log

    folded = fold_log(config, _log_of(source), LogProgress())
    seq, state_hash = folded.state.next_seq - 1, folded.state.state_hash()
    if folded.snapshot is not None:
        _copy_into(target / SNAPSHOTS, folded.snapshot)
    (target / "wal").mkdir()
    for segment, size in _needed(folded.reader.segments, folded.first_seq, seq):
        path = target / "wal" / segment.path.name
        with open(segment.path, "rb") as old, open(path, "xb") as new:
            _copy_bytes(old, new, size)
            new.truncate(segment.size)  # what is behind the end was never part of the log
            os.fsync(new.fileno())
    sync_folder(target / "wal")
    sync_folder(target)
    copied = fold_log(config, target / "wal", LogProgress()).state
    if (copied.next_seq - 1, copied.state_hash()) != (seq, state_hash):
        raise Failure(f"{target} adds up to something else than {source}: do not use it")
    return seq, state_hash


def _needed(segments: list[Segment], first_seq: int, seq: int) -> Iterator[tuple[Segment, int]]:
    """Segments from the one with the record before first_seq on, and the bytes up to record seq."""
    for number, segment in enumerate(segments):
        following = segments[number + 1].first if number + 1 < len(segments) else seq + 1
        if following < first_seq or segment.first > seq:
            continue
        yield segment, (min(following, seq + 1) - segment.first) * RECORD_SIZE


def _copy_bytes(old: Any, new: Any, size: int) -> None:
    while size > 0:
        data = old.read(min(size, 1 << 20))
        if not data:
            raise OSError(None, f"{old.name} became shorter while it was copied", old.name)
        new.write(data)
        size -= len(data)
    new.flush()


def _from_file(config: Config, source: Path, target: Path) -> tuple[int, int]:
    """The snapshot alone; its log begins behind it."""
    from rsx.wal.snapshot import load_snapshot, snapshot_name
    from rsx.wal.start import fold_log

    state = load_snapshot(source, config)
    seq = state.next_seq - 1
    _copy_into(target / SNAPSHOTS, source, snapshot_name(seq))
    (target / "wal").mkdir()
    # An empty segment says where the log goes on; the first start makes a new one of it.
    path = target / "wal" / segment_name(seq + 1)
    path.write_bytes(bytes(RECORD_SIZE))
    _sync(path)
    sync_folder(target / "wal")
    sync_folder(target)
    if not list_segments(target / "wal"):
        raise Failure(f"{path} is not there")
    copied = fold_log(config, target / "wal").state
    if copied.state_hash() != state.state_hash():
        raise Failure(f"{target} adds up to something else than {source}: do not use it")
    return seq, state.state_hash()


def _copy_into(folder: Path, path: Path, name: str = "") -> None:
    folder.mkdir(exist_ok=True)
    copy = folder / (name or path.name)
    shutil.copyfile(path, copy)
    _sync(copy)
    sync_folder(folder)


COMMANDS: list[click.Command] = [snapshot, verify, restore]
