# cython: boundscheck=False
"""The moves of an indexed heap, and a Python face for tests. Layout in heap.pxd.

Nothing is allocated after heap_init. Audit: order of keys, and every place (INV-8).
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.core.check cimport fail
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap


cdef int heap_init(heap_t* heap, uint32_t slots_max, void* places, uint64_t stride) except -1:
    """An empty heap of slots 1 to slots_max. Raises MemoryError; heap_free is safe in any state.

    Args  places: where slot 0's u32 lies, all zero; NULL: the heap has an array of its own;
          stride: bytes from slot to slot
    """
    memset(heap, 0, sizeof(heap_t))
    heap.capacity = slots_max
    heap.places = <uint8_t*>places
    heap.stride = stride
    if places == NULL:
        heap.stride = sizeof(uint32_t)
        heap.owns_places = True
        heap.places = <uint8_t*>rsx_map((<size_t>slots_max + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
    heap.items = <heap_item_t*>rsx_map(
        (<size_t>slots_max + 1) * sizeof(heap_item_t), RSX_PAGES_SMALL)
    if heap.places == NULL or heap.items == NULL:
        raise MemoryError(f"heap of {slots_max}")
    return 0


cdef void heap_free(heap_t* heap) noexcept nogil:
    if heap.items != NULL:
        rsx_unmap(heap.items, (<size_t>heap.capacity + 1) * sizeof(heap_item_t))
    if heap.owns_places and heap.places != NULL:
        rsx_unmap(heap.places, (<size_t>heap.capacity + 1) * sizeof(uint32_t))
    memset(heap, 0, sizeof(heap_t))


cdef inline bint is_before(const heap_item_t* a, const heap_item_t* b) noexcept nogil:
    return a.key < b.key or (a.key == b.key and a.tie < b.tie)


cdef inline void settle(heap_t* heap, uint32_t at, const heap_item_t* item) noexcept nogil:
    """Put an item down at its final place."""
    heap.items[at] = item[0]
    heap_place(heap, item.slot)[0] = at


cdef void rise(heap_t* heap, uint32_t at, heap_item_t item) noexcept nogil:
    """The hole at `at` moves toward the top until the item fits."""
    while at > 1 and is_before(&item, &heap.items[at >> 1]):
        settle(heap, at, &heap.items[at >> 1])
        at >>= 1
    settle(heap, at, &item)


cdef void sink(heap_t* heap, uint32_t at, heap_item_t item) noexcept nogil:
    """The hole at `at` moves toward the leaves until the item fits."""
    cdef uint64_t child
    while True:
        child = 2 * <uint64_t>at
        if child > heap.count:
            break
        if child < heap.count and is_before(&heap.items[child + 1], &heap.items[child]):
            child += 1
        if not is_before(&heap.items[child], &item):
            break
        settle(heap, at, &heap.items[child])
        at = <uint32_t>child
    settle(heap, at, &item)


cdef inline void replace(heap_t* heap, uint32_t at, heap_item_t item) noexcept nogil:
    if at > 1 and is_before(&item, &heap.items[at >> 1]):
        rise(heap, at, item)
    else:
        sink(heap, at, item)


cdef bint heap_put(heap_t* heap, uint32_t slot, int64_t key, uint64_t tie) noexcept nogil:
    """Put a slot in, or give one that is in another key; False when there is no room.

    Cost: O(log items). The slot is 1 to slots_max.
    """
    cdef uint32_t at = heap_place(heap, slot)[0]
    cdef heap_item_t item
    item.key = key
    item.tie = tie
    item.slot = slot
    item.unused = 0
    if at:
        replace(heap, at, item)
        return True
    if heap.count >= heap.capacity:
        return False
    heap.count += 1
    rise(heap, heap.count, item)
    return True


cdef bint heap_remove(heap_t* heap, uint32_t slot) noexcept nogil:
    """Take a slot out; False when it is not in. Cost: O(log items)."""
    cdef uint32_t at = heap_place(heap, slot)[0]
    cdef heap_item_t last
    if at == 0:
        return False
    heap_place(heap, slot)[0] = 0
    last = heap.items[heap.count]
    heap.count -= 1
    if at <= heap.count:
        replace(heap, at, last)
    return True


cdef int heap_audit(const heap_t* heap) except -1:
    """Raise InvariantError unless keys are in heap order and places are right; O(items)."""
    cdef uint32_t at
    if heap.count > heap.capacity:
        return fail(8, heap.count, heap.capacity)
    for at in range(1, heap.count + 1):
        if heap.items[at].slot == 0 or heap.items[at].slot > heap.capacity:
            return fail(8, at, heap.items[at].slot)
        if heap_place(heap, heap.items[at].slot)[0] != at:
            return fail(8, at, heap_place(heap, heap.items[at].slot)[0])
        if at > 1 and is_before(&heap.items[at], &heap.items[at >> 1]):
            return fail(8, at, heap.items[at].key)
    return 0


cdef class Heap:
    """Min-heap of slots 1 to slots_max by (key, tie)."""

    cdef heap_t heap

    def __cinit__(self, uint32_t slots_max):
        heap_init(&self.heap, slots_max, NULL, 0)

    def __dealloc__(self):
        heap_free(&self.heap)

    def __len__(self):
        return self.heap.count

    def put(self, uint32_t slot, int64_t key, uint64_t tie):
        """Put a slot in, or give it a new key."""
        if not 1 <= slot <= self.heap.capacity:
            raise ValueError(f"slot {slot}: 1 to {self.heap.capacity} are possible")
        return heap_put(&self.heap, slot, key, tie)

    def remove(self, uint32_t slot):
        """Take a slot out; False when it is not in."""
        if not 1 <= slot <= self.heap.capacity:
            raise ValueError(f"slot {slot}: 1 to {self.heap.capacity} are possible")
        return heap_remove(&self.heap, slot)

    def first(self):
        """(key, tie, slot) of the smallest, None when empty."""
        if self.heap.count == 0:
            return None
        item = self.heap.items[1]
        return item.key, item.tie, item.slot

    def first_key(self):
        """The smallest key, 2^63 - 1 when empty."""
        return heap_first_key(&self.heap)

    def audit(self):
        """Raise InvariantError where order or a place is wrong."""
        heap_audit(&self.heap)
