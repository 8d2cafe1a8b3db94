"""Records: the bytes on disk are frozen, and nothing else than such bytes is ever decoded."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from records_golden import GOLDEN

from rsx import records
from rsx.cli import main
from rsx.config import load
from rsx.core.clock import Clock
from rsx.core.crc import record_crc, sealed
from rsx.errors import Reason, StartError
from rsx.records import (
    BY_NAME,
    BY_TYPE,
    DEPOSIT,
    FILL,
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    RECORDS,
    AdlPolicy,
    Field,
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
    RecordError,
    Side,
    Stage,
    Stp,
    Tif,
    TransferKind,
    decode,
    iterate,
)
from rsx.wal.reader import LogReader
from rsx.wal.start import recover

LIMITS = {
    "u8": (0, 2**8 - 1), "u16": (0, 2**16 - 1), "u32": (0, 2**32 - 1), "u64": (0, 2**64 - 1),
    "i32": (-(2**31), 2**31 - 1), "i64": (-(2**63), 2**63 - 1),
}  # fmt: skip
TOP = {"u8": 0x10, "u16": 0x1020, "u32": 0x10203040, "i32": -0x10203040,
       "u64": 0x1020304050607080, "i64": -0x1020304050607080}  # fmt: skip


def golden_value(number: int, field: Field):
    """The value that a field has in the golden records: different in every byte and field."""
    if field.type.startswith("bytes["):
        return f"{field.name}-{number}".encode()
    if field.unit == "zero":
        return 0
    if field.enum is Reason:
        return 3001
    if field.enum is not None or field.flags is not None:
        return 1
    return 6 if field.name == "cid_len" else TOP[field.type] + number


def values_of(record: Record) -> st.SearchStrategy:
    """Any values that a record may hold."""

    def of(field: Field) -> st.SearchStrategy:
        if field.type.startswith("bytes["):
            return st.binary(max_size=field.size)
        if field.unit == "zero":
            return st.just(0)
        if field.enum is not None:
            return st.sampled_from([int(member) for member in field.enum])
        if field.flags is not None:
            return st.integers(0, field.flags)
        if field.name == "cid_len":
            return st.integers(0, records.CID_MAX)
        return st.integers(*LIMITS[field.type])

    return st.fixed_dictionaries({field.name: of(field) for field in record.fields})


RECORD_AND_VALUES = st.sampled_from(RECORDS).flatmap(
    lambda record: st.tuples(st.just(record), values_of(record))
)


def whole(record: Record, **values) -> bytearray:
    """A record with its checksum, ready to be damaged."""
    return bytearray(sealed(record.pack(**values), 7, 1))


def resealed(data: bytearray) -> bytes:
    data[8:12] = record_crc(data).to_bytes(4, "little")
    return bytes(data)


# --- the format -------------------------------------------------------------------------------


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_golden_bytes(record):
    values = {field.name: golden_value(i, field) for i, field in enumerate(record.fields)}
    seq = values["seq"]

    data = sealed(record.pack(header_flags=1, stream=0x0203, **values), seq, 0x04050607)

    assert data.hex() == GOLDEN[record.name]
    view = decode(bytes.fromhex(GOLDEN[record.name]))
    assert (view.record, view.stream, view.epoch, view.header_flags) == (
        record, 0x0203, 0x04050607, 1)  # fmt: skip
    for field in record.fields:
        got = getattr(view, field.name)
        assert (got.rstrip(b"\0") if isinstance(got, bytes) else got) == values[field.name]


def test_every_record_type_has_golden_bytes():
    assert GOLDEN.keys() == BY_NAME.keys()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_a_record_is_128_bytes_naturally_aligned_without_holes(record):
    at = 0
    for field in record.fields:
        assert record.offsets[field.name] == at
        assert at % field.align == 0
        at += field.size
    assert at + record.padding == 112
    assert record.codec.size == 128
    assert [field.name for field in record.fields[:2]] == ["seq", "ts_ns"]


def test_type_numbers_are_the_ones_given_for_ever():
    assert {record.name: record.type for record in RECORDS} == {
        "ORDER_REQUEST": 1, "CANCEL_REQUEST": 2, "ORDER_NEW": 3, "ORDER_CANCEL": 4,
        "DEPOSIT_REQUEST": 5, "ACCOUNT_QUERY": 6, "MARK_UPDATE": 7, "TRIGGER_REQUEST": 8,
        "AMEND_REQUEST": 9, "ORDER_AMEND": 10, "CANCEL_ALL_REQUEST": 11, "ORDER_CANCEL_ALL": 12,
        "MODE_REQUEST": 13, "TRIGGER_REFUSED": 14, "ACCOUNT_CONFIG_REQUEST": 15,
        "REQUEST_REJECTED": 16, "ACCOUNT_STATE": 17, "POSITION_STATE": 18, "WITHDRAW_REQUEST": 19,
        "MARGIN_CONFIG_REQUEST": 20, "MARGIN_TRANSFER_REQUEST": 21, "POSITION_TRANSFER": 22,
        "BBO_UPDATE": 23, "POSITION_RISK": 24, "MARGIN_CALL": 25, "ORDER_ACCEPTED": 32, "FILL": 33,
        "ORDER_RESTED": 34, "ORDER_CANCELLED": 35, "ORDER_REJECTED": 36, "ORDER_REDUCED": 37,
        "CANCEL_REJECTED": 38, "ORDER_DUPLICATE": 39, "DEPOSIT": 40, "MARK_PRICE": 41,
        "SYMBOL_CONFIG": 42, "LOG_STARTED": 43, "SEGMENT_STARTED": 44, "SYMBOL_LIMITS": 45,
        "ORDER_AMENDED": 46, "AMEND_REJECTED": 47, "TRIGGER_PLACED": 48, "TRIGGER_FIRED": 49,
        "TRIGGER_CANCELLED": 50, "TRADING_MODE": 51, "ACCOUNT_CONFIG": 52, "ORDER_RELEASED": 53,
        "CANCEL_ALL_DONE": 54, "TRIGGER_REJECTED": 55, "WITHDRAWAL": 56, "MARGIN_CONFIG": 57,
        "MARGIN_TRANSFERRED": 58, "FUNDING_SETTLED": 59, "FUNDING_PAYMENT": 60, "FUNDING_DONE": 61,
        "LIQUIDATION_STEP": 62, "POSITION_TRANSFERRED": 63, "SYNC_REQUEST": 64, "SYNC_DONE": 65,
        "SEGMENT_READY": 66, "LIQUIDATION_SETTLED": 67, "SYMBOL_RISK": 68, "SYMBOL_BRACKETS": 69,
        "DIGEST_REQUEST": 26, "ENGINE_DIGEST": 70, "LEDGER_MARK": 71, "LEDGER_DIGEST": 72,
        "LOG_SYNCED": 73, "LOG_PRUNE": 74, "REPLAY_REQUEST": 80, "REPLAY_BEGUN": 81,
        "REPLAY_UNAVAILABLE": 82, "CAUGHT_UP": 83, "LOG_TIP": 84, "CONSUMER_TIP": 85,
    }  # fmt: skip
    assert 0 not in BY_TYPE


def test_what_moves_money_and_starts_is_what_release_waits_for():
    durable = {record.name for record in RECORDS if record.durable}

    assert durable == {
        "FILL", "DEPOSIT", "LOG_STARTED", "WITHDRAWAL", "MARGIN_TRANSFERRED", "FUNDING_SETTLED",
        "FUNDING_PAYMENT", "FUNDING_DONE", "LIQUIDATION_STEP", "POSITION_TRANSFERRED",
        "LIQUIDATION_SETTLED",
    }  # fmt: skip
    assert all(BY_NAME[name].kind is Kind.LOGGED for name in durable)


# --- round trip -------------------------------------------------------------------------------


@given(RECORD_AND_VALUES, st.integers(0, 2**16 - 1), st.sampled_from([0, 1]))
def test_what_was_packed_is_decoded_again(given_record, stream, header_flags):
    record, values = given_record

    packed = record.pack(stream=stream, header_flags=header_flags, **values)
    view = decode(sealed(packed, values["seq"], 3))

    for field in record.fields:
        value = values[field.name]
        due = value.ljust(field.size, b"\0") if isinstance(value, bytes) else value
        assert getattr(view, field.name) == due
    assert (view.stream, view.header_flags, view.epoch) == (stream, header_flags, 3)
    assert view.as_dict()["type"] == record.name
    assert record.name in repr(view)


def test_fields_that_are_not_named_are_zero():
    view = decode(FILL.pack(qty=5), crc=False)

    assert (view.qty, view.px, view.taker_user_id, view.taker_side) == (5, 0, 0, Side.BUY)


def test_the_client_id_is_text_of_its_length():
    view = decode(ORDER_ACCEPTED.pack(cid="a-€".encode(), cid_len=5), crc=False)

    assert view.client_id == "a-€"
    assert view.as_dict()["cid"] == "a-€"
    assert "cid_len" not in view.as_dict()


def test_iterate_decodes_records_back_to_back():
    data = b"".join(sealed(DEPOSIT.pack(amount=i), i, 1) for i in (1, 2, 3))

    assert [view.amount for view in iterate(data)] == [1, 2, 3]


# --- what is refused --------------------------------------------------------------------------


@given(st.binary(max_size=300))
@example(bytes(128))
@example(b"\x01" * 128)
def test_any_bytes_are_a_record_or_a_record_error(data):
    for crc in (True, False):
        try:
            view = decode(data, crc=crc)
        except RecordError as error:
            assert str(error)
            assert "\n" not in str(error)
        else:
            view.as_dict()


@given(RECORD_AND_VALUES, st.integers(0, 127), st.integers(1, 255))
def test_a_byte_changed_anywhere_is_noticed(given_record, at, change):
    record, values = given_record
    data = bytearray(sealed(record.pack(**values), values["seq"], 1))
    data[at] ^= change

    with pytest.raises(RecordError):
        decode(data)


@given(RECORD_AND_VALUES, st.integers(0, 127), st.integers(1, 255))
def test_a_byte_changed_under_a_right_checksum_gives_a_record_or_a_record_error(
    given_record, at, change
):
    record, values = given_record
    data = bytearray(sealed(record.pack(**values), values["seq"], 1))
    data[at] ^= change

    try:
        view = decode(resealed(data))
    except RecordError:
        return
    assert view.record.type == data[2] | data[3] << 8
    view.as_dict()


@pytest.mark.parametrize("size", [0, 1, 127])
def test_short_input_is_refused_with_its_length(size):
    with pytest.raises(RecordError, match=f"^{size} bytes where a record takes 128$"):
        decode(bytes(whole(DEPOSIT))[:size])
    with pytest.raises(RecordError, match=r"^127 bytes"):
        decode(bytes(whole(DEPOSIT)), 1)


@pytest.mark.parametrize("version", [0, 1, 2, 3, 5, 255])
def test_another_version_is_refused_with_its_number(version):
    data = whole(DEPOSIT)
    data[0] = version

    with pytest.raises(RecordError, match=rf"^record version {version} \(known: 4\)$"):
        decode(resealed(data))


@pytest.mark.parametrize("number", [0, 27, 31, 79, 256, 65535])
def test_an_unknown_type_is_refused_with_its_number(number):
    data = whole(DEPOSIT)
    struct.pack_into("<H", data, 2, number)

    with pytest.raises(RecordError, match=f"^unknown record type {number}$"):
        decode(resealed(data))


def test_another_length_is_refused():
    data = whole(DEPOSIT)
    struct.pack_into("<H", data, 4, 96)

    with pytest.raises(RecordError, match="length 96 where DEPOSIT is due"):
        decode(resealed(data))


def test_unknown_header_flags_are_refused():
    data = whole(DEPOSIT)
    data[1] = 2

    with pytest.raises(RecordError, match="DEPOSIT: header flags 0x2 have unknown bits"):
        decode(resealed(data))


@pytest.mark.parametrize(
    ("record", "name", "value", "message"),
    [
        (ORDER_ACCEPTED, "side", 2, "ORDER_ACCEPTED.side = 2 is no Side"),
        (ORDER_ACCEPTED, "tif", 4, "ORDER_ACCEPTED.tif = 4 is no Tif"),
        (ORDER_ACCEPTED, "kind", 8, "ORDER_ACCEPTED.kind = 8 is no OrderKind"),
        (ORDER_ACCEPTED, "stp", 5, "ORDER_ACCEPTED.stp = 5 is no Stp"),
        (BY_NAME["MARGIN_CONFIG_REQUEST"], "fields", 8,
         "MARGIN_CONFIG_REQUEST.fields = 0x8 has unknown bits"),
        (BY_NAME["MARGIN_CONFIG"], "margin_mode", 2,
         "MARGIN_CONFIG.margin_mode = 2 is no MarginMode"),
        (BY_NAME["MARGIN_CONFIG"], "position_mode", 2,
         "MARGIN_CONFIG.position_mode = 2 is no PositionMode"),
        (BY_NAME["LIQUIDATION_STEP"], "stage", 6, "LIQUIDATION_STEP.stage = 6 is no Stage"),
        (BY_NAME["LIQUIDATION_STEP"], "leg", 2, "LIQUIDATION_STEP.leg = 2 is no Leg"),
        (BY_NAME["POSITION_TRANSFERRED"], "kind", 2,
         "POSITION_TRANSFERRED.kind = 2 is no TransferKind"),
        (BY_NAME["SYMBOL_RISK"], "adl_policy", 3, "SYMBOL_RISK.adl_policy = 3 is no AdlPolicy"),
        (BY_NAME["MARK_PRICE"], "state", 2, "MARK_PRICE.state = 2 is no MarkState"),
        (ORDER_CANCELLED, "reason", 9999, "ORDER_CANCELLED.reason = 9999 is no Reason"),
        (ORDER_ACCEPTED, "cid_len", 37, "ORDER_ACCEPTED.cid_len = 37: at most 36"),
        (BY_NAME["TRADING_MODE"], "mode", 4, "TRADING_MODE.mode = 4 is no Mode"),
        (BY_NAME["TRADING_MODE"], "previous", 5, "TRADING_MODE.previous = 5 is no Mode"),
        (BY_NAME["ORDER_DUPLICATE"], "original_status", 6,
         "ORDER_DUPLICATE.original_status = 6 is no OrderStatus"),
        (BY_NAME["ORDER_DUPLICATE"], "original_reason", 9999,
         "ORDER_DUPLICATE.original_reason = 9999 is no Reason"),
        (BY_NAME["CANCEL_ALL_REQUEST"], "scope", 4,
         "CANCEL_ALL_REQUEST.scope = 0x4 has unknown bits"),
        (BY_NAME["ACCOUNT_CONFIG_REQUEST"], "fields", 4,
         "ACCOUNT_CONFIG_REQUEST.fields = 0x4 has unknown bits"),
        (BY_NAME["CANCEL_REJECTED"], "pad0", 1, "CANCEL_REJECTED.pad0 = 0x1: padding is not zero"),
        (BY_NAME["SYMBOL_CONFIG"], "pad0", 256, "SYMBOL_CONFIG.pad0 = 0x100: padding is not zero"),
    ],
)  # fmt: skip
def test_a_value_that_is_no_member_is_refused_with_field_and_value(record, name, value, message):
    with pytest.raises(RecordError) as caught:
        decode(sealed(record.pack(**{name: value}), 1, 1))

    assert str(caught.value) == message


@pytest.mark.parametrize("record", [r for r in RECORDS if r.padding], ids=lambda r: r.name)
def test_padding_that_is_not_zero_is_refused(record):
    for at in (128 - record.padding, 127):
        data = whole(record)
        data[at] = 1
        with pytest.raises(RecordError, match=f"{record.name}: padding is not zero"):
            decode(resealed(data))


def test_a_wrong_checksum_is_refused_with_both():
    data = whole(DEPOSIT, amount=5)
    due = record_crc(data)
    struct.pack_into("<I", data, 8, due ^ 1)

    with pytest.raises(RecordError, match=f"{due ^ 1:#010x}, should be {due:#010x}"):
        decode(data)
    assert decode(data, crc=False).amount == 5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"nonsense": 1}, "DEPOSIT has no field 'nonsense'"),
        ({"amount": 1 << 63}, "DEPOSIT: "),
        ({"user_id": -1}, "DEPOSIT: "),
        ({"amount": 1.5}, "DEPOSIT: "),
        ({"amount": "5"}, "DEPOSIT: "),
    ],
)
def test_what_does_not_fit_is_not_packed(values, message):
    with pytest.raises(RecordError, match=message):
        DEPOSIT.pack(**values)


def test_a_field_that_a_record_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="DEPOSIT has no field 'px'"):
        _ = decode(bytes(whole(DEPOSIT))).px


# --- declarations -----------------------------------------------------------------------------

SEQ, TS = records.SEQ, records.TS


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((SEQ, TS, Field("a", "u8", "", ""), Field("b", "u32", "", "")), "not 4-aligned"),
        ((SEQ, TS, Field("a", "bytes[97]", "", "")), "payload of 113 bytes exceeds 112"),
        ((TS, SEQ), "begins with seq, ts_ns"),
    ],
)
def test_a_declaration_that_would_break_the_layout_is_refused(fields, message):
    with pytest.raises(RecordError, match=message):
        Record("BAD", 999, Kind.LOGGED, "", fields)


@pytest.mark.parametrize(
    ("enum", "names"),
    [
        (Side, "BUY SELL"),
        (Tif, "GTC IOC FOK GTD"),
        (OrderKind, "LIMIT MARKET STOP_MARKET STOP_LIMIT TAKE_PROFIT_MARKET TAKE_PROFIT_LIMIT "
                    "TRAILING_STOP LIQUIDATION"),
        (MarginMode, "CROSS ISOLATED"),
        (PositionMode, "ONE_WAY HEDGE"),
        (Leg, "LONG SHORT"),
        (Stage, "NONE STARTED ORDERED RECOVERED BANKRUPT CLOSED"),
        (TransferKind, "TAKEOVER ADL"),
        (AdlPolicy, "QUEUE PRO_RATA RISK_WEIGHTED"),
        (MarkState, "LIVE STALE"),
        (Stp, "NONE NEWEST OLDEST BOTH DEFAULT"),
        (Mode, "OPEN POST_ONLY CANCEL_ONLY HALT"),
        (OrderStatus, "FILLED RESTING CANCELLED REJECTED PENDING WAITING"),
    ],
)  # fmt: skip
def test_enums_hold_the_numbers_of_the_wire(enum, names):
    assert {member.name: member.value for member in enum} == {
        name: number for number, name in enumerate(names.split())
    }


def test_flags_hold_the_bits_of_the_wire_and_clients_may_set_all_but_the_engines_own():
    bits = "POST_ONLY REDUCE_ONLY RESTS REPRICE ON_DISCONNECT LAST_PRICE KEPT HEDGE".split()

    assert {flag.name: flag.value for flag in OrderFlag} == {n: 1 << i for i, n in enumerate(bits)}
    assert records.REQUEST_FLAGS == 255 & ~(OrderFlag.RESTS | OrderFlag.KEPT)


# --- a log of an older version ----------------------------------------------------------------

# The first record of a log that a version wrote: SEGMENT_STARTED, number 1, epoch 1.
OLD = {
    1: (
        "01012c007000feff0000000001000000010000000000000000daec3a36c59717"
        "1500000000000000000000000000000000000000000000000000000000000000"
    ) + "00" * 64,
    2: (
        "02012c007000feff0000000001000000010000000000000000daec3a36c59717"
        "1500000000000000000000000000000000000000000000000000000000000000"
    ) + "00" * 64,
}  # fmt: skip
OLD_VERSIONS = pytest.mark.parametrize("version", OLD)


def old_log(folder: Path, version: int) -> Path:
    first = bytearray(bytes.fromhex(OLD[version]))
    second = bytearray(first)
    second[16] = 2
    path = folder / "wal" / f"{1:020d}.wal"
    path.parent.mkdir(parents=True)
    path.write_bytes((resealed(first) + resealed(second)).ljust(1 << 20, b"\0"))
    return path


@OLD_VERSIONS
def test_a_log_of_an_old_version_is_refused_at_start_and_left_as_it_is(tmp_path, version):
    path = old_log(tmp_path, version)
    before = path.read_bytes()

    with pytest.raises(StartError) as caught:
        recover(load(), path.parent, Clock.manual(1))

    assert str(caught.value) == (
        f"{path}: record 1 at offset 0 is of record version {version}, this program reads "
        "versions 3 and 4: use the program that wrote it, or another data folder"
    )
    assert path.read_bytes() == before


@OLD_VERSIONS
def test_a_log_that_goes_on_in_an_old_version_is_refused_where_it_does(tmp_path, version):
    path = old_log(tmp_path, version)
    data = bytearray(path.read_bytes())
    first = records.SEGMENT_STARTED.pack(exchange_id=0x15, header_flags=1, stream=65534)
    data[:128] = sealed(first, 1, 1)
    path.write_bytes(data)

    with pytest.raises(StartError, match=f"record 2 at offset 128 is of record version {version}"):
        recover(load(), path.parent, Clock.manual(1))


@OLD_VERSIONS
@pytest.mark.parametrize("command", ["dump", "stats", "verify"])
def test_the_wal_tools_say_that_a_log_is_of_an_old_version(tmp_path, capsys, command, version):
    """Also where later segments follow: one finding, not one a file."""
    path = old_log(tmp_path, version)
    later = path.with_name(f"{8193:020d}.wal")
    later.write_bytes(path.read_bytes())

    code = main(["wal", command, str(tmp_path)])

    out = capsys.readouterr()
    text = out.out + out.err
    finding = f"record 1 at offset 0 is of record version {version}, this program reads"
    assert code == 1
    assert text.count(finding) == 1
    assert str(path) in text and str(later) not in text


@OLD_VERSIONS
def test_a_version_byte_that_was_damaged_is_no_other_version(tmp_path, version):
    """The seal covers it: what does not fit its seal is a torn tail as before."""
    path = old_log(tmp_path, version)
    data = bytearray(path.read_bytes())
    data[:128] = records.SEGMENT_STARTED.pack(exchange_id=1)
    data[0] = version
    data[128:256] = bytes(128)
    path.write_bytes(data)

    assert list(LogReader(tmp_path).chunks()) == []
