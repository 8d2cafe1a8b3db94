# cython: boundscheck=False
"""Order-by-order events of one symbol, as JSON rows, and a walk through its book in parts.

    records --Shadow--> l3_event --ring--> l3_take --> rows for all, rows for the walk's readers
    book ---------------------------------> l3_part --> rows of resting orders

A walk sends the resting orders in priority order, some at a time, while the book changes. `sent`
says which orders it has sent; `next` is the order it goes on with. An order that comes to rest
where the walk has passed counts as sent; one that leaves while it is `next` hands that on. So rows
of the walk and the events of orders sent, in the order they are made, give the book. Nothing here
allocates after the start; nothing takes longer than L3_PART orders or L3_ROWS events.
Source: specs/marketdata.md section 8; specs/wire.md W-25, W-26.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.book.book cimport NONE, best_level, book_t, level_at, order_px, order_t, worse_level
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap


cdef int l3_init(l3_t* l3, uint32_t orders_max) except -1:
    """Reserve the memory; it is taken when it is first used."""
    memset(l3, 0, sizeof(l3_t))
    l3.orders_max = orders_max
    l3.events = <l3_event_t*>rsx_map(L3_EVENTS * sizeof(l3_event_t), RSX_PAGES_SMALL)
    l3.sent = <uint32_t*>rsx_map((<size_t>orders_max + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
    if l3.events == NULL or l3.sent == NULL:
        raise MemoryError("order events")
    return 0


cdef void l3_free(l3_t* l3) noexcept nogil:
    rsx_unmap(l3.events, L3_EVENTS * sizeof(l3_event_t))
    rsx_unmap(l3.sent, (<size_t>l3.orders_max + 1) * sizeof(uint32_t))
    memset(l3, 0, sizeof(l3_t))


# --- the walk ---------------------------------------------------------------------------------


cdef uint32_t head_of(const book_t* book, uint32_t level) noexcept nogil:
    return level_at(book, level).head if level != NONE else NONE


cdef uint32_t follows(const book_t* book, uint32_t slot) noexcept nogil:
    """The order after this one: in its level, on its side, then the best sell order."""
    cdef const order_t* order = &book.orders[slot]
    cdef uint32_t level
    if order.next != NONE:
        return order.next
    level = worse_level(book, order.side, order.level)
    if level == NONE and order.side == 0:
        level = best_level(book, 1)
    return head_of(book, level)


cdef void l3_begin(l3_t* l3, const book_t* book) noexcept nogil:
    """Begin a walk; one under way is forgotten."""
    l3.walk += 1
    l3.walking = True
    l3.next = head_of(book, best_level(book, 0))
    if l3.next == NONE:
        l3.next = head_of(book, best_level(book, 1))


cdef bint l3_leave(l3_t* l3, const book_t* book, uint32_t slot) noexcept nogil:
    """An order is about to leave its place; returns whether the walk has sent it."""
    if not l3.walking:
        return True
    if l3.next == slot:
        l3.next = follows(book, slot)
    if l3.sent[slot] != l3.walk:
        return False
    l3.sent[slot] = 0
    return True


cdef bint l3_come(l3_t* l3, const book_t* book, uint32_t slot) noexcept nogil:
    """An order has come to rest; returns whether that is where the walk has passed."""
    cdef const order_t* order = &book.orders[slot]
    cdef const order_t* next = &book.orders[l3.next]
    cdef int64_t px, next_px
    if not l3.walking:
        return True
    if l3.next != NONE:
        px = order_px(book, order)
        next_px = order_px(book, next)
        if order.side > next.side:
            return False
        if order.side == next.side and (px <= next_px if order.side == 0 else px >= next_px):
            return False
    l3.sent[slot] = l3.walk
    return True


# --- events -----------------------------------------------------------------------------------


cdef void l3_event(l3_t* l3, uint8_t kind, uint8_t walk_kind, uint8_t side, uint64_t oid,
                   int64_t px, int64_t qty, int64_t remaining, uint64_t ts_ns,
                   uint64_t seq) noexcept nogil:
    """Keep an event. When too many wait, all of them count as lost."""
    cdef l3_event_t* event
    if l3.made - l3.taken >= L3_EVENTS:
        l3.overrun = True
        l3.taken = l3.made
    event = &l3.events[l3.made & (L3_EVENTS - 1)]
    l3.made += 1
    event.kind = kind
    event.walk_kind = walk_kind
    event.side = side
    event.oid = oid
    event.px = px
    event.qty = qty
    event.remaining = remaining
    event.ts_ns = ts_ns
    event.seq = seq


cdef uint32_t put_number(char* at, int64_t value) noexcept nogil:
    """Decimal text of a number; returns its length, at most 20."""
    cdef char digits[20]
    cdef uint32_t count = 0, size = 0
    cdef uint64_t left = <uint64_t>value
    if value < 0:
        at[0] = c"-"
        size = 1
        left = -left
    while True:
        digits[count] = <char>(48 + left % 10)
        count += 1
        left //= 10
        if left == 0:
            break
    while count > 0:
        count -= 1
        at[size] = digits[count]
        size += 1
    return size


cdef void put_row(l3_text_t* text, const int64_t* values, int count) noexcept nogil:
    """One row: [1,2,3], with a comma before it when it is not the first."""
    cdef int at
    if text.size > 0:
        text.data[text.size] = c","
        text.size += 1
    for at in range(count):
        text.data[text.size] = c"," if at > 0 else c"["
        text.size += 1
        text.size += put_number(&text.data[text.size], values[at])
    text.data[text.size] = c"]"
    text.size += 1


cdef uint32_t l3_take(l3_t* l3, l3_text_t* rows, l3_text_t* walk_rows) noexcept nogil:
    """Encode the oldest waiting events, of one frame at most; returns how many."""
    cdef uint32_t count = 0
    cdef const l3_event_t* event
    cdef int64_t values[8]
    rows.size = walk_rows.size = 0
    while l3.taken < l3.made and count < L3_ROWS and rows.size < L3_BYTES:
        event = &l3.events[l3.taken & (L3_EVENTS - 1)]
        values[0] = event.kind
        values[1] = event.oid
        values[2] = event.side
        values[3] = event.px
        values[4] = event.qty
        values[5] = event.remaining
        values[6] = event.ts_ns
        values[7] = event.seq
        if event.kind != L3_UNTOLD:
            put_row(rows, values, 8)
        if event.walk_kind != L3_UNTOLD:
            values[0] = event.walk_kind
            put_row(walk_rows, values, 8)
        l3.taken += 1
        count += 1
    return count


cdef uint32_t l3_part(l3_t* l3, const book_t* book, l3_text_t* rows) noexcept nogil:
    """Encode the next orders of the walk; returns how many. The walk ends with the last one."""
    cdef uint32_t count = 0
    cdef const order_t* order
    cdef int64_t values[4]
    rows.size = 0
    while l3.next != NONE and count < L3_PART and rows.size < L3_BYTES:
        order = &book.orders[l3.next]
        values[0] = order.oid
        values[1] = order.side
        values[2] = order_px(book, order)
        values[3] = order.remaining
        put_row(rows, values, 4)
        l3.sent[l3.next] = l3.walk
        l3.next = follows(book, l3.next)
        count += 1
    if l3.next == NONE:
        l3.walking = False
    return count
