# cython: boundscheck=False
"""Writes the state of the exchange into one file, step by step, while the state stands still.

    marks, cuts -> head (Python made, small) -> accounts, positions -> engines -> fills, events
    -> END -> sync, rename, sync of the folder

Rows are made in a buffer, numbered, sealed and written from there. Without the GIL but for marks,
cuts, head, and the begin of each engine. A failed write ends it: the temporary file is removed.
Source: specs/snapshots.md SN-1 to SN-5, SN-20.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

import os
from pathlib import Path

from rsx.book.book cimport book_find, mix
from rsx.book.engine cimport Engine
from rsx.book.save cimport engine_save_begin, engine_save_free, engine_save_rows
from rsx.core.crc cimport rsx_crc_init, rsx_crc_record
from rsx.core.disk cimport DISK_CREATE, Disk
from rsx.records_c cimport (
    RSX_RECORD_SIZE, RSX_VERSION, rsx_record_copy, rsx_record_t, rsx_symbol_config_t,
    rsx_symbol_limits_t, rsx_symbol_risk_t,
)
from rsx.risk.accounts cimport ledger_account, ledger_t, symbol_t
from rsx.risk.audit cimport ledger_hash_step
from rsx.risk.orders cimport SYMBOLS_MAX
from rsx.risk.save cimport (
    ledger_save_account, ledger_save_begin, ledger_save_market, ledger_save_position,
    ledger_save_state,
)
from rsx.rows import CUT, HEAD, MAGIC
from rsx.rows_c cimport *
from rsx.rules import to_records
from rsx.wal.snapshot_files import SnapshotRefused, snapshot_name
from rsx.wal.state cimport RECENT_EVENTS, RECENT_FILLS, State

rsx_crc_init()

cdef enum:
    BUFFER_UNITS = 8192
    HASHES = 8192               # rows of the ledger hashed in one go
    LOOKS = 2048                # accounts or cuts looked at with the GIL in one go
    SYNC_BYTES = 16 << 20       # SN-20

cdef enum:
    MARKS = 0
    CUTS = 1
    HEADING = 2
    ACCOUNTS = 3
    POSITIONS = 4
    HASHING = 5
    ENGINES = 6
    TAIL = 7
    FILLS = 8
    EVENTS = 9
    ENDING = 10
    FINISHING = 11
    FINISHED = 12
    ABANDONED = 13


cdef class SnapshotWriter:
    """Args  state: State that nothing is applied to until this is done; folder: made if missing.

    Raises SnapshotRefused for a state that is not to be written, OSError.
    """

    def __cinit__(self):
        self.fd = -1

    def __init__(self, State state not None, folder, Disk disk=None):
        self.state = state
        self.disk = disk if disk is not None else Disk()
        self.seq = state.next_seq - 1
        folder = Path(folder)
        self.path = folder.joinpath(snapshot_name(self.seq))
        self.temp_path = folder.joinpath(self.path.name + ".tmp")
        self.refuse()
        self.temp_name = os.fsencode(self.temp_path)
        self.final_name = os.fsencode(self.path)
        self.folder_name = os.fsencode(folder)
        self.markets = sorted(state.engines)
        self.accounts = state.ledger.ledger.accounts_used
        self.left = list(state.settings)
        self.cuts = []
        self.buffer = <uint8_t*>calloc(BUFFER_UNITS, RSX_ROW_SIZE)
        self.has_settings = <uint8_t*>calloc(self.accounts + 1, 1)
        if self.buffer == NULL or self.has_settings == NULL:
            raise MemoryError("buffer of a snapshot")
        if not self.disk.is_folder(folder):
            self.disk.make_folder(folder)
            self.disk.sync_path(folder.parent)
        self.fd = self.disk.open_file(self.temp_path, DISK_CREATE)

    def __dealloc__(self):
        engine_save_free(&self.engine)
        free(self.buffer)
        free(self.has_settings)
        if self.fd >= 0:
            self.disk.close(self.fd)

    def refuse(self):
        """SN-14."""
        mismatch = getattr(self.state, "mismatch", None)
        if self.seq == 0:
            raise SnapshotRefused(self.path, 0, "nothing is in the log yet")
        if mismatch:
            raise SnapshotRefused(self.path, 0, f"the state does not fit the log: {mismatch}")

    def step(self, int64_t budget_bytes=1 << 18):
        """Write up to so many bytes more; True when the file is there. Raises OSError."""
        cdef int is_done
        try:
            with nogil:
                is_done = self.work(budget_bytes)
        except BaseException:
            self.abandon()
            raise
        return bool(is_done)

    def abandon(self):
        """Stop, and remove what was written; nothing when it is done."""
        if self.phase >= FINISHED:
            return
        self.phase = ABANDONED
        engine_save_free(&self.engine)
        if self.fd >= 0:
            self.disk.close(self.fd)
            self.fd = -1
        for path in [self.temp_path, self.path] if self.is_named else [self.temp_path]:
            try:
                self.disk.remove(path)
            except OSError:
                pass  # the next start removes it

    # --- steps ----------------------------------------------------------------------------

    cdef int work(self, int64_t budget) except -1 nogil:
        """Up to so many bytes more; 1 when the file is there. On an exception call abandon."""
        cdef uint64_t made = 0
        cdef uint64_t room = max(<uint64_t>1, <uint64_t>max(budget, <int64_t>0) // RSX_ROW_SIZE)
        while room and self.phase < FINISHING:
            made = 0
            self.make(min(room, <uint64_t>BUFFER_UNITS), &made)
            self.flush(made)
            room -= made
            if made == 0:  # looked at much, or a phase ended: a step's worth of work
                return 0
        if self.phase == FINISHING:
            self.finish()
        return self.phase == FINISHED

    cdef int make(self, uint64_t room, uint64_t* made) except -1 nogil:
        """Units of the present phase into the buffer, or something that leads there."""
        if self.phase == MARKS:
            with gil:
                self.mark_settings()
        elif self.phase == CUTS:
            with gil:
                self.look_for_cuts()
        elif self.phase == HEADING:
            ledger_save_begin(&self.state.ledger.ledger)
            with gil:
                self.make_head()
                self.copy_head(room, made)
        elif self.phase == ACCOUNTS or self.phase == POSITIONS:
            self.make_of_ledger(room, made)
        elif self.phase == HASHING:
            if ledger_hash_step(&self.state.ledger.ledger, True, NULL, &self.sum, HASHES):
                self.next_phase()
        elif self.phase == ENGINES:
            self.make_of_engine(room, made)
        elif self.phase == TAIL:
            with gil:
                self.make_tail()
                self.copy_head(room, made)
        elif self.phase == FILLS:
            self.make_recent(self.state.fills_at, self.state.fill_count, RECENT_FILLS, room, made)
        elif self.phase == EVENTS:
            self.make_recent(self.state.events_at, self.state.event_count, RECENT_EVENTS, room,
                             made)
        elif self.phase == ENDING:
            self.make_end(<rsx_row_end_t*>self.buffer)
            made[0] = 1
            self.phase = FINISHING
        return 0

    cdef int flush(self, uint64_t made) except -1 nogil:
        """Number and seal what is in the buffer, and write it."""
        cdef uint64_t at
        cdef rsx_row_t* row
        cdef int done
        if made == 0:
            return 0
        for at in range(made):
            row = <rsx_row_t*>(self.buffer + at * RSX_ROW_SIZE)
            if row.type >= RSX_ROW_HEAD:
                row.number = <uint32_t>self.units
            row.crc = rsx_crc_record(row)
            self.checksum = mix(self.checksum, row.crc)
            self.units += 1
        done = self.disk.write_all(self.fd, self.buffer, made * RSX_ROW_SIZE,
                                   <int64_t>self.written)
        if done < 0:
            return self.fail(done)
        self.written += made * RSX_ROW_SIZE
        if self.written - self.synced >= SYNC_BYTES:
            done = self.disk.sync(self.fd)
            if done < 0:
                return self.fail(done)
            self.synced = self.written
        return 0

    cdef int fail(self, int error) except -1 nogil:
        with gil:
            raise OSError(-error, os.strerror(-error), str(self.temp_path))

    cdef int finish(self) except -1 nogil:
        """SN-1: synced, then named, then the name synced."""
        cdef const char* temp
        cdef const char* final
        cdef const char* folder
        cdef int done
        with gil:
            temp, final, folder = self.temp_name, self.final_name, self.folder_name
        done = self.disk.sync(self.fd)
        if done >= 0:
            done = self.disk.close(self.fd)
            self.fd = -1
        if done >= 0:
            done = self.disk.rename(temp, final)
            self.is_named = done >= 0
        if done >= 0:
            done = self.disk.sync_folder(folder)
        if done < 0:
            return self.fail(done)
        self.phase = FINISHED
        return 0

    # --- with the GIL ---------------------------------------------------------------------

    cdef int mark_settings(self) except -1:
        """Note which accounts ever had settings, some at a time."""
        cdef ledger_t* ledger = &self.state.ledger.ledger
        for _ in range(LOOKS):
            if not self.left:
                self.left = list(self.state.cuts.items())
                self.phase = CUTS
                return 0
            account = ledger_account(ledger, self.left.pop())
            if account != NULL:
                self.has_settings[account - ledger.accounts] = 1
        return 0

    cdef bint is_alive(self, uint64_t oid):
        """Whether an order rests or is in hand."""
        cdef Engine engine
        for engine in self.state.engines.values():
            if book_find(&engine.engine.book, oid):
                return True
            if engine.engine.taker.active and engine.engine.taker.oid == oid:
                return True
        return False

    cdef int look_for_cuts(self) except -1:
        """SN-13: cuts of orders that live, some at a time."""
        for _ in range(LOOKS):
            if not self.left:
                self.cuts.sort()
                self.phase = HEADING
                return 0
            oid, qty = self.left.pop()
            if self.is_alive(oid):
                self.cuts.append((oid, qty))
        return 0

    cdef int make_head(self) except -1:
        """HEAD, STATE, and what belongs to each market; once."""
        cdef State state = self.state
        cdef rsx_row_state_t row
        if self.head is not None:
            return 0
        self.head = bytearray(HEAD.pack(
            0, magic=MAGIC, seq=self.seq, exchange_id=state.exchange_id, epoch=state.epoch,
            markets=len(self.markets), money_decimals=state.money_decimals,
            records_version=RSX_VERSION,
        ))
        rsx_row_init(&row, RSX_ROW_STATE, 0)
        ledger_save_state(&state.ledger.ledger, &row)
        row.oid_max = state.oid_max
        row.own_oid_max = state.own_oid_max
        row.fills = state.fill_count
        row.events = state.event_count
        row.cuts = <uint32_t>len(self.cuts)
        self.head += (<char*>&row)[:RSX_ROW_SIZE]
        for symbol_id in self.markets:
            self.add_market(symbol_id)
        return 0

    cdef int add_market(self, int symbol_id) except -1:
        cdef ledger_t* ledger = &self.state.ledger.ledger
        cdef int index = ledger.symbol_index[symbol_id] - 1
        cdef symbol_t* own = &ledger.symbols[index]
        cdef rsx_row_market_t row
        cdef rsx_row_funding_t funding
        cdef rsx_row_account_t fund
        cdef rsx_row_position_t position
        cdef bytes name
        symbol = self.state.engines[symbol_id].symbol
        name = symbol.name.encode()
        rules = self.state.rules.get(symbol_id)
        records = [] if rules is None else to_records(rules)
        coming = coming_records(own)
        ledger_save_market(ledger, index, &row, &funding)
        memcpy(row.name, <const char*>name, <size_t>min(len(name), <Py_ssize_t>sizeof(row.name)))
        row.price_decimals = symbol.price_decimals
        row.qty_decimals = symbol.qty_decimals
        row.is_seeded = symbol_id in self.state.seeded
        row.rules = <uint8_t>len(records)
        row.coming = <uint8_t>len(coming)
        ledger_save_account(ledger, own.fund, &fund)
        fund.has_settings = self.has_settings[own.fund]
        ledger_save_position(ledger, own.fund, &position)
        self.head += (<char*>&row)[:RSX_ROW_SIZE] + (<char*>&funding)[:RSX_ROW_SIZE]
        self.head += b"".join(records + coming)
        self.head += (<char*>&fund)[:RSX_ROW_SIZE] + (<char*>&position)[:RSX_ROW_SIZE]
        return 0

    cdef int make_tail(self) except -1:
        """CUT rows; once."""
        if self.head is None:
            self.head = bytearray().join([CUT.pack(0, oid=oid, qty=qty) for oid, qty in self.cuts])
        return 0

    cdef int copy_head(self, uint64_t room, uint64_t* made) except -1:
        """What was made in Python goes on to the buffer; the next phase at its end."""
        cdef const uint8_t* data = <const uint8_t*>self.head
        cdef uint64_t count = min(room, <uint64_t>len(self.head) // RSX_ROW_SIZE - self.at)
        memcpy(self.buffer, data + self.at * RSX_ROW_SIZE, count * RSX_ROW_SIZE)
        made[0] = count
        self.at += count
        if self.at * RSX_ROW_SIZE == <uint64_t>len(self.head):
            self.head = None
            self.next_phase()
        return 0

    cdef int begin_engine(self) except -1:
        """The next market's engine; the next phase after the last."""
        cdef ledger_t* ledger = &self.state.ledger.ledger
        cdef Engine engine
        cdef const symbol_t* symbol
        if self.at == <uint64_t>len(self.markets):
            self.next_phase()
            return 0
        engine = self.state.engines[self.markets[self.at]]
        symbol = &ledger.symbols[ledger.symbol_index[engine.symbol_id] - 1]
        engine_save_begin(&self.engine, &engine.engine, symbol.hand > SYMBOLS_MAX)
        self.at += 1
        self.is_in_engine = True
        return 0

    # --- without it -----------------------------------------------------------------------

    cdef void next_phase(self) noexcept nogil:
        self.phase += 1
        self.at = 0

    cdef int make_of_ledger(self, uint64_t room, uint64_t* made) except -1 nogil:
        """ACCOUNT rows, or POSITION rows, without the funds'."""
        cdef ledger_t* ledger = &self.state.ledger.ledger
        cdef bint is_accounts = self.phase == ACCOUNTS
        cdef uint64_t used = ledger.accounts_used if is_accounts else ledger.positions_used
        cdef uint64_t slot
        cdef rsx_row_account_t* row
        while made[0] < room:
            slot = self.at + <uint64_t>ledger.symbol_count + 1
            if slot > used:
                self.next_phase()
                return 0
            row = <rsx_row_account_t*>(self.buffer + made[0] * RSX_ROW_SIZE)
            if is_accounts:
                ledger_save_account(ledger, slot, row)
                row.has_settings = self.has_settings[slot]
            else:
                ledger_save_position(ledger, slot, <rsx_row_position_t*>row)
            self.at += 1
            made[0] += 1
        return 0

    cdef int make_of_engine(self, uint64_t room, uint64_t* made) except -1 nogil:
        if not self.is_in_engine:
            with gil:
                self.begin_engine()
            return 0
        if engine_save_rows(&self.engine, <rsx_row_t*>self.buffer, room, made):
            self.hashes[self.at - 1] = self.engine.hash
            engine_save_free(&self.engine)
            self.is_in_engine = False
        return 0

    cdef int make_recent(self, const uint8_t* ring, uint64_t count, uint64_t kept, uint64_t room,
                         uint64_t* made) except -1 nogil:
        """The youngest records of a circle, oldest first."""
        cdef uint64_t first = count - kept if count > kept else 0
        while made[0] < room:
            if first + self.at == count:
                self.next_phase()
                return 0
            rsx_record_copy(self.buffer + made[0] * RSX_ROW_SIZE,
                            ring + ((first + self.at) % kept) * RSX_RECORD_SIZE)
            self.at += 1
            made[0] += 1
        return 0

    cdef int make_end(self, rsx_row_end_t* row) except -1 nogil:
        """SN-4."""
        cdef int at
        rsx_row_init(row, RSX_ROW_END, 0)
        row.units = self.units + 1
        row.checksum = self.checksum
        row.state_hash = self.sum.total
        for at in range(self.state.ledger.ledger.symbol_count):
            row.state_hash = mix(row.state_hash, self.hashes[at])
        return 0


cdef list coming_records(const symbol_t* symbol):
    """What is there of a set of rules that is not whole, as it was logged."""
    cdef list out = []
    if symbol.asked_config.type:
        out.append((<const char*>&symbol.asked_config)[:RSX_RECORD_SIZE])
    if symbol.asked_limits.type:
        out.append((<const char*>&symbol.asked_limits)[:RSX_RECORD_SIZE])
    if symbol.asked_rules.type:
        out.append((<const char*>&symbol.asked_rules)[:RSX_RECORD_SIZE])
    return out
