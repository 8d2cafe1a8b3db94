"""Python face of one matching engine: the tile owns one; tests, replay and tools drive it by hand.

Thread: the owner's. Every method holds the GIL; the tile uses the kernel directly.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from rsx.book.book cimport (
    NONE, best_level, best_px, book_take, level_at, order_px, order_t, worse_level,
)
from rsx.book.cids cimport cid_entry_t, cids_at
from rsx.book.conditional cimport conditional_fired, conditional_rows
from rsx.book.digest cimport digest_is_known, engine_digest, engine_digest_form
from rsx.book.fold cimport engine_apply, engine_audit, engine_hash
from rsx.book.limits cimport RULE_RECORDS
from rsx.book.matching cimport (
    BLOCKED, DONE, IDLE, engine_free, engine_idle, engine_init, engine_recovered, engine_request,
    engine_resume, user_t,
)
from rsx.book.orders cimport drop_resting, rest_taker, take_in_hand, user_slot_of
from rsx.book.pricemap cimport map_slot
from rsx.book.recentre cimport (
    book_recentre_check, book_recentre_move, map_info, recentre_begin,
)
from rsx.book.rules cimport is_on_tick, mark_of
from rsx.core.idmap cimport idmap_get
from rsx.core.ring cimport Ring, ring_wake
from rsx.records_c cimport (
    RSX_ORDER_NEW, RSX_RECORD_SIZE, RSX_STATUS_CANCELLED, RSX_R_USER_CANCEL, rsx_order_new_t,
    rsx_record_init, rsx_record_t,
)

SCRATCH_DEPTH = 1024


cdef const rsx_record_t* as_record(const uint8_t[:] data) except NULL:
    if data.shape[0] != RSX_RECORD_SIZE:
        raise ValueError(f"{data.shape[0]} bytes where a record takes 128")
    return <const rsx_record_t*>&data[0]


cdef int take(Ring ring, list out) except -1:
    """Move what the ring holds to the end of out, record by record."""
    data = ring.pop(SCRATCH_DEPTH)
    for at in range(0, len(data), RSX_RECORD_SIZE):
        out.append(data[at:at + RSX_RECORD_SIZE])
    return 0


cdef class Engine:
    """Matching engine of one symbol.

    Args  symbol: rsx.config.SymbolConfig; orders_max, users_max, triggers_max, dedup_orders_max:
          places; open_orders_per_user_max, open_triggers_per_user_max; dedup_window_ns;
          level_slots_max (specs/matching.md)
    """

    def __init__(self, symbol, *, uint32_t orders_max=65536, uint64_t users_max=65536,
                 uint32_t open_orders_per_user_max=10000,
                 uint64_t dedup_window_ns=3_600_000_000_000, uint64_t dedup_orders_max=262144,
                 uint32_t level_slots_max=1 << 20, uint32_t triggers_max=65536,
                 uint32_t open_triggers_per_user_max=200):
        self.symbol = symbol
        self.symbol_id = symbol.id
        engine_init(&self.engine, symbol, {
            "orders_max": orders_max,
            "users_max": users_max,
            "open_orders_per_user_max": open_orders_per_user_max,
            "dedup_window_ns": dedup_window_ns,
            "dedup_orders_max": dedup_orders_max,
            "level_slots_max": level_slots_max,
            "triggers_max": triggers_max,
            "open_triggers_per_user_max": open_triggers_per_user_max,
        })

    def __dealloc__(self):
        engine_free(&self.engine)

    def begin(self, const uint8_t[:] request, uint64_t ts_ns, Ring ring):
        """Offer one request. False: the ring is full; call `resume` until it says True.

        Raises BufferError when the ring has no room for anything; nothing was done then.
        """
        cdef uint64_t claimed = ring.ring.producer.claimed
        cdef int done = engine_request(&self.engine, as_record(request), ts_ns, ring.ring)
        ring_wake(ring.ring)
        if done == BLOCKED and self.engine.work == IDLE:
            if ring.ring.producer.claimed == claimed:
                raise BufferError(f"ring {ring.name} is full; nothing was done")
            self.offered = bytes(request)  # only expiries were written
        return done != BLOCKED

    def resume(self, Ring ring, uint64_t ts_ns=0):
        """Go on with the request in hand; True when all of it is done."""
        cdef bytes offered = self.offered
        cdef int done
        if offered is not None:
            self.offered = None
            try:
                return self.begin(offered, ts_ns, ring)
            except BufferError:
                self.offered = offered
                return False
        done = engine_resume(&self.engine, ts_ns, ring.ring)
        ring_wake(ring.ring)
        return done != BLOCKED

    def idle(self, Ring ring, uint64_t ts_ns):
        """What time brings between two requests; False: the ring is full, call it again."""
        cdef int done = engine_idle(&self.engine, ts_ns, ring.ring)
        ring_wake(ring.ring)
        return done != BLOCKED

    def submit(self, const uint8_t[:] request, uint64_t ts_ns=0):
        """Run one request of any type to its end; returns its events, each 128 bytes, unnumbered:
        those of orders that expired before it first.
        """
        cdef Ring ring = Ring("engine_caller", SCRATCH_DEPTH)
        cdef list out = []
        cdef bint done = self.begin(request, ts_ns, ring)
        while True:
            take(ring, out)
            if done:
                return out
            done = self.resume(ring, ts_ns)

    def tick(self, uint64_t ts_ns):
        """Let time pass up to ts_ns; returns the events of what expired."""
        cdef Ring ring = Ring("engine_caller", SCRATCH_DEPTH)
        cdef list out = []
        cdef bint done = False
        while not done:
            done = self.idle(ring, ts_ns)
            take(ring, out)
        return out

    def apply(self, const uint8_t[:] record):
        """Fold one logged record (specs/matching.md F-1)."""
        engine_apply(&self.engine, as_record(record))

    def configure(self, const uint8_t[:] records):
        """Go by other rules from here on: the four records of a set, back to back, of a version
        above the present one, as they are logged at a start (specs/symbols.md SY-6).

        Raises ValueError for another size, InvariantError for what is no such set.
        """
        cdef int at
        if records.shape[0] != RULE_RECORDS * RSX_RECORD_SIZE:
            raise ValueError(f"{records.shape[0]} bytes; the rules of a market are four records")
        for at in range(RULE_RECORDS):
            engine_apply(&self.engine, <const rsx_record_t*>&records[at * RSX_RECORD_SIZE])

    def recovered(self, Ring ring, uint64_t ts_ns):
        """Cancel an order that the log left in hand (F-2); False when the ring is full."""
        return engine_recovered(&self.engine, ts_ns, ring.ring) != BLOCKED

    cpdef int enter(self, uint64_t oid, int side, int64_t px, int64_t qty,
                    uint32_t user_id=1) except -1:
        """Rest an order without matching, as a venue's replay needs it; the book may cross.

        Raises ValueError when it cannot rest (off tick, out of range, no room).
        """
        cdef rsx_order_new_t order
        if side not in (0, 1) or oid == 0 or qty <= 0 or px <= 0:
            raise ValueError(f"order {oid}: side {side} px {px} qty {qty}")
        if px > self.engine.rules.px_max:
            raise ValueError(f"order {oid}: px {px} above {self.engine.rules.px_max}")
        if not is_on_tick(&self.engine.rules, px):
            raise ValueError(f"order {oid}: px {px} is off tick")
        if idmap_get(&self.engine.book.ids, oid) != NONE:
            raise ValueError(f"order {oid} rests already")
        if self.engine.book.live >= self.engine.book.capacity:
            raise ValueError(f"order {oid}: the book is full")
        rsx_record_init(&order, RSX_ORDER_NEW, 0)
        order.oid = oid
        order.qty = qty
        order.user_id = user_id
        order.side = <uint8_t>side
        take_in_hand(&self.engine, &order, px, user_slot_of(&self.engine, user_id), 0)
        rest_taker(&self.engine)
        book_recentre_check(&self.engine.book)
        return 0

    cpdef bint shrink(self, uint64_t oid, int64_t qty) noexcept:
        """Take qty off a resting order, keeping its place; all of it removes it. False: not there.
        """
        cdef uint32_t slot = idmap_get(&self.engine.book.ids, oid)
        cdef order_t* order
        if slot == NONE:
            return False
        order = &self.engine.book.orders[slot]
        if qty < order.remaining:
            book_take(&self.engine.book, slot, qty)
        else:
            drop_resting(&self.engine, slot, RSX_STATUS_CANCELLED, RSX_R_USER_CANCEL)
        return True

    def find(self, uint64_t oid):
        """(side, px, remaining) of a resting order, or None."""
        cdef uint32_t slot = idmap_get(&self.engine.book.ids, oid)
        if slot == NONE:
            return None
        cdef order_t* order = &self.engine.book.orders[slot]
        return order.side, order_px(&self.engine.book, order), order.remaining

    def resting(self, int side):
        """[(oid, user_id, px, remaining, reserved, cid)] best first, oldest first within a price.
        """
        return [row[:5] + (row[9],) for row in self.orders() if row[5] == side]

    def orders(self):
        """[(oid, user_id, px, remaining, reserved, side, tif, flags, qty, cid, expire_s, kind,
        stp)], each side in priority order; qty is what was ordered less what was cut.
        """
        cdef list out = []
        cdef int side
        cdef uint32_t level, slot
        cdef order_t* order
        for side in range(2):
            level = best_level(&self.engine.book, side)
            while level != NONE:
                slot = level_at(&self.engine.book, level).head
                while slot != NONE:
                    order = &self.engine.book.orders[slot]
                    cid = b""
                    if order.cid_place:
                        entry = cids_at(&self.engine.cids, order.cid_place)
                        cid = (<char*>entry.cid)[:entry.cid_len]
                    out.append((order.oid, order.user_id, order_px(&self.engine.book, order),
                                order.remaining, order.reserved, order.side, order.tif,
                                order.flags, order.qty, cid.decode("utf-8", "replace"),
                                self.engine.owns[slot].expire_s, order.kind, order.stp))
                    slot = order.next
                level = worse_level(&self.engine.book, side, level)
        return out

    def triggers(self, uint32_t user_id=0):
        """Triggers that wait or have fired, a dict each, of one user the youngest first, or all.

        Fields of TRIGGER_PLACED, cid as text; extreme (0 = none); state: 1 waits for its price,
        2 trails, 3 due, 4 fired.
        """
        return conditional_rows(&self.engine, user_id)

    def fired(self):
        """TRIGGER_FIRED, 128 bytes each, of those whose answer from risk is awaited (TR-9), as
        they fired; without number and time.
        """
        return conditional_fired(&self.engine)

    def client_ids(self, oids):
        """{order id: client id} of those orders in oids whose client id is remembered."""
        cdef uint64_t at
        cdef cid_entry_t* entry
        found = {}
        for at in range(self.engine.cids.oldest, self.engine.cids.newest):
            entry = &self.engine.cids.entries[at & (self.engine.cids.capacity - 1)]
            if entry.cid_len and entry.oid in oids:
                found[entry.oid] = (<char*>entry.cid)[:entry.cid_len].decode("utf-8", "replace")
        return found

    def best(self):
        """(bid_px, ask_px); 0 where a side is empty."""
        return best_px(&self.engine.book, 0), best_px(&self.engine.book, 1)

    def net(self, uint32_t user_id):
        """The user's position as this engine counts it, both legs together."""
        long_qty, short_qty = self.held(user_id)
        return long_qty - short_qty

    def held(self, uint32_t user_id):
        """(long, short): what the user holds, as this engine counts it (HL-1)."""
        cdef const user_t* user = &self.engine.users[
            idmap_get(&self.engine.user_slots, user_id)]
        return user.held[0], user.held[1]

    def owner(self, uint32_t user_id):
        """The owner group of the user's newest accepted order here; 0 = none."""
        cdef uint32_t slot = idmap_get(&self.engine.user_slots, user_id)
        return self.engine.users[slot].owner_group if slot else 0

    @property
    def rules_version(self):
        """Version of the market's rules that the engine goes by; the one of its SymbolConfig
        before any records of rules."""
        return self.engine.rules.version

    @property
    def mode(self):
        """Trading mode: 0 open, 1 post-only, 2 cancel-only, 3 halt."""
        return self.engine.mode

    @property
    def last(self):
        """Price of the newest fill, the reference price before the first (PX-2)."""
        return self.engine.last_px

    @property
    def mark(self):
        """Mark price that the engine goes by (PX-2)."""
        return mark_of(&self.engine)

    @property
    def in_hand(self):
        """Order id accepted but neither resting nor ended; 0 = none."""
        return self.engine.taker.oid if self.engine.taker.active else 0

    def audit(self):
        """Raise InvariantError where a link, count or sum is wrong; O(orders + users)."""
        engine_audit(&self.engine)

    def state_hash(self):
        return engine_hash(&self.engine)

    @property
    def digest_form(self):
        """Form of the digests that this engine takes (specs/replica.md RP-2)."""
        return engine_digest_form(&self.engine)

    def digest(self, uint32_t part, uint16_t form):
        """Hash of the slice that part names in this form. Raises ValueError for an unknown one."""
        if not digest_is_known(form):
            raise ValueError(f"digest form {form:#06x} is not known")
        return engine_digest(&self.engine, part, form)

    def map_info(self):
        """The price map as it is (rsx/book/recentre.pyx); nothing that trades depends on it."""
        return map_info(&self.engine.book)

    def slot_of(self, int64_t px):
        """The slot of the price map that a price falls into."""
        return map_slot(&self.engine.book.maps[self.engine.book.map], &self.engine.book.shape, px)

    def centre_on(self, int64_t px):
        """Begin a recentring on any price, for tests; one that runs is finished first."""
        if not 1 <= px <= self.engine.rules.px_max:
            raise ValueError(f"reference {px}: 1 to {self.engine.rules.px_max} are possible")
        while book_recentre_move(&self.engine.book):
            pass
        recentre_begin(&self.engine.book, px)

    def counts(self):
        return {
            "resting": self.engine.book.live,
            "fills": self.engine.fills,
            "requests": self.engine.requests,
            "users": self.engine.users_used,
            "triggers": self.engine.triggers.live - self.engine.triggers.ended,
            "client_ids": self.engine.cids.newest - self.engine.cids.oldest,
            "recentrings_total": self.engine.book.recentrings,
        }
