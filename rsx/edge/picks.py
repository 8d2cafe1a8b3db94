"""Partial decoders of 128-byte records: only the fields that a hot handler needs.

Built from the tables of rsx/records.py, so they cannot disagree with it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from rsx.records import C_TYPES, HEADER_SIZE, PAYLOAD_SIZE, VERSION, Record

# version, type, epoch, seq, ts_ns of any record
HEAD = struct.Struct("<BxH8xIQQ")


def pick(record: Record, *names: str) -> Callable[..., tuple[Any, ...]]:
    """`unpack_from` of the named fields, in the order of the record."""
    layout, at = "<", 0
    due = {f.name: f for f in record.fields}
    for name in names:
        f = due[name]
        start = HEADER_SIZE + record.offsets[name]
        code = f"{f.size}s" if f.type.startswith("bytes[") else C_TYPES[f.type][0]
        layout += f"{start - at}x{code}"
        at = start + f.size
    return struct.Struct(layout).unpack_from


def packer(record: Record) -> Callable[..., bytes]:
    """`pack` of all payload fields by position, behind a ready header."""
    header = struct.pack("<BBHHHII", VERSION, 0, record.type, PAYLOAD_SIZE, 0, 0, 0)
    body = record.codec.format.removeprefix("<BBHHHII")
    return partial(struct.Struct(f"<{HEADER_SIZE}s{body}").pack, header)
