"""WebSocket framing of the public feed: whole frames as bytes, the same for everyone (MD-13)."""

from __future__ import annotations

# Headers of unmasked text frames of 0 .. 125 bytes.
SHORT_HEADS = [bytes((0x81, size)) for size in range(126)]


def text_frame(payload: bytes) -> bytes:
    """A whole unmasked WebSocket text frame. Source: RFC 6455 section 5.2."""
    size = len(payload)
    if size < len(SHORT_HEADS):
        return SHORT_HEADS[size] + payload
    if size < 1 << 16:
        return b"\x81\x7e%b%b" % (size.to_bytes(2, "big"), payload)
    return b"\x81\x7f%b%b" % (size.to_bytes(8, "big"), payload)
