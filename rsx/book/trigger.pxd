"""One trigger, and what it stands in: rows of the trigger book. See triggers.pyx, trailing.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from rsx.core.heap cimport heap_t
from rsx.records_c cimport RSX_BUY, RSX_LAST_PRICE, RSX_SELL, RSX_STOP_LIMIT, RSX_TRAILING_STOP

cdef enum:
    FIRED_MAX = 1024        # fired and not yet back (specs/matching.md TR-5)
    MARK_SOURCE = 0
    LAST_SOURCE = 1

# Where a trigger stands; ENDED: fired and then cancelled, its ORDER_NEW still to come (TR-7).
cdef enum:
    FREE = 0
    WAITING = 1             # in a heap of prices
    TRAILING = 2            # active, in a group of its extreme
    DUE = 3                 # its price came; next in line to fire
    FIRED = 4
    ENDED = 5

# 128 bytes. Slot 0 is no trigger.
cdef struct trigger_t:
    int64_t px
    int64_t qty
    int64_t trigger_px
    int64_t trail           # distance: price units, or ppm of the extreme
    int64_t extreme         # 0 before activation; while TRAILING the group has it
    int64_t level_px        # where it fired; from DUE on
    int64_t fired_px        # the price that made it due
    uint64_t oid
    uint32_t user_id
    uint32_t user_slot
    uint32_t younger        # of the same user
    uint32_t older
    uint32_t next           # in the line of due or of fired ones; or the next free slot
    uint32_t prev
    uint32_t place          # in the one heap of prices (or of ids) it stands in
    uint32_t expiry_place
    uint32_t cid_place      # place + 1 in the client id memory; 0 = none
    uint32_t expire_s
    uint32_t left           # the group's tree
    uint32_t right
    uint32_t parent
    uint32_t group          # of a root
    uint8_t rank
    uint8_t is_ppm          # what `trail` is
    uint8_t kind
    uint8_t side
    uint8_t tif
    uint8_t flags
    uint8_t stp
    uint8_t state

# Active trailing stops that share an extreme share a group for good. 32 bytes.
cdef struct group_t:
    int64_t extreme         # price of sells, negated price of buys: it only rises
    uint32_t roots[2]       # least distance first: price units, ppm
    uint32_t move_place
    uint32_t fire_place
    uint32_t next_free
    uint32_t unused

cdef struct trailing_t:
    heap_t moves            # groups by extreme: the first one moves first
    heap_t fires            # groups by negated firing price: the first one fires first

# First in, first out, linked through next and prev.
cdef struct line_t:
    uint32_t head
    uint32_t tail
    uint32_t count

# A price on its way through the book, and the one that comes after it.
cdef struct step_t:
    int64_t px
    int64_t then_px         # of the same source; 0 = none
    uint8_t phase           # 0 = none
    uint8_t source
    uint32_t target         # group that the moved ones join


cdef inline uint8_t source_of(uint8_t flags) noexcept nogil:
    """The price that a trigger with these flags looks at."""
    return <uint8_t>(LAST_SOURCE if flags & RSX_LAST_PRICE else MARK_SOURCE)


cdef inline bint is_rising(uint8_t kind, uint8_t side) noexcept nogil:
    """TR-1, TR-2: whether it fires, or a trailing stop activates, at or above trigger_px."""
    if kind == RSX_TRAILING_STOP or kind > RSX_STOP_LIMIT:
        return side == RSX_SELL
    return side == RSX_BUY


cdef inline bint is_reached(uint8_t kind, uint8_t side, int64_t trigger_px,
                            int64_t px) noexcept nogil:
    """Whether a price fires a trigger, or activates a trailing stop that waits for a price."""
    if trigger_px == 0:
        return False
    return px >= trigger_px if is_rising(kind, side) else px <= trigger_px
