"""Fetching the newest snapshot of a server: where a consumer begins whose start is pruned.

Source: specs/dxs.md DX-8.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rsx.net import wire
from rsx.net.dxs_client import READ_SIZE, DxsClient, DxsError, Fault, Unavailable
from rsx.records import CAUGHT_UP, RECORD_SIZE, REPLAY_UNAVAILABLE
from rsx.wal.segments import sync_folder
from rsx.wal.snapshot_files import SnapshotRefused, check_head, snapshot_name


@dataclass(frozen=True, slots=True)
class Fetched:
    """A snapshot that is durable here. seq: its record; from_seq: where the log is to be taken
    up, the beginning of the segment with the record behind it."""

    path: Path
    seq: int
    from_seq: int
    exchange_id: int


async def fetch_snapshot(client: DxsClient, folder: Path) -> Fetched:
    """From the first endpoint that has one. Raises DxsError; OSError of the folder.

    The file is whole when it returns; loading it checks what is in it.
    """
    errors: list[DxsError] = []
    for host, port in client.endpoints:
        client.endpoint = f"{host}:{port}"
        try:
            reader = await client._open(host, port)
            return await _fetch(client, reader, folder)
        except Unavailable as error:
            errors.append(error)
        except (Fault, ConnectionError, TimeoutError, asyncio.IncompleteReadError) as error:
            errors.append(DxsError(f"{client.endpoint}: {error or type(error).__name__}"))
        finally:
            if client._writer is not None:
                client._writer.transport.abort()
                client._writer = None
    raise errors[0]


class _Draft:
    """The file while it comes; a killed one is removed as a leftover (SN-1)."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.path = folder / f"{snapshot_name(0)}.tmp"
        self.file = open(self.path, "wb")  # closed in `finish` or `drop`

    def finish(self, seq: int, exchange_id: int) -> Path:
        """Durable under its name."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        with open(self.path, "rb") as file:
            head = check_head(self.path, file.read(RECORD_SIZE))
        if (head.seq, head.exchange_id) != (seq, exchange_id):
            raise Fault(f"a snapshot of record {head.seq} of exchange {head.exchange_id:#x} came")
        path = self.folder / snapshot_name(seq)
        os.replace(self.path, path)
        sync_folder(self.folder)
        return path

    def drop(self) -> None:
        self.file.close()
        self.path.unlink(missing_ok=True)


async def _fetch(client: DxsClient, reader: asyncio.StreamReader, folder: Path) -> Fetched:
    begun = await client._ask(reader, wire.SNAPSHOT)
    draft = _Draft(folder)
    try:
        seq = await _receive(client, reader, draft.file)
        path = await asyncio.to_thread(draft.finish, seq, begun.exchange_id)
    except SnapshotRefused as error:
        raise Fault(str(error)) from None
    finally:
        draft.drop()
    return Fetched(path, seq, int(begun.from_seq), int(begun.exchange_id))


async def _receive(client: DxsClient, reader: asyncio.StreamReader, file: BinaryIO) -> int:
    """Units up to CAUGHT_UP; returns its number."""
    rest = b""
    ends = (CAUGHT_UP.type, REPLAY_UNAVAILABLE.type)
    while True:
        async with asyncio.timeout(client.silent_s):
            data = await reader.read(READ_SIZE)
        if not data:
            raise Fault("the connection ended within a snapshot")
        data = rest + data
        whole = len(data) // RECORD_SIZE * RECORD_SIZE
        rest = data[whole:]
        kinds, high = data[2:whole:RECORD_SIZE], data[3:whole:RECORD_SIZE]
        end = next((n for n in range(len(kinds)) if kinds[n] in ends and not high[n]), -1)
        if end < 0:
            file.write(data[:whole])
            continue
        file.write(data[: end * RECORD_SIZE])
        view = client._control(data[end * RECORD_SIZE : (end + 1) * RECORD_SIZE])
        if view.record is not CAUGHT_UP:
            raise Fault(f"{view.record.name} within a snapshot")
        return int(view.live_seq)
