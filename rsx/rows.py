"""The one declaration of the rows of a snapshot.

A row has the size and the header of a record, so that one checksum fits both; in place of the
epoch it has its number in the file:

    0        1      2     4       6       8       12      16                      128
    +--------+------+-----+-------+-------+-------+-------+-----------------------+
    |form    |flags |type |length |stream |crc32c |number |payload                |
    +--------+------+-----+-------+-------+-------+-------+-----------------------+

From the table `python -m rsx.rows --write` generates the C header and the Cython declarations; a
test fails when they are stale. Type numbers are append-only. References are to what a file counts,
from 1 (0 = none): users of a market, orders of a market, accounts and positions without those of
the funds, places in the memory of client ids. Source: specs/snapshots.md SN-2, SN-3.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsx.core.crc import record_crc
from rsx.records import C_TYPES, CID, HEADER, HEADER_SIZE, PAYLOAD_SIZE, Field

ROOT = Path(__file__).resolve().parent.parent
ROW_SIZE = 128
FORM = 1
# Forms that can be loaded.
READABLE = (1,)
TYPE_BASE = 512
MAGIC = b"RSX snapshot\r\n\x1a\n"


class RowError(ValueError):
    """A row that cannot be: names the row, the field and the value."""


@dataclass(frozen=True, slots=True)
class Row:
    """One type of row and its codec."""

    name: str
    number: int
    meaning: str
    fields: tuple[Field, ...]
    offsets: dict[str, int] = field(default_factory=dict, compare=False)
    codec: struct.Struct = field(init=False, compare=False)

    def __post_init__(self) -> None:
        layout, at = "<", 0
        for f in self.fields:
            if at % f.align:
                raise RowError(f"{self.name}.{f.name}: offset {at} is not {f.align}-aligned")
            self.offsets[f.name] = at
            at += f.size
            layout += f"{f.size}s" if f.type.startswith("bytes[") else C_TYPES[f.type][0]
        if at > PAYLOAD_SIZE:
            raise RowError(f"{self.name}: payload of {at} bytes exceeds {PAYLOAD_SIZE}")
        object.__setattr__(self, "codec", struct.Struct(layout + f"{PAYLOAD_SIZE - at}x"))

    @property
    def type(self) -> int:
        return TYPE_BASE + self.number

    @property
    def padding(self) -> int:
        return PAYLOAD_SIZE - sum(f.size for f in self.fields)

    def unpack(self, data: bytes, offset: int = 0) -> dict[str, Any]:
        """Values by field name; unchecked."""
        values = self.codec.unpack_from(data, offset + HEADER_SIZE)
        return dict(zip([f.name for f in self.fields], values, strict=True))

    def pack(self, number: int, stream: int = 0, **values: Any) -> bytes:
        """A sealed row; fields that are not given are 0."""
        blank = {f.name: b"" if f.type.startswith("bytes[") else 0 for f in self.fields}
        payload = self.codec.pack(*(blank | values).values())
        row = bytearray(HEADER.pack(FORM, 0, self.type, PAYLOAD_SIZE, stream, 0, number) + payload)
        row[8:12] = int(record_crc(row)).to_bytes(4, "little")
        return bytes(row)


def check_seal(row: bytes | bytearray) -> None:
    """Raises RowError when a row's checksum is not that of its bytes."""
    said = int.from_bytes(row[8:12], "little")
    found = record_crc(row)
    if said != found:
        raise RowError(f"checksum {said:#010x} where {found:#010x} is due")


def _u8(name: str, meaning: str) -> Field:
    return Field(name, "u8", "number", meaning)


def _u16(name: str, meaning: str) -> Field:
    return Field(name, "u16", "number", meaning)


def _u32(name: str, meaning: str) -> Field:
    return Field(name, "u32", "number", meaning)


def _u64(name: str, meaning: str) -> Field:
    return Field(name, "u64", "number", meaning)


def _ns(name: str, meaning: str) -> Field:
    return Field(name, "u64", "ns", meaning)


def _px(name: str, meaning: str) -> Field:
    return Field(name, "i64", "price units", meaning)


def _qty(name: str, meaning: str) -> Field:
    return Field(name, "i64", "quantity units", meaning)


def _money(name: str, meaning: str) -> Field:
    return Field(name, "i64", "money units", meaning)


