# cython: boundscheck=False
"""matching tile: one symbol's engine between its two rings.

Reads   risk_matching[symbol] (orders, cancels, amendments, triggers, marks, modes)
Writes  matching_wal[symbol] (every event, in the order in which it happened)
Owns    the book, triggers, client ids and net positions of its symbol
On full matching_wal: stalls, in the middle of a request if need be (specs/matching.md M-12)
Source  specs/matching.md, specs/tiles.md; the rules are in rsx/book/matching.pyx
"""

from libc.stdint cimport uint64_t

from rsx.book.engine cimport Engine
from rsx.book.fold cimport engine_audit
from rsx.book.lookahead cimport (
    engine_prefetch, engine_prefetch_links, engine_prefetch_order,
)
from rsx.book.matching cimport (
    BLOCKED, IDLE, NEVER, ROOM, engine_idle, engine_is_idle, engine_recovered, engine_request,
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
    def __init__(self, str name, Clock clock, Engine engine, *, Ring risk_matching,
                 Ring matching_wal):
        super().__init__(name, [risk_matching])
        self.clock = clock
        self.engine = engine
        self.risk_matching = risk_matching
        self.matching_wal = matching_wal

    cdef int do_work(self) except -1 nogil:
        cdef engine_t* engine = &self.engine.engine
        cdef ring_t* source = self.risk_matching.ring
        cdef ring_t* target = self.matching_wal.ring
        cdef uint64_t now, done = 0, count, claimed = target.producer.claimed
        if not self.has_recovered:
            if engine_recovered(engine, self.clock.now(), target) == BLOCKED:
                return self.wait(target)
            self.has_recovered = True
            ring_wake(target)
        self.due_ns = 0
        count = min(ring_available(source), <uint64_t>REQUEST_LIMIT)
        if count == 0 and engine_is_idle(engine):
            return 0
        now = self.clock.now()
        if engine_idle(engine, now, target) == BLOCKED:
            self.wait(target)
            return target.producer.claimed != claimed
        while count:
            if count > 3:
                engine_prefetch(engine, <const rsx_record_t*>ring_peek(source, 3))
                engine_prefetch_order(engine, <const rsx_record_t*>ring_peek(source, 2))
                engine_prefetch_links(engine, <const rsx_record_t*>ring_peek(source, 1))
            if engine_request(engine, <const rsx_record_t*>ring_peek(source, 0), now,
                              target) == BLOCKED:
                if engine.work != IDLE:
                    ring_release(source, 1)
                self.wait(target)
                break
            ring_release(source, 1)
            count -= 1
            done += 1
        ring_wake(target)
        if RSX_AUDITS and done:
            self.audit_sometimes()
        if self.due_ns == 0 and engine.expiry_ns != NEVER:
            self.due_ns = monotonic_ns() + engine.expiry_ns - min(now, engine.expiry_ns)
        return done != 0 or engine.book.is_moving or target.producer.claimed != claimed

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
