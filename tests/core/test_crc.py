"""CRC-32C of records: published vectors, another implementation, hardware against the table."""

from __future__ import annotations

import crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsx.core.crc import record_crc, sealed, uses_hardware

RECORD = st.binary(min_size=128, max_size=128)
# Its own checksum field does not count: it is taken as zero.
GOLDEN = [
    (bytes(128), 0x082764DB),
    (b"\xff" * 128, 0x2633D0A6),
    (bytes(range(128)), 0xFE140A16),
]


def reference(record: bytes) -> int:
    return crc32c.crc32c(record[:8] + bytes(4) + record[12:])


def test_the_reference_gives_the_published_vectors():
    # RFC 3720 B.4 and the check value of the CRC catalogue.
    assert crc32c.crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c.crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c.crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c.crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("software", [False, True])
@pytest.mark.parametrize(("record", "due"), GOLDEN)
def test_golden_vectors(record, due, software):
    assert record_crc(record, software=software) == due


@given(RECORD)
def test_hardware_and_table_agree_with_the_crc32c_package(record):
    due = reference(record)

    assert record_crc(record) == due
    assert record_crc(record, software=True) == due


@given(RECORD, st.binary(min_size=4, max_size=4))
def test_the_checksum_field_does_not_count(record, field):
    assert record_crc(record) == record_crc(record[:8] + field + record[12:])


@given(RECORD, st.integers(0, 128 * 8 - 1))
def test_every_flipped_bit_outside_the_checksum_shows(record, bit):
    damaged = bytearray(record)
    damaged[bit // 8] ^= 1 << bit % 8

    assert (record_crc(damaged) != record_crc(record)) == (not 8 <= bit // 8 < 12)


@given(st.binary(max_size=40), RECORD)
def test_a_record_is_found_at_its_offset(prefix, record):
    assert record_crc(prefix + record, len(prefix)) == reference(record)
    assert record_crc(prefix + record, len(prefix), software=True) == reference(record)


@pytest.mark.parametrize(("size", "offset"), [(0, 0), (127, 0), (128, 1), (256, 129), (128, -1)])
def test_fewer_bytes_than_a_record_are_refused(size, offset):
    with pytest.raises(ValueError, match="where a record takes 128"):
        record_crc(bytes(size), offset)


def test_sealed_sets_number_epoch_and_checksum_and_nothing_else():
    record = bytes(range(128))

    out = sealed(record, seq=77, epoch=5)

    assert int.from_bytes(out[12:16], "little") == 5
    assert int.from_bytes(out[16:24], "little") == 77
    assert int.from_bytes(out[8:12], "little") == reference(out)
    assert out[:8] == record[:8]
    assert out[24:] == record[24:]


def test_what_is_used_is_told():
    assert uses_hardware() in (True, False)
