# cython: boundscheck=False
"""Trigger book of one symbol: which orders wait for which price, and which fire next.

    WAITING   a heap per (mark or last, rising or falling) of trigger_px, then order id
    TRAILING  active trailing stops, trailing.pyx
    DUE       a line, first in first out, linked through next and prev
    FIRED     told to risk; its ORDER_NEW or TRIGGER_REFUSED comes
    ENDED     fired and then cancelled; only its slot is left

        place -> WAITING -> DUE -> FIRED -> (order) -> free
                    |        ^        '--> ENDED -----> free
                    '-> TRAILING

A pure structure: rights, modes, records and time are conditional.pyx's. A price goes through it in
steps of a bounded number of triggers; meanwhile nothing else may be asked of the book but looking.
Nothing is allocated after start. Source: specs/matching.md section 10; INV-8.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.book.trailing cimport (
    trailing_add, trailing_extreme, trailing_fire, trailing_move, trailing_remove,
)
from rsx.book.trigger cimport (
    DUE, ENDED, FIRED, FIRED_MAX, FREE, LAST_SOURCE, MARK_SOURCE, TRAILING, WAITING, group_t,
    line_t, step_t, trailing_t, trigger_t,
)
from rsx.book.trigger_audit cimport triggers_audit, triggers_hash
from rsx.core.heap cimport (
    heap_first, heap_first_key, heap_free, heap_init, heap_put, heap_remove, heap_t,
)
from rsx.core.idmap cimport idmap_free, idmap_init, idmap_put, idmap_remove
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_unmap
from rsx.records_c cimport RSX_BUY, RSX_GTD, RSX_LAST_PRICE, RSX_SELL, RSX_TRAILING_STOP

# Phases of a price on its way; those of a side follow each other.
cdef enum:
    IDLE = 0
    RISING = 1
    FALLING = 2
    MOVE_BUYS = 3
    FIRE_BUYS = 4
    MOVE_SELLS = 5
    FIRE_SELLS = 6
    LINE_UP = 7


cdef int triggers_init(triggers_t* book, uint32_t triggers_max, uint64_t users_max) except -1:
    """Reserve the memory. Raises MemoryError; triggers_free is safe in any state.

    Args  triggers_max: places; users_max: user slots 1 to users_max are possible
    """
    cdef uint32_t slots = triggers_max + FIRED_MAX
    cdef int source, way
    memset(book, 0, sizeof(triggers_t))
    book.capacity = triggers_max
    book.slots = slots
    book.users_max = users_max
    book.untouched = 1
    book.rows = <trigger_t*>rsx_map((<size_t>slots + 1) * sizeof(trigger_t), RSX_PAGES_SMALL)
    book.groups = <group_t*>rsx_map((<size_t>slots + 1) * sizeof(group_t), RSX_PAGES_SMALL)
    book.user_heads = <uint32_t*>rsx_map((users_max + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
    book.user_counts = <uint32_t*>rsx_map((users_max + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
    if book.rows == NULL or book.groups == NULL:
        raise MemoryError(f"{triggers_max} triggers")
    if book.user_heads == NULL or book.user_counts == NULL:
        raise MemoryError(f"{users_max} users")
    idmap_init(&book.ids, slots, &book.rows[0].oid, sizeof(trigger_t), 64)
    for source in range(2):
        for way in range(2):
            heap_init(&book.waiting[source][way], slots, &book.rows[0].place, sizeof(trigger_t))
            heap_init(&book.trailing[source][way].moves, slots, &book.groups[0].move_place,
                      sizeof(group_t))
            heap_init(&book.trailing[source][way].fires, slots, &book.groups[0].fire_place,
                      sizeof(group_t))
    heap_init(&book.sorting, slots, &book.rows[0].place, sizeof(trigger_t))
    heap_init(&book.expiries, slots, &book.rows[0].expiry_place, sizeof(trigger_t))
    return 0


cdef void triggers_free(triggers_t* book) noexcept nogil:
    cdef int source, way
    for source in range(2):
        for way in range(2):
            heap_free(&book.waiting[source][way])
            heap_free(&book.trailing[source][way].moves)
            heap_free(&book.trailing[source][way].fires)
    heap_free(&book.sorting)
    heap_free(&book.expiries)
    if book.ids.entries != NULL:
        idmap_free(&book.ids)
    rsx_unmap(book.rows, (<size_t>book.slots + 1) * sizeof(trigger_t))
    rsx_unmap(book.groups, (<size_t>book.slots + 1) * sizeof(group_t))
    rsx_unmap(book.user_heads, (book.users_max + 1) * sizeof(uint32_t))
    rsx_unmap(book.user_counts, (book.users_max + 1) * sizeof(uint32_t))
    memset(book, 0, sizeof(triggers_t))


# --- placing and ending -----------------------------------------------------------------------


cdef uint32_t triggers_claim(triggers_t* book, uint64_t oid) noexcept nogil:
    """A slot for a new trigger, all zero but its id; 0 when there is no room or the id is there.

    The caller fills in what was ordered, then calls triggers_enter.
    """
    cdef uint32_t slot = book.free_head
    if not triggers_have_room(book) or triggers_find(book, oid):
        return 0
    if slot:
        book.free_head = book.rows[slot].next
    else:
        slot = book.untouched
        book.untouched += 1
    memset(&book.rows[slot], 0, sizeof(trigger_t))
    book.rows[slot].oid = oid
    idmap_put(&book.ids, oid, slot)
    book.live += 1
    return slot


cdef void triggers_enter(triggers_t* book, uint32_t slot, int64_t px) noexcept nogil:
    """Let a trigger wait; a trailing stop without an activation price begins at px, the price now.
    """
    cdef trigger_t* row = &book.rows[slot]
    cdef uint32_t head = book.user_heads[row.user_slot]
    row.older = head
    if head:
        book.rows[head].younger = slot
    book.user_heads[row.user_slot] = slot
    book.user_counts[row.user_slot] += 1
    if row.tif == RSX_GTD:
        heap_put(&book.expiries, slot, row.expire_s, row.oid)
    if row.trigger_px == 0:
        trailing_add(book, slot, px)
    else:
        row.state = WAITING
        heap_put(waiting_of(book, row), slot, waiting_key(row), row.oid)


cdef void enter_line(triggers_t* book, line_t* line, uint32_t slot) noexcept nogil:
    """To the end of a line."""
    cdef trigger_t* row = &book.rows[slot]
    row.next = 0
    row.prev = line.tail
    if line.tail:
        book.rows[line.tail].next = slot
    else:
        line.head = slot
    line.tail = slot
    line.count += 1


cdef void leave_line(triggers_t* book, line_t* line, trigger_t* row) noexcept nogil:
    if row.prev:
        book.rows[row.prev].next = row.next
    else:
        line.head = row.next
    if row.next:
        book.rows[row.next].prev = row.prev
    else:
        line.tail = row.prev
    row.next = row.prev = 0
    line.count -= 1


cdef void leave_prices(triggers_t* book, uint32_t slot) noexcept nogil:
    """No price concerns the trigger any more, and it does not expire; the caller sets its state."""
    cdef trigger_t* row = &book.rows[slot]
    if row.state == WAITING:
        heap_remove(waiting_of(book, row), slot)
    elif row.state == TRAILING:
        row.extreme = trailing_extreme(book, slot)
        trailing_remove(book, slot)
    elif row.state == DUE and row.place:
        heap_remove(&book.sorting, slot)
    elif row.state == DUE:
        leave_line(book, &book.due, row)
    heap_remove(&book.expiries, slot)


cdef void leave_user(triggers_t* book, trigger_t* row) noexcept nogil:
    if row.younger:
        book.rows[row.younger].older = row.older
    else:
        book.user_heads[row.user_slot] = row.older
    if row.older:
        book.rows[row.older].younger = row.younger
    row.younger = row.older = 0
    book.user_counts[row.user_slot] -= 1


cdef void triggers_drop(triggers_t* book, uint32_t slot) noexcept nogil:
    """Forget a trigger, whatever its state."""
    cdef trigger_t* row = &book.rows[slot]
    if row.state == ENDED:
        book.ended -= 1
    else:
        if row.state == FIRED:
            leave_line(book, &book.fired, row)
        leave_prices(book, slot)
        leave_user(book, row)
    idmap_remove(&book.ids, row.oid)
    row.state = FREE
    row.oid = 0
    row.next = book.free_head
    book.free_head = slot
    book.live -= 1


cdef void triggers_end(triggers_t* book, uint32_t slot) noexcept nogil:
    """Its owner or the time ends a trigger; of a fired one the id stays until its answer (TR-7)."""
    cdef trigger_t* row = &book.rows[slot]
    if row.state != FIRED:
        triggers_drop(book, slot)
        return
    leave_line(book, &book.fired, row)
    leave_user(book, row)
    row.state = ENDED
    row.cid_place = 0
    book.ended += 1


# --- prices -----------------------------------------------------------------------------------


cdef inline bint is_quiet(const trailing_t* own, int64_t px) noexcept nogil:
    """Whether a signed price neither moves an extreme nor fires one."""
    return heap_first_key(&own.moves) >= px and heap_first_key(&own.fires) > -px


cdef bint concerns_none(const triggers_t* book, uint8_t source, int64_t px) noexcept nogil:
    """Whether a price neither fires, activates nor moves any trigger; O(1)."""
    return (heap_first_key(&book.waiting[source][0]) > px
            and heap_first_key(&book.waiting[source][1]) > -px
            and is_quiet(&book.trailing[source][RSX_BUY], -px)
            and is_quiet(&book.trailing[source][RSX_SELL], px))


cdef void triggers_price(triggers_t* book, uint8_t source, int64_t px,
                         int64_t then_px) noexcept nogil:
    """Begin to take a price, then then_px (0 = none), through the book. No other is under way.

    Cost: O(1) when no trigger is concerned; else triggers_step does the work.
    """
    cdef step_t* step = &book.step
    if concerns_none(book, source, px):
        px = then_px
        then_px = 0
        if px == 0 or concerns_none(book, source, px):
            return
    step.px = px
    step.then_px = then_px
    step.source = source
    step.target = 0
    step.phase = RISING


cdef inline void next_phase(triggers_t* book) noexcept nogil:
    """After the last phase comes the next price, if there is one."""
    cdef step_t* step = &book.step
    step.target = 0
    if step.phase < LINE_UP:
        step.phase += 1
        return
    step.phase = IDLE
    if step.then_px:
        triggers_price(book, step.source, step.then_px, 0)


cdef void line_up(triggers_t* book, uint32_t slot) noexcept nogil:
    """To the end of the line of due ones."""
    book.rows[slot].state = DUE
    enter_line(book, &book.due, slot)


cdef bint take_waiting(triggers_t* book, uint8_t way) noexcept nogil:
    """The first one waiting in this direction, if the price has come to it."""
    cdef step_t* step = &book.step
    cdef heap_t* heap = &book.waiting[step.source][way]
    cdef uint32_t slot = heap_first(heap)
    cdef trigger_t* row
    if slot == 0 or heap_first_key(heap) > (step.px if way == 0 else -step.px):
        return False
    heap_remove(heap, slot)
    row = &book.rows[slot]
    if row.kind == RSX_TRAILING_STOP:
        trailing_add(book, slot, step.px)
        return True
    row.fired_px = step.px
    row.level_px = row.trigger_px
    line_up(book, slot)
    return True


cdef bint take_trailing(triggers_t* book, uint8_t side) noexcept nogil:
    """One trailing stop that the price fires."""
    cdef step_t* step = &book.step
    cdef uint32_t slot = trailing_fire(
        book, &book.trailing[step.source][side], -step.px if side == RSX_BUY else step.px)
    if slot == 0:
        return False
    book.rows[slot].fired_px = step.px
    book.rows[slot].state = DUE
    heap_put(&book.sorting, slot, 0, book.rows[slot].oid)
    return True


cdef bint take_sorted(triggers_t* book) noexcept nogil:
    """The one of the lowest id of the due trailing stops, behind the others (TR-5)."""
    cdef uint32_t slot = heap_first(&book.sorting)
    if slot == 0:
        return False
    heap_remove(&book.sorting, slot)
    line_up(book, slot)
    return True


cdef bint triggers_step(triggers_t* book, int budget) noexcept nogil:
    """Take the prices on, past at most `budget` triggers or groups; True when they are through.

    Cost: O(budget log n).
    """
    cdef step_t* step = &book.step
    cdef trailing_t* own = book.trailing[step.source]
    cdef bint found
    while step.phase != IDLE:
        if budget == 0:
            return False
        if step.phase == RISING or step.phase == FALLING:
            found = take_waiting(book, step.phase - RISING)
        elif step.phase == MOVE_BUYS:
            found = trailing_move(book, &own[RSX_BUY], -step.px, &step.target)
        elif step.phase == MOVE_SELLS:
            found = trailing_move(book, &own[RSX_SELL], step.px, &step.target)
        elif step.phase == FIRE_BUYS or step.phase == FIRE_SELLS:
            found = take_trailing(book, RSX_BUY if step.phase == FIRE_BUYS else RSX_SELL)
        else:
            found = take_sorted(book)
        if found:
            budget -= 1
        else:
            next_phase(book)
    return True


cdef void triggers_fire(triggers_t* book, uint32_t slot) noexcept nogil:
    """The trigger is told to risk: not due any more, and it does not expire (EX-2)."""
    leave_prices(book, slot)
    book.rows[slot].state = FIRED
    enter_line(book, &book.fired, slot)


# --- looking ----------------------------------------------------------------------------------


cdef int64_t trigger_extreme(const triggers_t* book, const trigger_t* row) noexcept nogil:
    """The extreme of a trailing stop; 0 before its activation and for other kinds."""
    if row.state == TRAILING:
        return trailing_extreme(book, <uint32_t>(row - book.rows))
    return row.extreme


# --- a face for tests -------------------------------------------------------------------------


cdef class TriggerBook:
    """A trigger book driven by hand. Users are 1 to users_max; last: looks at the last price."""

    cdef triggers_t book

    def __cinit__(self, uint32_t triggers_max, uint64_t users_max=16):
        triggers_init(&self.book, triggers_max, users_max)

    def __dealloc__(self):
        triggers_free(&self.book)

    def place(self, uint64_t oid, uint32_t user, int kind, int side, int64_t trigger_px, *,
              int64_t trail_px=0, int64_t trail_ppm=0, bint last=False, uint32_t expire_s=0,
              int64_t px=1):
        """Let a trigger wait while the price is px; False when there is no room for it."""
        if not 1 <= user <= self.book.users_max or not oid:
            raise ValueError(f"trigger {oid} of user {user}")
        cdef uint32_t slot = triggers_claim(&self.book, oid)
        cdef trigger_t* row = &self.book.rows[slot]
        if slot == 0:
            return False
        row.user_id = row.user_slot = user
        row.kind = <uint8_t>kind
        row.side = <uint8_t>side
        row.trigger_px = trigger_px
        row.trail = trail_px or trail_ppm
        row.is_ppm = trail_ppm != 0
        row.flags = RSX_LAST_PRICE if last else 0
        row.tif = RSX_GTD if expire_s else 0
        row.expire_s = expire_s
        triggers_enter(&self.book, slot, px)
        return True

    def _slot(self, uint64_t oid):
        slot = triggers_find(&self.book, oid) if oid else 0
        if slot == 0:
            raise KeyError(oid)
        return slot

    def end(self, uint64_t oid):
        """A cancel."""
        triggers_end(&self.book, self._slot(oid))

    def drop(self, uint64_t oid):
        """Its order came, or was refused."""
        triggers_drop(&self.book, self._slot(oid))

    def price(self, int64_t px, *, int64_t then_px=0, bint last=False):
        """Begin a price, and another one after it; `step` takes them through."""
        if triggers_are_moving(&self.book):
            raise ValueError("a price is under way")
        triggers_price(&self.book, LAST_SOURCE if last else MARK_SOURCE, px, then_px)

    def step(self, int budget=1 << 30):
        """True when the price is through."""
        return triggers_step(&self.book, budget)

    def is_moving(self):
        """Whether a price is under way."""
        return triggers_are_moving(&self.book)

    def fire(self):
        """(oid, level, price) of the next in line, now fired; None: nobody may fire."""
        cdef uint32_t slot = self.book.due.head
        if not triggers_may_fire(&self.book):
            return None
        triggers_fire(&self.book, slot)
        row = self.book.rows[slot]
        return row.oid, row.level_px, row.fired_px

    def settle(self, uint64_t oid):
        """Fired, says the log, wherever it stands."""
        triggers_fire(&self.book, self._slot(oid))

    def expires_next(self):
        """(expire_s, oid) of the one that expires first, or None."""
        slot = heap_first(&self.book.expiries)
        return (self.book.rows[slot].expire_s, self.book.rows[slot].oid) if slot else None

    def extremes(self):
        """{oid: extreme} of those that have one and have not fired."""
        cdef uint32_t slot
        cdef dict out = {}
        for slot in range(1, self.book.untouched):
            extreme = trigger_extreme(&self.book, &self.book.rows[slot])
            if extreme and WAITING <= self.book.rows[slot].state <= DUE:
                out[self.book.rows[slot].oid] = extreme
        return out

    def of_user(self, uint32_t user):
        """Order ids, the youngest first."""
        cdef list out = []
        cdef uint32_t slot = self.book.user_heads[user]
        while slot:
            out.append(self.book.rows[slot].oid)
            slot = self.book.rows[slot].older
        return out

    def counts(self):
        """Places taken, due, and fired but not back."""
        return {"live": self.book.live - self.book.ended, "due": self.book.due.count,
                "fired": self.book.fired.count + self.book.ended}

    def audit(self):
        """Raise InvariantError where a link, heap or count is wrong."""
        triggers_audit(&self.book)

    @property
    def hash(self):
        """64-bit hash of what a fold must agree with."""
        return triggers_hash(&self.book)
