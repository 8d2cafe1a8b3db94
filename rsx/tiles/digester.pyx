# cython: boundscheck=False
"""digester: a risk tile's part in the rounds of digests, as part of its duty cycle.

Reads   LEDGER_MARK as it is released, the tile's ledger
Writes  risk_matching[symbol] (DIGEST_REQUEST), risk_wal (LEDGER_MARK, LEDGER_DIGEST)
Owns    when the next round is due, a digest that is not logged yet
On full what has no room is left out of the round and counted
Source  specs/replica.md RP-5; what is hashed is in rsx/book/digest.pyx and rsx/risk/digest.pyx

Shard 0 begins the rounds; every shard answers the mark.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t

from rsx.book.digest cimport digest_is_known
from rsx.core.ring cimport ring_claim_sure, ring_commit, ring_free
from rsx.records_c cimport *
from rsx.risk.digest cimport ledger_digest, ledger_digest_form
from rsx.risk.ledger cimport Ledger
from rsx.tiles.outbox cimport STREAM_RISK, Outbox


cdef class Digester:
    """Args  out: of its tile; shard: its tile's; check_ns: pause between rounds, 0 = none;
    part: of the first round."""

    def __init__(self, Ledger ledger, Outbox out, uint16_t shard, uint64_t check_ns,
                 uint32_t part):
        self.owner = ledger
        self.out = out
        self.shard = shard
        self.check_ns = 0 if shard else check_ns
        self.part = part

    cdef int on_mark(self, const rsx_ledger_mark_t* mark) except -1 nogil:
        """The ledger is as it was behind this record: now, or never."""
        if not digest_is_known(mark.form):
            return 0
        self.left_out += self.is_taken
        self.digest = ledger_digest(&self.owner.ledger, mark.part, mark.form)
        self.mark_seq = mark.seq
        self.mark_part = mark.part
        self.form = mark.form
        self.is_taken = True
        return 0

    cdef int work(self, uint64_t now) except -1 nogil:
        """Log what was taken; begin a round that is due. Returns how many records were written."""
        cdef int done = 0
        if self.is_taken and ring_free(self.out.wal, 1):
            done += self.log_digest(now)
        if self.check_ns and self.has_moved:
            if now < self.round_ns or now - self.round_ns >= self.check_ns:
                done += self.begin_round(now)
        return done

    cdef uint64_t next_ns(self) noexcept nogil:
        """When the next round is due, 0 = nothing has moved."""
        return self.round_ns + self.check_ns if self.check_ns and self.has_moved else 0

    cdef int begin_round(self, uint64_t now) except -1 nogil:
        """RP-5. Each engine answers between two of its requests, the ledgers at the mark."""
        cdef rsx_digest_request_t* request
        cdef rsx_ledger_mark_t* mark
        cdef int index, done = 0
        self.round_ns = now
        self.has_moved = False
        self.rounds += 1
        self.part += 1
        for index in range(self.owner.ledger.symbol_count):
            if not ring_free(self.out.matching[index], 1):
                self.left_out += 1
                continue
            request = <rsx_digest_request_t*>ring_claim_sure(self.out.matching[index])
            rsx_record_init(request, RSX_DIGEST_REQUEST, STREAM_RISK)
            request.ts_ns = now
            request.symbol_id = self.owner.ledger.symbols[index].symbol_id
            request.part = self.part
            ring_commit(self.out.matching[index])
            done += 1
        if not ring_free(self.out.wal, 1):
            self.left_out += 1
            return done
        mark = <rsx_ledger_mark_t*>self.out.logged(RSX_LEDGER_MARK, now)
        mark.part = self.part
        mark.form = ledger_digest_form(&self.owner.ledger)
        ring_commit(self.out.wal)
        return done + 1

    cdef int log_digest(self, uint64_t now) except -1 nogil:
        cdef rsx_ledger_digest_t* record
        record = <rsx_ledger_digest_t*>self.out.logged(RSX_LEDGER_DIGEST, now)
        record.digest = self.digest
        record.mark_seq = self.mark_seq
        record.part = self.mark_part
        record.form = self.form
        record.shard = self.shard
        ring_commit(self.out.wal)
        self.is_taken = False
        return 1
