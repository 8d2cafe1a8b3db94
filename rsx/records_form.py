"""What a record is made of: fields, their places, the codec, the decoded view.

The declarations are in rsx/records.py. Source: specs/records.md.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass, field
from typing import Any

VERSION = 4
# Older forms that a log may be in; rsx/wal reads them (specs/wal.md L-26).
READABLE = (3, VERSION)
RECORD_SIZE = 128
HEADER_SIZE = 16
PAYLOAD_SIZE = RECORD_SIZE - HEADER_SIZE
CID_MAX = 36

HEADER = struct.Struct("<BBHHHII")


class RecordError(ValueError):
    """A record that cannot be decoded: names the field and the offending value."""


class HeaderFlag(enum.IntFlag):
    NONE = 0
    GROUP_END = 1  # last record of what one request caused


HEADER_FLAGS = int(HeaderFlag.GROUP_END)


class Kind(enum.Enum):
    """Where a record lives."""

    REQUEST = "request"  # rings only, towards matching
    ANSWER = "answer"  # rings only, towards the gateway
    LOGGED = "logged"  # numbered, written, released
    INTERNAL = "internal"  # between a tile and its helper
    WIRE = "wire"  # between hosts, beside logged records; never in a log


C_TYPES = {
    "u8": ("B", 1, "uint8_t"),
    "u16": ("H", 2, "uint16_t"),
    "u32": ("I", 4, "uint32_t"),
    "i32": ("i", 4, "int32_t"),
    "u64": ("Q", 8, "uint64_t"),
    "i64": ("q", 8, "int64_t"),
}


EnumType = type[enum.IntEnum]


@dataclass(frozen=True, slots=True)
class Field:
    """One payload field. `type` is a key of C_TYPES or `bytes[N]`; `unit` names the scale."""

    name: str
    type: str
    unit: str
    meaning: str
    enum: EnumType | None = None
    flags: int | None = None  # mask of the bits that may be set

    @property
    def is_cid_length(self) -> bool:
        return self.name == "cid_len"

    @property
    def size(self) -> int:
        if self.type.startswith("bytes["):
            return int(self.type[6:-1])
        return C_TYPES[self.type][1]

    @property
    def align(self) -> int:
        return 1 if self.type.startswith("bytes[") else self.size


@dataclass(frozen=True, slots=True)
class Record:
    """One record type and its codec. Unpacked values are NamedTuple-like, by field name."""

    name: str
    type: int
    kind: Kind
    meaning: str
    fields: tuple[Field, ...]
    since: int = 1
    durable: bool = False  # release waits for the fsync of this record
    offsets: dict[str, int] = field(default_factory=dict, compare=False)
    codec: struct.Struct = field(init=False, compare=False)
    checks: tuple[tuple[int, Field], ...] = field(init=False, compare=False)
    index: dict[str, int] = field(init=False, compare=False)  # of an unpacked row, by field name

    def __post_init__(self) -> None:
        layout, at = "<BBHHHII", 0
        for f in self.fields:
            if at % f.align:
                raise RecordError(f"{self.name}.{f.name}: offset {at} is not {f.align}-aligned")
            self.offsets[f.name] = at
            at += f.size
            if f.type.startswith("bytes["):
                layout += f"{f.size}s"
            else:
                layout += C_TYPES[f.type][0]
        if at > PAYLOAD_SIZE:
            raise RecordError(f"{self.name}: payload of {at} bytes exceeds {PAYLOAD_SIZE}")
        if [f.name for f in self.fields[:2]] != ["seq", "ts_ns"]:
            raise RecordError(f"{self.name}: a payload begins with seq, ts_ns")
        layout += f"{PAYLOAD_SIZE - at}x"
        object.__setattr__(self, "codec", struct.Struct(layout))
        checked = tuple(
            (i + 7, f)
            for i, f in enumerate(self.fields)
            if f.enum or f.flags is not None or f.unit == "zero" or f.is_cid_length
        )
        object.__setattr__(self, "checks", checked)
        index = {"header_flags": 1, "stream": 4, "crc": 5, "epoch": 6}
        index |= {f.name: i + 7 for i, f in enumerate(self.fields)}
        object.__setattr__(self, "index", index)

    @property
    def padding(self) -> int:
        """Bytes of zero at the end of the payload."""
        return PAYLOAD_SIZE - sum(f.size for f in self.fields)

    def pack(self, **values: Any) -> bytes:
        """Encode; fields that are not named are zero. Raises RecordError on a bad value."""
        unknown = values.keys() - self.offsets.keys() - {"header_flags", "stream", "epoch"}
        if unknown:
            raise RecordError(f"{self.name} has no field {sorted(unknown)[0]!r}")
        header_flags = values.pop("header_flags", 0)
        stream = values.pop("stream", 0)
        epoch = values.pop("epoch", 0)
        row = [values.get(f.name, b"" if f.type[0] == "b" else 0) for f in self.fields]
        try:
            return self.codec.pack(
                VERSION, header_flags, self.type, PAYLOAD_SIZE, stream, 0, epoch, *row
            )
        except struct.error as error:
            raise RecordError(f"{self.name}: {error} in {values}") from None

    def unpack(self, data: bytes | bytearray | memoryview, offset: int = 0) -> View:
        """Decode and check one record of this type; the checksum is `decode`'s business."""
        row = self.codec.unpack_from(data, offset)
        if row[0] != VERSION:
            raise RecordError(f"record version {row[0]} (known: {VERSION})")
        if row[2] != self.type or row[3] != PAYLOAD_SIZE:
            raise RecordError(f"type {row[2]} length {row[3]} where {self.name} is due")
        if row[1] & ~HEADER_FLAGS:
            raise RecordError(f"{self.name}: header flags {row[1]:#x} have unknown bits")
        for at, f in self.checks:
            value = row[at]
            if f.enum is not None and value not in f.enum._value2member_map_:
                raise RecordError(f"{self.name}.{f.name} = {value} is no {f.enum.__name__}")
            if f.flags is not None and value & ~f.flags:
                raise RecordError(f"{self.name}.{f.name} = {value:#x} has unknown bits")
            if f.unit == "zero" and value:
                raise RecordError(f"{self.name}.{f.name} = {value:#x}: padding is not zero")
            if f.is_cid_length and value > CID_MAX:
                raise RecordError(f"{self.name}.cid_len = {value}: at most {CID_MAX}")
        return View(self, row)


