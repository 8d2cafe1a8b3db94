"""Writes what is derived from rsx/records.py and rsx/errors.py, or checks that it is fresh.

python -m rsx.records --write     write rsx/records.h, rsx/records_c.pxd, specs/records.md
python -m rsx.records --check     exit 1 naming the first stale file
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rsx.errors import SENTENCES, Reason
from rsx.records import (
    BRACKETS_MAX,
    C_TYPES,
    FUND_USER_BASE,
    HEADER_SIZE,
    PAYLOAD_SIZE,
    RECORDS,
    VERSION,
    VIRTUAL_SHARDS,
    AdlPolicy,
    HeaderFlag,
    Kind,
    Leg,
    MarginMode,
    MarkState,
    Mode,
    OrderFlag,
    OrderKind,
    OrderStatus,
    PositionMode,
    Record,
    Side,
    Stage,
    Stp,
    Tif,
    TransferKind,
)

ROOT = Path(__file__).resolve().parent.parent
HEADER_FIELDS = (
    ("version", "u8"), ("header_flags", "u8"), ("type", "u16"), ("length", "u16"),
    ("stream", "u16"), ("crc", "u32"), ("epoch", "u32"),
)  # fmt: skip

# Enumerations that compiled code reads, with what precedes a name after RSX_.
ENUMS = (
    (HeaderFlag, ""), (OrderFlag, ""), (Side, ""), (Tif, ""), (OrderKind, ""), (Stp, "STP_"),
    (Mode, "MODE_"), (OrderStatus, "STATUS_"), (MarginMode, "MARGIN_"), (PositionMode, "POSITION_"),
    (Leg, "LEG_"), (Stage, "STAGE_"), (TransferKind, "TRANSFER_"), (AdlPolicy, "ADL_"),
    (MarkState, "MARK_"),
)  # fmt: skip
NUMBERS = {"RSX_BRACKETS_MAX": BRACKETS_MAX, "RSX_VIRTUAL_SHARDS": VIRTUAL_SHARDS}


def constants() -> dict[str, int]:
    """RSX_ names of the enumerations' values; a flag word that is 0 has none."""
    return {
        f"RSX_{prefix}{value.name}": int(value)
        for kind, prefix in ENUMS
        for value in kind
        if not (value.name == "NONE" and not prefix)
    }


def struct_name(record: Record) -> str:
    return f"rsx_{record.name.lower()}_t"


def _c_fields(record: Record) -> list[str]:
    lines = [f"    {C_TYPES[t][2]} {name};" for name, t in HEADER_FIELDS]
    for f in record.fields:
        if f.type.startswith("bytes["):
            lines.append(f"    uint8_t {f.name}[{f.size}];")
        else:
            lines.append(f"    {C_TYPES[f.type][2]} {f.name};")
    if record.padding:
        lines.append(f"    uint8_t padding[{record.padding}];")
    return lines


