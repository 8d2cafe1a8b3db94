# cython: boundscheck=False
"""matching tile: one symbol's engine between its rings.

Reads   risk_matching[symbol], of each risk tile (orders, cancels, amendments, triggers, marks,
        modes, transfers, rules); in turn, each in its order (specs/shards.md SH-4)
Writes  matching_wal[symbol] (every event, in the order in which it happened)
Owns    the book, triggers, client ids and net positions of its symbol
On full matching_wal: stalls, in the middle of a request if need be (specs/matching.md M-12)
Source  specs/matching.md, specs/tiles.md; the rules are in rsx/book/matching.pyx
"""

from libc.stdint cimport uint32_t, uint64_t

from rsx.book.engine cimport Engine
from rsx.book.fold cimport engine_audit
from rsx.book.lookahead cimport (
    engine_prefetch, engine_prefetch_links, engine_prefetch_order,
)
from rsx.book.matching cimport (
    BLOCKED, DONE, IDLE, NEVER, ROOM, engine_idle, engine_is_idle, engine_recovered, engine_request,
    engine_t,
)
from rsx.core.clock cimport Clock, monotonic_ns
from rsx.core.ring cimport (
    Ring, ring_available, ring_free, ring_peek, ring_release, ring_t, ring_wake,
)
from rsx.core.tile cimport RETRY_NS, Tile
from rsx.records_c cimport rsx_record_t

cdef extern from *:
    """
    #ifdef RSX_DEBUG
    enum { RSX_AUDITS = 1 };
    #else
    enum { RSX_AUDITS = 0 };
    #endif
    """
    const int RSX_AUDITS    # a debug build checks the whole engine while it runs


cdef class MatchingTile(Tile):
    """risk_matching: a ring, or those of several risk tiles, which have their turns (SH-4)."""

    def __init__(self, str name, Clock clock, Engine engine, *, risk_matching,
                 Ring matching_wal):
        cdef uint32_t at
        cdef Ring ring
        self.rings = (risk_matching,) if isinstance(risk_matching, Ring) else tuple(risk_matching)
        if not 1 <= len(self.rings) <= RINGS_MAX:
            raise ValueError(f"{len(self.rings)} rings of requests; 1 to {RINGS_MAX} are possible")
        super().__init__(name, list(self.rings))
        for at, ring in enumerate(self.rings):
            self.sources[at] = ring.ring
        self.sources_used = <uint32_t>len(self.rings)
        self.turn_left = TURN_REQUESTS
        self.clock = clock
        self.engine = engine
        self.matching_wal = matching_wal

    cdef uint64_t waiting(self) noexcept nogil:
        """Requests in all rings."""
        cdef uint64_t total = 0
        cdef uint32_t at
        for at in range(self.sources_used):
            total += ring_available(self.sources[at])
        return total

    cdef int do_work(self) except -1 nogil:
        cdef engine_t* engine = &self.engine.engine
        cdef ring_t* target = self.matching_wal.ring
        cdef uint64_t now, done = 0, claimed = target.producer.claimed
        cdef uint32_t turns = self.sources_used
        if not self.has_recovered:
            if engine_recovered(engine, self.clock.now(), target) == BLOCKED:
                return self.wait(target)
            self.has_recovered = True
            ring_wake(target)
        self.due_ns = 0
        if engine_is_idle(engine) and self.waiting() == 0:
            return 0
        now = self.clock.now()
        if engine_idle(engine, now, target) == BLOCKED:
            self.wait(target)
            return target.producer.claimed != claimed
        while turns:
            turns -= 1
            if self.serve(self.sources[self.turn], now, &done) == BLOCKED:
                self.wait(target)  # its turn goes on
                break
            self.turn = self.turn + 1 if self.turn + 1 < self.sources_used else 0
            self.turn_left = TURN_REQUESTS
        ring_wake(target)
        if RSX_AUDITS and done:
            self.audit_sometimes()
        if self.due_ns == 0 and engine.expiry_ns != NEVER:
            self.due_ns = monotonic_ns() + engine.expiry_ns - min(now, engine.expiry_ns)
        return done != 0 or engine.book.is_moving or target.producer.claimed != claimed

    cdef int serve(self, ring_t* source, uint64_t now, uint64_t* done) except -1 nogil:
        """Requests of one ring until its turn is over, or BLOCKED; `done` counts them."""
        cdef engine_t* engine = &self.engine.engine
        cdef uint64_t count = min(ring_available(source), <uint64_t>self.turn_left)
        while count:
            if count > 3:
                engine_prefetch(engine, <const rsx_record_t*>ring_peek(source, 3))
                engine_prefetch_order(engine, <const rsx_record_t*>ring_peek(source, 2))
                engine_prefetch_links(engine, <const rsx_record_t*>ring_peek(source, 1))
            if engine_request(engine, <const rsx_record_t*>ring_peek(source, 0), now,
                              self.matching_wal.ring) == BLOCKED:
                if engine.work != IDLE:
                    ring_release(source, 1)
                    self.turn_left -= 1
                return BLOCKED
            ring_release(source, 1)
            self.turn_left -= 1
            count -= 1
            done[0] += 1
        return DONE

    cdef int audit_sometimes(self) except -1 nogil:
        """Every link, count and sum (INV-8), in the first of AUDIT_CYCLES duty cycles that took
        requests; between requests only."""
        if self.engine.engine.work == IDLE:
            if self.cycles % AUDIT_CYCLES == 0:
                with gil:
                    engine_audit(&self.engine.engine)
                self.audits += 1
            self.cycles += 1
        return 0

    cdef int wait(self, ring_t* target) noexcept nogil:
        """Before a full ring: come back soon, consumers wake nobody. With room: prices are on their
        way through the triggers, come back at once."""
        ring_wake(target)
        self.due_ns = monotonic_ns() + (RETRY_NS if ring_free(target, ROOM) < ROOM else 0)
        return 0

    def counters(self):
        return {**self.engine.counts(), "audits": self.audits}