class View:
    """A decoded record: fields as attributes, plus `record`, `stream`, `epoch`, `crc`."""

    __slots__ = ("record", "row")

    def __init__(self, record: Record, row: tuple[Any, ...]):
        self.record = record
        self.row = row

    def __getattr__(self, name: str) -> Any:
        try:
            return self.row[self.record.index[name]]
        except KeyError:
            raise AttributeError(f"{self.record.name} has no field {name!r}") from None

    @property
    def client_id(self) -> str:
        """The client order id as text; '' when none was given."""
        return bytes(self.cid[: self.cid_len]).decode("utf-8", "replace")

    def as_dict(self) -> dict[str, Any]:
        """Plain values by field name, client id as text, for JSON and logs."""
        out: dict[str, Any] = {"type": self.record.name}
        for f in self.record.fields:
            if f.name == "cid":
                out["cid"] = self.client_id
            elif f.type.startswith("bytes["):
                out[f.name] = getattr(self, f.name).rstrip(b"\0").decode("utf-8", "replace")
            elif f.name != "cid_len":
                out[f.name] = getattr(self, f.name)
        out.update(flags_header=self.row[1], stream=self.row[4], epoch=self.row[6])
        return out

    def __repr__(self) -> str:
        return f"<{' '.join(f'{k}={v}' for k, v in self.as_dict().items())}>"
