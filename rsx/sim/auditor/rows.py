"""Logged records as named rows: what the auditor reads, without the checks of a real decode.

A row has the header's and the record's fields as attributes, `record` and `client_id`, like
rsx.records.View, and costs a tenth of it.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from typing import Any

from rsx.records import BY_TYPE, HEADER_SIZE, PAYLOAD_SIZE, RECORD_SIZE, VERSION

HEADER = ("version", "header_flags", "type", "length", "stream", "crc", "epoch")


def _client_id(row: Any) -> str:
    return bytes(row.cid[: row.cid_len]).decode("utf-8", "replace")


def _make(record: Any) -> Any:
    names = (*HEADER, *(f.name for f in record.fields))
    members = {"__slots__": (), "record": record, "client_id": property(_client_id)}
    return type(record.name, (namedtuple(record.name, names),), members)


ROWS: dict[int, Any] = {number: (_make(record)._make, record.codec.unpack_from)
        for number, record in BY_TYPE.items()}  # fmt: skip
USED = {number: HEADER_SIZE + PAYLOAD_SIZE - record.padding for number, record in BY_TYPE.items()}


def rows(data: bytes | bytearray) -> Iterator[Any]:
    """The records of whole slots, back to back. Raises KeyError where a type is unknown."""
    for at in range(0, len(data), RECORD_SIZE):
        make, unpack = ROWS[data[at + 2] | data[at + 3] << 8]
        yield make(unpack(data, at))


# --- seals, reckoned without the engine's checksum ----------------------------------------------


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


TABLE = _table()


def crc32c(data: bytes | bytearray) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def is_sealed(slot: bytes | bytearray) -> bool:
    """Version, length, padding and checksum of one record are right (L-20)."""
    used = USED.get(slot[2] | slot[3] << 8)
    if used is None or slot[0] != VERSION or slot[4] | slot[5] << 8 != PAYLOAD_SIZE:
        return False
    seal = int.from_bytes(slot[8:12], "little")
    return not any(slot[used:]) and crc32c(slot[:8] + bytes(4) + slot[12:]) == seal
