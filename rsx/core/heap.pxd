"""Indexed binary min-heap of slots (not 0) by key, then by tie; fixed capacity.

An item carries its key, so that a comparison touches no row. Where a slot's item lies is kept in
the slot's row (or in the heap's own array), so that a slot in the middle is found, moved and taken
out in O(log items). A row may stand in one of several heaps that share its place.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

# 24 bytes.
cdef struct heap_item_t:
    int64_t key
    uint64_t tie
    uint32_t slot
    uint32_t unused

cdef struct heap_t:
    heap_item_t* items      # from 1; the children of i are 2 i and 2 i + 1
    uint8_t* places         # u32 of slot s at places + s * stride: its item, 0 = not here
    uint64_t stride
    uint32_t count
    uint32_t capacity
    bint owns_places

cdef int heap_init(heap_t* heap, uint32_t slots_max, void* places, uint64_t stride) except -1
cdef void heap_free(heap_t* heap) noexcept nogil
cdef bint heap_put(heap_t* heap, uint32_t slot, int64_t key, uint64_t tie) noexcept nogil
cdef bint heap_remove(heap_t* heap, uint32_t slot) noexcept nogil
cdef int heap_audit(const heap_t* heap) except -1


cdef inline uint32_t heap_first(const heap_t* heap) noexcept nogil:
    """The slot with the smallest key, 0 when the heap is empty."""
    return heap.items[1].slot if heap.count else 0


cdef inline int64_t heap_first_key(const heap_t* heap) noexcept nogil:
    """The smallest key; the largest number there is when the heap is empty."""
    return heap.items[1].key if heap.count else 0x7FFFFFFFFFFFFFFF


cdef inline uint32_t* heap_place(const heap_t* heap, uint32_t slot) noexcept nogil:
    return <uint32_t*>(heap.places + slot * heap.stride)
