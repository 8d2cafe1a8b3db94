# cython: boundscheck=False
"""A number for a slice of one engine, the same in whoever folds the log (INV-34).

    DIGEST_REQUEST -> log_digest -> ENGINE_DIGEST, the same number again wherever it is folded

Sums over what is in the slice, so neither slots nor the order of the map show. Bounded: a slice
has few ids whatever the sizes are (RP-2). Source: specs/replica.md RP-1 to RP-3.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

from rsx.book.book cimport NONE, level_t, mix, order_t
from rsx.book.cids cimport cid_entry_t
from rsx.book.events cimport emit, finish
from rsx.book.matching cimport engine_t, own_t, user_t
from rsx.book.rules cimport mark_of
from rsx.book.trigger cimport ENDED, FIRED, trigger_t
from rsx.book.triggers cimport trigger_extreme, triggers_t
from rsx.core.check cimport fail
from rsx.core.memory cimport rsx_prefetch
from rsx.core.ring cimport ring_t
from rsx.core.slices cimport SLICE_BATCH, slice_begin, slice_bits, slice_t, slice_take
from rsx.records_c cimport *

cdef enum:
    SLICE_IDS = 128             # orders, users or triggers (RP-2)


cdef uint64_t digest_cid(const engine_t* engine, uint32_t place_plus_one) noexcept nogil:
    """The client id of an order or trigger that lives; 0 without one."""
    cdef uint64_t[5] words
    cdef const cid_entry_t* entry
    cdef uint64_t state
    if place_plus_one == 0:
        return 0
    entry = &engine.cids.entries[place_plus_one - 1]
    words[4] = 0
    memcpy(words, entry.cid, sizeof(entry.cid))
    state = mix(mix(mix(37, entry.cid_len), words[0]), words[1])
    return mix(mix(mix(state, words[2]), words[3]), words[4])


cdef void order_ahead(const engine_t* engine, uint32_t slot) noexcept nogil:
    """Have what an order's digest reads beside its row on its way."""
    cdef const order_t* order = &engine.book.orders[slot]
    rsx_prefetch(&engine.book.levels[order.level])
    rsx_prefetch(&engine.owns[slot])
    rsx_prefetch(&engine.book.orders[order.prev])
    if order.cid_place:
        rsx_prefetch(&engine.cids.entries[order.cid_place - 1])


cdef uint64_t digest_order(const engine_t* engine, uint32_t slot) noexcept nogil:
    cdef const order_t* order = &engine.book.orders[slot]
    cdef const level_t* level = &engine.book.levels[order.level]
    cdef const own_t* own = &engine.owns[slot]
    cdef uint64_t state = mix(mix(mix(31, order.oid), level.px), order.remaining)
    state = mix(mix(mix(state, order.reserved), order.qty), order.user_id)
    state = mix(state, order.side | order.tif << 8 | order.flags << 16
                | <uint64_t>order.kind << 24 | <uint64_t>order.stp << 32)
    if order.prev != NONE:
        state = mix(mix(state, 1), engine.book.orders[order.prev].oid)
    else:
        state = mix(mix(state, level.qty), level.count)
    if own.next != NONE:
        state = mix(state, engine.book.orders[own.next].oid)
    return mix(mix(state, own.expire_s), digest_cid(engine, order.cid_place))


cdef uint64_t digest_orders(const engine_t* engine, uint32_t part, int bits) noexcept nogil:
    cdef uint32_t[SLICE_BATCH] slots
    cdef slice_t slice
    cdef uint64_t total = 0
    cdef int found, at
    slice_begin(&slice, &engine.book.ids, part, bits)
    while True:
        found = slice_take(&slice, slots)
        if found == 0:
            return total
        for at in range(found):
            order_ahead(engine, slots[at])
        for at in range(found):
            total += digest_order(engine, slots[at])


