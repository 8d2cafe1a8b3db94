"""CRC-32C of records, for Python callers and tests."""

from rsx.core.crc cimport rsx_crc_hardware, rsx_crc_init, rsx_crc_record, rsx_crc_record_soft

rsx_crc_init()


def record_crc(data, Py_ssize_t offset=0, bint software=False):
    """Checksum due for the 128-byte record at offset; its own checksum field does not count."""
    cdef const unsigned char[:] view = data
    if offset < 0 or view.shape[0] - offset < 128:
        raise ValueError(f"{view.shape[0] - offset} bytes where a record takes 128")
    if software:
        return rsx_crc_record_soft(&view[offset])
    return rsx_crc_record(&view[offset])


def uses_hardware():
    return bool(rsx_crc_hardware)


def sealed(data, unsigned long long seq, unsigned int epoch):
    """A copy of the record with number, epoch and checksum set, as the log would write it."""
    cdef bytearray out = bytearray(data)
    out[12:16] = int(epoch).to_bytes(4, "little")
    out[16:24] = int(seq).to_bytes(8, "little")
    out[8:12] = int(record_crc(out)).to_bytes(4, "little")
    return bytes(out)
