"""Records for tests: build requests, read events as plain dicts, change one field of a record."""

from __future__ import annotations

from typing import Any

from rsx import records
from rsx.records import BY_NAME, BY_TYPE, View

HEADER_FIELDS = ("header_flags", "stream", "epoch")


def order_new(**values: Any) -> bytes:
    """ORDER_NEW; `cid` may be text, its length is filled in."""
    return _with_cid(records.ORDER_NEW, values)


def order_request(**values: Any) -> bytes:
    return _with_cid(records.ORDER_REQUEST, values)


def order_cancel(**values: Any) -> bytes:
    return _with_cid(records.ORDER_CANCEL, values)


def make_request(name: str, **values: Any) -> bytes:
    """Any record by its name; `cid` as in order_new."""
    record = BY_NAME[name]
    return _with_cid(record, values) if "cid" in record.offsets else record.pack(**values)


def _with_cid(record: records.Record, values: dict[str, Any]) -> bytes:
    cid = values.get("cid", b"")
    raw = cid.encode() if isinstance(cid, str) else bytes(cid)
    return record.pack(**{**values, "cid": raw, "cid_len": len(raw)})


def raw_view(data: bytes) -> View:
    """Decode without checking enums, for requests that are wrong on purpose."""
    record = BY_TYPE[records.type_of(data)]
    return View(record, record.codec.unpack_from(data, 0))


def view(data: bytes) -> View:
    return records.decode(data, crc=False)


def as_event(data: bytes) -> dict[str, Any]:
    """Every field of a record as plain values, with the header's flags and stream."""
    seen = view(data)
    out: dict[str, Any] = {"type": seen.record.name}
    out.update((name, getattr(seen, name)) for name in HEADER_FIELDS)
    out.update((f.name, getattr(seen, f.name)) for f in seen.record.fields)
    return out


def pack_event(event: dict[str, Any]) -> bytes:
    values = dict(event)
    return BY_NAME[values.pop("type")].pack(**values)


def changed(data: bytes, **changes: Any) -> bytes:
    """The same record with some fields (of the payload or the header) replaced."""
    return pack_event({**as_event(data), **changes})


def numbered(events: list[bytes], first: int = 1, epoch: int = 1) -> list[bytes]:
    """What the wal makes of them: dense numbers from `first`, one epoch."""
    return [changed(e, seq=first + i, epoch=epoch) for i, e in enumerate(events)]