_OID = Field("oid", "u64", "id", "order id")
_USER = Field("user_id", "u32", "id", "account")
_SYMBOL = Field("symbol_id", "u32", "id", "market")
_AT = _u32("user", "which user of this market")
_CID_AT = _u32("cid_at", "place of its client id in the memory, 1 = the oldest; 0 = none")
_EXPIRE = Field("expire_s", "u32", "Unix s", "GTD only")
_CID_LEN = Field("cid_len", "u8", "bytes", "length of the client id; 0 = none")
_TERMS = (
    _u8("side", "0 buy, 1 sell"), _u8("tif", "as in records"), _u8("flags", "as in records"),
    _u8("kind", "as in records"),
)  # fmt: skip

HEAD = Row("HEAD", 1, "what this file is", (
    Field("magic", "bytes[16]", "bytes", "RSX snapshot, CR LF SUB LF"),
    _u64("seq", "the state is that after this record"),
    Field("exchange_id", "u64", "random", "as in LOG_STARTED"),
    _u32("epoch", "of the last record"),
    _u32("markets", "MARKET rows"),
    _u32("money_decimals", "money unit = 10^-this"),
    _u32("records_version", "of the records in here"),
))  # fmt: skip
STATE = Row("STATE", 2, "totals, and what State knows beside engines and ledger", (
    _u64("oid_max", "highest id of a gateway"),
    _u64("own_oid_max", "highest id of the exchange's own, in State"),
    _u64("ledger_oid_max", "the same in the ledger"),
    _u64("fills", "FILL records ever"),
    _u64("events", "records of funding, liquidation and transfers ever"),
    _u64("applied", "records that the ledger has seen"),
    _money("fee_account", "fees taken"),
    _money("residue", "rounding of funding"),
    _money("deposits", "sum"),
    _money("withdrawals", "sum"),
    _u32("accounts", "ACCOUNT rows without the funds'"),
    _u32("positions", "POSITION rows without the funds'"),
    _u32("cuts", "CUT rows"),
))  # fmt: skip
MARKET = Row("MARKET", 3, "a market as the ledger has it; its rule records follow FUNDING", (
    Field("name", "bytes[20]", "ascii", "zero-padded"),
    _SYMBOL,
    _px("fed_px", "newest mark; 0 = none"),
    _ns("fed_ns", "its time"),
    _px("index_px", "newest index"),
    _px("last_px", "newest trade; 0 = none"),
    _u32("oi_ppm", "open-interest scale (BR-3)"),
    _u8("price_decimals", "digits"),
    _u8("qty_decimals", "digits"),
    _u8("mode", "as in records"),
    _u8("mark_state", "as in records"),
    _u8("is_seeded", "its fund got the first balance"),
    _u8("rules", "records of the set in force that follow: 4, or 0 = as configured"),
    _u8("coming", "records of a set that is not whole, behind them"),
))  # fmt: skip
FUNDING = Row("FUNDING", 4, "funding of the market before it", (
    Field("premium_ppb", "i64", "ppb", "newest"),
    _u64("minute", "Unix minute sampled last"),
    Field("sum_high", "i64", "ppb", "of samples, upper half"),
    _u64("sum_low", "lower half"),
    _u64("interval_id", "settled last"),
    Field("rate_ppb", "i64", "ppb", "of the settlement being booked"),
    _px("mark_px", "of it"),
    _money("pool", "booked, not settled yet"),
    _money("paid", "by payers"),
    _money("received", "by receivers"),
    _u32("payments", "booked"),
    _u32("samples", "since the last settlement"),
    _u32("settlements", "ever"),
    _u8("is_live", "the premium is of a live mark"),
    _u8("is_open", "until FUNDING_DONE"),
))  # fmt: skip
ACCOUNT = Row("ACCOUNT", 5, "an account; what its positions hold follows from them", (
    _money("collateral", "balance"),
    _money("realised", "profit ever"),
    _money("fees", "paid ever"),
    _ns("round_ns", "last liquidation order"),
    _USER,
    _u32("owner_group", "0 = none"),
    _u32("ordered", "cross: position that a liquidation order is out for"),
    _u32("last_symbol_id", "market of the last transfer; 0 = none"),
    _u8("stp", "default"),
    _u8("position_mode", "0 one-way, 1 hedge"),
    _u8("stage", "of the cross bucket"),
    _u8("round", "last one"),
    _u8("has_settings", "an ACCOUNT_CONFIG came"),
))  # fmt: skip
POSITION = Row("POSITION", 6, "a position; what orders hold in it follows from them", (
    _qty("net", "signed"),
    _money("cost", "of what is open"),
    _money("wallet", "isolated margin"),
    _money("owed", "funding fixed, not booked"),
    _money("realised", "profit ever"),
    Field("order_oid", "u64", "id", "liquidation order that is out; 0 = none"),
    _u64("transfer_id", "number of its BANKRUPT; 0 = not"),
    _px("bankrupt_px", "0 = not bankrupt"),
    _u32("account", "whose; 0 = the fund's of its market"),
    _SYMBOL,
    _u32("exposed", "place in the exposure list of its side; 0 = flat"),
    _u16("leverage", "0 = the brackets' own"),
    _u8("leg", "0 or 1"),
    _u8("margin_mode", "0 cross, 1 isolated"),
    _u8("stage", "of liquidation"),
    _u8("round", "last one"),
))  # fmt: skip
ENGINE = Row("ENGINE", 7, "the matching engine of a market", (
    _px("mark_px", "newest; 0 = none"),
    _px("last_px", "newest fill, or reference"),
    _px("first_fill_px", "of the request that is not ended; 0 = none"),
    _u64("fills", "ever"),
    _px("bid_px", "best; 0 = none"),
    _px("ask_px", "best; 0 = none"),
    _SYMBOL,
    _u32("users", "USER rows"),
    _u32("client_ids", "places of the memory in use"),
    _u32("orders", "ORDER rows"),
    _u32("triggers", "TRIGGER rows"),
    _u32("due", "of them"),
    _u32("fired", "of them"),
    _u32("trim_user", "user whose orders are to be trimmed"),
    _u32("trim_then", "and the next one"),
    _u8("mode", "as in records"),
    _u8("mark_moved", "by the request that is not ended"),
    _u8("in_hand", "a TAKER row follows"),
))  # fmt: skip
USER = Row("USER", 8, "a user of a market", (
    _qty("held_long", "HL-1"),
    _qty("held_short", "HL-1"),
    _qty("reduce_max_buy", "bound of its resting reduce-only orders"),
    _qty("reduce_max_sell", "the same"),
    _USER,
    _u32("newest", "youngest resting order"),
    _u32("newest_reduce", "youngest reduce-only one"),
    _u32("owner_group", "0 = none"),
))  # fmt: skip
CLIENT_ID = Row("CLIENT_ID", 9, "a client id of no resting order; of one that ended with its end", (
    _OID,
    _ns("ts_ns", "of acceptance"),
    _px("px", "at the end"),
    _qty("qty", "whole, less what was cut"),
    _qty("filled", "of it"),
    _USER,
    _u32("at", "place in the memory, 1 = the oldest"),
    _u16("reason", "of the end"),
    _u8("status", "at the end"),
    *_TERMS,
    _u8("live", "0 ended, 1 order in hand, 2 trigger"),
    _CID_LEN,
    CID,
))  # fmt: skip
TAKER = Row("TAKER", 10, "the order in hand", (
    _OID,
    _px("px", "limit"),
    _qty("qty", "whole, less what was cut"),
    _qty("remaining", "open"),
    _money("reserved", "held"),
    _AT,
    _CID_AT,
    _EXPIRE,
    Field("fee_ppm", "i32", "ppm", "it pays as a taker"),
    *_TERMS,
    _u8("stp", "as in records"),
    _u8("is_amended", "it rested before"),
))  # fmt: skip
ORDER = Row("ORDER", 11, "a resting order", (
    _OID,
    _px("px", "limit"),
    _qty("qty", "whole, less what was cut"),
    _qty("remaining", "open"),
    _money("reserved", "held"),
    _ns("cid_ns", "when its client id was accepted"),
    _AT,
    _u32("older", "next older order of the user's same list"),
    _CID_AT,
    _EXPIRE,
    *_TERMS,
    _u8("stp", "as in records"),
    _CID_LEN,
    CID,
))  # fmt: skip
TRIGGER = Row("TRIGGER", 12, "a trigger", (
    _OID,
    _px("px", "limit; 0 = market"),
    _qty("qty", "whole"),
    _px("trigger_px", "0 = none"),
    Field("trail", "i64", "price units or ppm", "distance"),
    _px("extreme", "0 = none yet"),
    _px("level_px", "where it fired"),
    _px("fired_px", "price that made it due"),
    _AT,
    _CID_AT,
    _EXPIRE,
    _u32("line_at", "place among due, or among fired ones"),
    *_TERMS,
    _u8("stp", "as in records"),
    _u8("is_ppm", "what trail is"),
    _u8("state", "1 waits, 2 trails, 3 due, 4 fired"),
))  # fmt: skip
CUT = Row("CUT", 13, "what a living order lost without a fill", (_OID, _qty("qty", "sum")))
END = Row("END", 14, "the end", (
    _u64("units", "in the file, this one too"),
    Field("state_hash", "u64", "hash", "of the state"),
    Field("checksum", "u64", "hash", "over the seals of all units before"),
))  # fmt: skip

