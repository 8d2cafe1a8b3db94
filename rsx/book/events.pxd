"""Event records of one engine, each written in one place. See events.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.book.book cimport order_t
from rsx.book.cids cimport cid_entry_t
from rsx.book.matching cimport DONE, engine_t
from rsx.core.ring cimport ring_claim_sure, ring_commit, ring_t
from rsx.records_c cimport *

cdef int emit_rejected(engine_t* engine, uint16_t type, const rsx_order_new_t* order,
                       uint16_t reason, uint64_t ts_ns, ring_t* out) noexcept nogil
cdef int emit_released(engine_t* engine, uint64_t oid, uint32_t user_id, uint8_t side,
                       uint8_t flags, int64_t qty, int64_t released, uint64_t ts_ns,
                       ring_t* out) noexcept nogil
cdef rsx_order_cancelled_t* emit_cancelled(
    engine_t* engine, const order_t* order, uint16_t reason, uint64_t ts_ns,
    ring_t* out) noexcept nogil
cdef rsx_order_duplicate_t* emit_duplicate(
    engine_t* engine, const cid_entry_t* entry, uint64_t oid, uint32_t user_id, uint8_t side,
    uint8_t flags, uint64_t ts_ns, ring_t* out) noexcept nogil
cdef rsx_order_reduced_t* emit_reduced(
    engine_t* engine, uint64_t oid, uint32_t user_id, uint8_t side, uint8_t flags, int64_t px,
    int64_t cut, int64_t remaining, int64_t released, uint64_t ts_ns, ring_t* out) noexcept nogil
cdef void emit_rested(engine_t* engine, uint64_t ts_ns, ring_t* out) noexcept nogil
cdef void emit_taker_cancelled(engine_t* engine, uint16_t reason, uint64_t ts_ns,
                               ring_t* out) noexcept nogil


cdef inline void* emit(engine_t* engine, ring_t* out, uint16_t type,
                       uint64_t ts_ns) noexcept nogil:
    """A zeroed record in the output ring; room was made sure of (ROOM)."""
    cdef uint8_t* slot = ring_claim_sure(out)
    rsx_record_init(slot, type, <uint16_t>engine.rules.symbol_id)
    (<rsx_record_t*>slot).ts_ns = ts_ns
    return slot


cdef inline int finish(ring_t* out) noexcept nogil:
    """Mark the last record as that of the request (M-11) and show the log all of them.

    The last record must not have been shown yet: who stops before a full ring has more to write.
    """
    cdef uint64_t last = out.producer.claimed - 1
    (<rsx_record_t*>(out.slots + (last & out.mask) * RSX_RECORD_SIZE)).header_flags = RSX_GROUP_END
    ring_commit(out)
    return DONE


# What no reader of the log knows reads 0 in an answer (M-2).
cdef inline uint8_t known_side(uint8_t side) noexcept nogil:
    return side if side <= RSX_SELL else 0


cdef inline uint8_t known_flags(uint8_t flags) noexcept nogil:
    return flags & <uint8_t>(RSX_POST_ONLY | RSX_REDUCE_ONLY | RSX_REPRICE | RSX_ON_DISCONNECT
                             | RSX_LAST_PRICE | RSX_HEDGE)