def _c_functions() -> list[str]:
    """What compiled code does with whole records."""
    words = [
        sum(1 << r.type % 64 for r in RECORDS if r.durable and r.type // 64 == word)
        for word in (0, 1)
    ]
    return [
        "/* Whether release of a record of this type waits for its fsync. */",
        "static inline int rsx_is_durable(uint16_t type) {",
        f"    static const uint64_t durable[2] = {{{words[0]:#x}u, {words[1]:#x}u}};",
        "    return type < 128 && durable[type >> 6] >> (type & 63) & 1;",
        "}",
        "",
        "/* Records are copied and zeroed in eight stores: compilers turn memcpy and memset of 128",
        " * bytes into string instructions, which take longer to start than this takes to end. */",
        "typedef uint64_t rsx_lane_t __attribute__((vector_size(16), aligned(8), may_alias));",
        "static inline void rsx_record_copy(void *to, const void *from) {",
        "    rsx_lane_t *target = (rsx_lane_t *)to;",
        "    const rsx_lane_t *source = (const rsx_lane_t *)from;",
        *[f"    target[{i}] = source[{i}];" for i in range(8)],
        "}",
        "static inline void rsx_record_zero(void *at) {",
        "    rsx_lane_t *target = (rsx_lane_t *)at, zero = {0, 0};",
        *[f"    target[{i}] = zero;" for i in range(8)],
        "}",
        "",
        "/* Zero a slot and write its header; seq, crc and epoch stay 0 until "
        "the log sets them. */",
        "static inline void rsx_record_init(void *slot, uint16_t type, uint16_t stream) {",
        "    rsx_record_t *record = (rsx_record_t *)slot;",
        "    rsx_record_zero(slot);",
        "    record->version = RSX_VERSION;",
        "    record->type = type;",
        f"    record->length = {PAYLOAD_SIZE};",
        "    record->stream = stream;",
        "}",
        "#endif",
        "",
    ]


def c_header() -> str:
    out = [
        "/* Generated from rsx/records.py and rsx/errors.py; do not edit. */",
        "#ifndef RSX_RECORDS_H",
        "#define RSX_RECORDS_H",
        "#include <stddef.h>",
        "#include <stdint.h>",
        "",
        f"enum {{ RSX_VERSION = {VERSION}, RSX_RECORD_SIZE = 128, RSX_HEADER_SIZE = 16 }};",
        f"#define RSX_FUND_USER_BASE {FUND_USER_BASE:#x}u",
        "",
        "enum rsx_constant {",
        *[f"    {name} = {value}," for name, value in (constants() | NUMBERS).items()],
        "};",
        "",
        "enum rsx_reason {",
        *[f"    RSX_R_{r.name} = {r.value}," for r in Reason],
        "};",
        "",
        "enum rsx_type {",
        *[f"    RSX_{r.name} = {r.type}," for r in RECORDS],
        "};",
        "",
        "typedef struct {",
        *[f"    {C_TYPES[t][2]} {name};" for name, t in HEADER_FIELDS],
        "    uint64_t seq;",
        "    uint64_t ts_ns;",
        "    uint8_t rest[96];",
        "} rsx_record_t;",
        '_Static_assert(sizeof(rsx_record_t) == 128, "rsx_record_t");',
        "",
    ]
    for record in RECORDS:
        name = struct_name(record)
        out += ["typedef struct {", *_c_fields(record), f"}} {name};"]
        out.append(f'_Static_assert(sizeof({name}) == 128, "{name} size");')
        for f in record.fields:
            at = HEADER_SIZE + record.offsets[f.name]
            out.append(
                f'_Static_assert(offsetof({name}, {f.name}) == {at}, "{record.name}.{f.name}");'
            )
        out.append("")
    return "\n".join([*out, *_c_functions()])


def cython_pxd() -> str:
    out = [
        "# Generated from rsx/records.py and rsx/errors.py; do not edit.",
        "from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t",
        "",
        'cdef extern from "rsx/records.h" nogil:',
        "    enum:",
        *[f"        RSX_{n}" for n in ("VERSION", "RECORD_SIZE", "HEADER_SIZE")],
        *[f"        {constant}" for constant in constants() | NUMBERS],
        *[f"        RSX_{r.name}" for r in RECORDS],
        *[f"        RSX_R_{r.name}" for r in Reason],
        "",
        "    const uint32_t RSX_FUND_USER_BASE",
        "",
        "    ctypedef struct rsx_record_t:",
        *[f"        {C_TYPES[t][2]} {name}" for name, t in HEADER_FIELDS],
        "        uint64_t seq",
        "        uint64_t ts_ns",
        "",
    ]  # fmt: skip
    for record in RECORDS:
        out.append(f"    ctypedef struct {struct_name(record)}:")
        out += [f"        {C_TYPES[t][2]} {name}" for name, t in HEADER_FIELDS]
        for f in record.fields:
            if f.type.startswith("bytes["):
                out.append(f"        uint8_t {f.name}[{f.size}]")
            else:
                out.append(f"        {C_TYPES[f.type][2]} {f.name}")
        out.append("")
    out += [
        "    int rsx_is_durable(uint16_t type) noexcept",
        "    void rsx_record_init(void *slot, uint16_t type, uint16_t stream) noexcept",
        "    void rsx_record_copy(void *target, const void *source) noexcept",
        "",
    ]
    return "\n".join(out)


KIND_TEXT = {
    Kind.REQUEST: "requests, in rings only",
    Kind.ANSWER: "answers, in rings only",
    Kind.LOGGED: "logged: numbered by the WAL, written, then released",
    Kind.INTERNAL: "between a tile and its helper",
    Kind.WIRE: "between hosts, beside logged records",
}


def spec_page() -> str:
    out = [
        "# Records",
        "",
        "Generated from `rsx/records.py` and `rsx/errors.py` by `python -m rsx.records --write`.",
        "Every record is 128 bytes: ring slot, log entry and wire unit are the same bytes.",
        "Little-endian, naturally aligned, padding explicit and zero.",
        "",
        "| offset | field | type | meaning |",
        "|---|---|---|---|",
        f"| 0 | version | u8 | {VERSION} |",
        "| 1 | flags | u8 | 1 = last record of what one request caused |",
        "| 2 | type | u16 | see below; 0 is never valid |",
        f"| 4 | length | u16 | payload bytes, {PAYLOAD_SIZE} |",
        "| 6 | stream | u16 | symbol id of the matching tile; 65535 risk; 65534 the log itself |",
        "| 8 | crc | u32 | CRC-32C over the other 124 bytes; 0 before the log |",
        "| 12 | epoch | u32 | which start of the log wrote it; 0 before the log |",
        "",
    ]
    for kind, text in KIND_TEXT.items():
        out += [f"## {text.capitalize()}", ""]
        for record in (r for r in RECORDS if r.kind is kind):
            durable = " Released only after its fsync." if record.durable else ""
            out += [
                f"### {record.type} {record.name}",
                "",
                f"{record.meaning}. Since version {record.since}.{durable}",
                "",
                "| offset | field | type | unit | meaning |",
                "|---|---|---|---|---|",
            ]
            out += [
                f"| {HEADER_SIZE + record.offsets[f.name]} | {f.name} | {f.type} | {f.unit} "
                f"| {f.meaning} |"
                for f in record.fields
            ]
            if record.padding:
                at = 128 - record.padding
                out.append(f"| {at} | padding | bytes[{record.padding}] | zero | zero |")
            out.append("")
    out += ["## Reasons", "", "| number | name | sentence |", "|---|---|---|"]
    out += [f"| {r.value} | {r.name} | {SENTENCES[r]} |" for r in Reason]
    return "\n".join(out) + "\n"


def outputs() -> dict[Path, str]:
    """Path and due content of each generated file."""
    return {
        ROOT / "rsx" / "records.h": c_header(),
        ROOT / "rsx" / "records_c.pxd": cython_pxd(),
        ROOT / "specs" / "records.md": spec_page(),
    }


def main(argv: Sequence[str]) -> int:
    write = "--write" in argv
    for path, text in outputs().items():
        if path.exists() and path.read_text() == text:
            continue
        if not write:
            print(f"{path.relative_to(ROOT)} is stale; run: python -m rsx.records --write")
            return 1
        path.write_text(text)
        print(f"wrote {path.relative_to(ROOT)}")
    return 0