ROWS = (HEAD, STATE, MARKET, FUNDING, ACCOUNT, POSITION, ENGINE, USER, CLIENT_ID, TAKER, ORDER,
        TRIGGER, CUT, END)  # fmt: skip
BY_TYPE = {row.type: row for row in ROWS}
_HEADER_FIELDS = (
    ("form", "u8"), ("row_flags", "u8"), ("type", "u16"), ("length", "u16"), ("stream", "u16"),
    ("crc", "u32"), ("number", "u32"),
)  # fmt: skip


# --- what is generated -------------------------------------------------------------------------


def _struct_name(row: Row) -> str:
    return f"rsx_row_{row.name.lower()}_t"


def _c_struct(row: Row) -> list[str]:
    name = _struct_name(row)
    lines = ["typedef struct {", *[f"    {C_TYPES[t][2]} {n};" for n, t in _HEADER_FIELDS]]
    for f in row.fields:
        is_bytes = f.type.startswith("bytes[")
        lines.append(
            f"    uint8_t {f.name}[{f.size}];"
            if is_bytes
            else f"    {C_TYPES[f.type][2]} {f.name};"
        )
    if row.padding:
        lines.append(f"    uint8_t padding[{row.padding}];")
    lines += [f"}} {name};", f'_Static_assert(sizeof({name}) == {ROW_SIZE}, "{name} size");']
    for f in row.fields:
        at = HEADER_SIZE + row.offsets[f.name]
        lines.append(f'_Static_assert(offsetof({name}, {f.name}) == {at}, "{row.name}.{f.name}");')
    return [*lines, ""]


