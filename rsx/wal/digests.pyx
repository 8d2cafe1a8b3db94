# cython: boundscheck=False
"""Digests of the log held against a fold: the first difference, until an admin answers it.

    ENGINE_DIGEST -> the engine's own at once
    LEDGER_MARK   -> the ledger's own, remembered until ...
    LEDGER_DIGEST -> ... a risk tile says what it had
    TRADING_MODE  -> to open, by a user: the difference so far is answered

Nothing fails here: what a difference means is the reader's business. Source: specs/replica.md
RP-6; INV-34.
"""

from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memset

from rsx.book.digest cimport digest_is_known, engine_digest
from rsx.book.matching cimport engine_t
from rsx.core.check cimport fail
from rsx.records_c cimport *
from rsx.risk.accounts cimport ledger_t
from rsx.risk.digest cimport ledger_digest


cdef class Digests:
    """Attributes: compared, differed: digests so far; seq: number of the first difference that is
    not answered, 0 = none."""

    def __init__(self):
        memset(self.taken, 0, sizeof(self.taken))

    cdef int take_engine(self, const rsx_record_t* record, engine_t* engine) except -1 nogil:
        """ENGINE_DIGEST, when its engine has come to it: `take` compares what is found here."""
        cdef const rsx_engine_digest_t* digest = <const rsx_engine_digest_t*>record
        if not digest_is_known(digest.form):
            return 0
        if self.waiting - self.taken_up >= WAITING_MAX:
            return fail(34, record.seq, WAITING_MAX)
        self.engines[self.waiting & (WAITING_MAX - 1)] = engine_digest(
            engine, digest.part, digest.form)
        self.waiting += 1
        return 0

    cdef int take(self, const rsx_record_t* record, ledger_t* ledger) except -1 nogil:
        """A record of the four types, in their order, before the ledger folds it."""
        cdef const rsx_engine_digest_t* of_engine = <const rsx_engine_digest_t*>record
        cdef const rsx_ledger_mark_t* mark = <const rsx_ledger_mark_t*>record
        cdef const rsx_trading_mode_t* mode = <const rsx_trading_mode_t*>record
        cdef taken_t* own
        if record.type == RSX_ENGINE_DIGEST:
            if not digest_is_known(of_engine.form):
                return 0
            self.taken_up += 1
            return self.compare(record, of_engine.digest,
                                self.engines[(self.taken_up - 1) & (WAITING_MAX - 1)])
        if record.type == RSX_LEDGER_DIGEST:
            return self.compare_ledger(<const rsx_ledger_digest_t*>record)
        if record.type == RSX_LEDGER_MARK:
            if digest_is_known(mark.form):
                own = &self.taken[self.marks & (MARKS_MAX - 1)]
                own.digest = ledger_digest(ledger, mark.part, mark.form)
                own.seq = mark.seq
                own.part = mark.part
                own.form = mark.form
                self.marks += 1
            return 0
        if mode.mode == RSX_MODE_OPEN and mode.user_id:
            self.seq = 0
        return 0

    cdef int compare_ledger(self, const rsx_ledger_digest_t* record) except -1 nogil:
        """Against what was taken at its mark, where that is remembered."""
        cdef const taken_t* own
        cdef int at
        for at in range(MARKS_MAX):
            own = &self.taken[at]
            if (own.seq == record.mark_seq and own.seq and own.part == record.part
                    and own.form == record.form):
                return self.compare(<const rsx_record_t*>record, record.digest, own.digest)
        return 0

    cdef int compare(self, const rsx_record_t* record, uint64_t logged,
                     uint64_t found) except -1 nogil:
        self.compared += 1
        if logged == found:
            return 0
        self.differed += 1
        if self.seq == 0:
            self.seq = record.seq
            self.found = found
            rsx_record_copy(&self.first, record)
        return 0

    def text(self, names):
        """The first difference that is not answered, or None. names: {symbol id: name}."""
        cdef const rsx_engine_digest_t* of_engine = <const rsx_engine_digest_t*>&self.first
        cdef const rsx_ledger_digest_t* of_ledger = <const rsx_ledger_digest_t*>&self.first
        if self.seq == 0:
            return None
        if self.first.type == RSX_ENGINE_DIGEST:
            name = names.get(of_engine.symbol_id, of_engine.symbol_id)
            what = f"ENGINE_DIGEST {self.seq} of {name}"
            part, form, logged = of_engine.part, of_engine.form, of_engine.digest
        else:
            what = (f"LEDGER_DIGEST {self.seq} of risk tile {of_ledger.shard} at "
                    f"{of_ledger.mark_seq}")
            part, form, logged = of_ledger.part, of_ledger.form, of_ledger.digest
        slices = 1 << (form >> 8)
        return (f"{what}: slice {part % slices} of {slices} is {self.found:#018x} when folded, "
                f"{logged:#018x} in the live tile")