cdef uint64_t digest_users(const engine_t* engine, uint32_t part, int bits) noexcept nogil:
    """Who has neither orders nor a position nor an owner may be unknown elsewhere."""
    cdef uint32_t[SLICE_BATCH] slots
    cdef slice_t slice
    cdef const user_t* user
    cdef uint64_t total = 0
    cdef int found, at
    slice_begin(&slice, &engine.user_slots, part, bits)
    while True:
        found = slice_take(&slice, slots)
        if found == 0:
            return total
        for at in range(found):
            user = &engine.users[slots[at]]
            if user.held[0] or user.held[1] or user.open_orders or user.owner_group:
                total += mix(mix(mix(mix(mix(17, user.user_id), user.held[0]), user.held[1]),
                                 user.open_orders), user.owner_group)


cdef uint64_t digest_trigger(const engine_t* engine, const trigger_t* row) noexcept nogil:
    """What the hash of F-3 has of a trigger, and its client id."""
    cdef uint64_t state = mix(mix(mix(29, row.oid), row.px), row.qty)
    state = mix(mix(mix(state, row.trigger_px), row.trail), row.user_id)
    state = mix(mix(state, row.expire_s), row.is_ppm | row.kind << 8 | row.side << 16)
    state = mix(state, row.tif | row.flags << 8 | row.stp << 16)
    state = mix(state, digest_cid(engine, row.cid_place))
    if row.state == FIRED:
        return mix(state, 1)
    return mix(mix(state, 0), trigger_extreme(&engine.triggers, row))


cdef uint64_t digest_triggers(const engine_t* engine, uint32_t part, int bits) noexcept nogil:
    cdef const triggers_t* triggers = &engine.triggers
    cdef uint32_t[SLICE_BATCH] slots
    cdef slice_t slice
    cdef uint64_t total = 0
    cdef int found, at
    slice_begin(&slice, &triggers.ids, part, bits)
    while True:
        found = slice_take(&slice, slots)
        if found == 0:
            return total
        for at in range(found):
            if triggers.rows[slots[at]].state != ENDED:
                total += digest_trigger(engine, &triggers.rows[slots[at]])


cdef uint16_t engine_digest_form(const engine_t* engine) noexcept nogil:
    """RP-2: the form that digests of this engine have now."""
    cdef int bits = max(slice_bits(&engine.book.ids, SLICE_IDS),
                        slice_bits(&engine.user_slots, SLICE_IDS),
                        slice_bits(&engine.triggers.ids, SLICE_IDS))
    return <uint16_t>(bits << 8 | DIGEST_FORM)


cdef uint64_t engine_digest(const engine_t* engine, uint32_t part, uint16_t form) noexcept nogil:
    """RP-3. The form has been looked at; not for a shadow."""
    cdef int bits = form >> 8
    cdef uint64_t state = mix(mix(mix(form, part), engine.mode), engine.last_px)
    state = mix(mix(mix(state, mark_of(engine)), engine.rules.version), engine.book.live)
    state = mix(state, engine.triggers.live - engine.triggers.ended)
    if engine.taker.active:
        state = mix(state, engine.taker.oid)
    state = mix(state, digest_orders(engine, part, bits))
    state = mix(state, digest_users(engine, part, bits))
    return mix(state, digest_triggers(engine, part, bits))


cdef int log_digest(engine_t* engine, const rsx_record_t* request, uint64_t ts_ns,
                    ring_t* out) except -1 nogil:
    """DIGEST_REQUEST: one record, of the state between two requests."""
    cdef const rsx_digest_request_t* asked = <const rsx_digest_request_t*>request
    cdef rsx_engine_digest_t* event
    if engine.is_shadow or asked.symbol_id != engine.rules.symbol_id:
        return fail(1110, asked.symbol_id, asked.part)
    event = <rsx_engine_digest_t*>emit(engine, out, RSX_ENGINE_DIGEST, ts_ns)
    event.symbol_id = engine.rules.symbol_id
    event.part = asked.part
    event.form = engine_digest_form(engine)
    event.digest = engine_digest(engine, event.part, event.form)
    return finish(out)