def c_header() -> str:
    out = [
        "/* Generated from rsx/rows.py; do not edit. */",
        "#ifndef RSX_ROWS_H",
        "#define RSX_ROWS_H",
        "#include <stddef.h>",
        "#include <stdint.h>",
        "#include <string.h>",
        "",
        f"enum {{ RSX_ROW_FORM = {FORM}, RSX_ROW_SIZE = {ROW_SIZE} }};",
        "",
        "enum rsx_row_type {",
        *[f"    RSX_ROW_{row.name} = {row.type}," for row in ROWS],
        "};",
        "",
        "typedef struct {",
        *[f"    {C_TYPES[t][2]} {n};" for n, t in _HEADER_FIELDS],
        "    uint8_t rest[112];",
        "} rsx_row_t;",
        "",
    ]
    for row in ROWS:
        out += _c_struct(row)
    out += [
        "/* Zero a row and write its header; number and crc are the file's. */",
        "static inline void rsx_row_init(void *at, uint16_t type, uint16_t stream) {",
        "    rsx_row_t *row = (rsx_row_t *)at;",
        "    memset(row, 0, RSX_ROW_SIZE);",
        "    row->form = RSX_ROW_FORM;",
        "    row->type = type;",
        f"    row->length = {PAYLOAD_SIZE};",
        "    row->stream = stream;",
        "}",
        "#endif",
        "",
    ]
    return "\n".join(out)


def cython_pxd() -> str:
    out = [
        "# Generated from rsx/rows.py; do not edit.",
        "from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t",
        "",
        'cdef extern from "rsx/rows.h" nogil:',
        "    enum:",
        *[f"        RSX_ROW_{n}" for n in ("FORM", "SIZE")],
        *[f"        RSX_ROW_{row.name}" for row in ROWS],
        "",
        "    ctypedef struct rsx_row_t:",
        *[f"        {C_TYPES[t][2]} {n}" for n, t in _HEADER_FIELDS],
        "",
    ]
    for row in ROWS:
        out.append(f"    ctypedef struct {_struct_name(row)}:")
        out += [f"        {C_TYPES[t][2]} {n}" for n, t in _HEADER_FIELDS]
        for f in row.fields:
            if f.type.startswith("bytes["):
                out.append(f"        uint8_t {f.name}[{f.size}]")
            else:
                out.append(f"        {C_TYPES[f.type][2]} {f.name}")
        out.append("")
    out += ["    void rsx_row_init(void *at, uint16_t type, uint16_t stream) noexcept", ""]
    return "\n".join(out)


def outputs() -> dict[Path, str]:
    """Path and due content of each generated file."""
    return {ROOT / "rsx" / "rows.h": c_header(), ROOT / "rsx" / "rows_c.pxd": cython_pxd()}


def main(argv: Sequence[str]) -> int:
    for path, text in outputs().items():
        if path.exists() and path.read_text() == text:
            continue
        if "--write" not in argv:
            print(f"{path.relative_to(ROOT)} is stale; run: python -m rsx.rows --write")
            return 1
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
