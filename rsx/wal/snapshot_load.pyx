# cython: boundscheck=False
"""Reads a snapshot from front to back and builds the State that it holds.

    HEAD -> STATE -> each market: MARKET, FUNDING, rules, fund -> ACCOUNTs -> POSITIONs
         -> each engine: ENGINE and its rows -> CUTs -> fills -> events -> END

Nothing of a unit is used before its seal, number and type were checked, and the State is given to
nobody before END and the state hash fit. Source: specs/snapshots.md SN-30 to SN-34.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

import os

from rsx.book cimport load as book_load
from rsx.book.book cimport mix
from rsx.book.engine cimport Engine
from rsx.book.fold cimport engine_hash
from rsx.book.load cimport (
    engine_load_begin, engine_load_end, engine_load_fetch, engine_load_free, engine_load_row,
    engine_load_t,
)
from rsx.core.check import InvariantError
from rsx.core.crc cimport rsx_crc_init, rsx_crc_record
from rsx.core.disk cimport DISK_READ, Disk
from rsx.core.idmap cimport idmap_get, idmap_prefetch
from rsx.core.memory cimport RSX_PAGES_SMALL, rsx_map, rsx_prefetch, rsx_unmap
from rsx.errors import ConfigError
from rsx.records import decode
from rsx.records_c cimport RSX_RECORD_SIZE, RSX_VERSION, rsx_record_copy, rsx_record_t
from rsx.risk cimport save as risk_save
from rsx.risk.accounts cimport ledger_t
from rsx.risk.audit cimport ledger_hash_of
from rsx.risk.orders cimport SYMBOLS_MAX
from rsx.risk.save cimport (
    ledger_load_account, ledger_load_end, ledger_load_funding, ledger_load_market,
    ledger_load_order, ledger_load_position, ledger_load_state, ledger_load_taker,
)
from rsx.rows import BY_TYPE, HEAD
from rsx.rows_c cimport *
from rsx.rules import from_records
from rsx.wal.snapshot_files import SnapshotDamaged, SnapshotRefused, check_head
from rsx.wal.state cimport RECENT_EVENTS, RECENT_FILLS, State

rsx_crc_init()

cdef enum:
    CHUNK_UNITS = 32768         # read at once
    AHEAD = 8                   # rows

# What is due next.
cdef enum:
    HEADING = 0
    TOTALS = 1
    MARKETS = 2
    FUNDINGS = 3
    RULES = 4
    FUND = 5
    FUND_POSITION = 6
    ACCOUNTS = 7
    POSITIONS = 8
    ENGINES = 9
    IN_ENGINE = 10
    CUTS = 11
    FILLS = 12
    EVENTS = 13
    ENDING = 14
    OVER = 15

# What is wrong with a unit, beside what the parts say; theirs have a base added.
cdef enum:
    FITS = 0
    BAD_SEAL = 1
    BAD_PLACE = 2
    NOT_DUE = 3
    BEHIND_END = 4
    OF_BOOK = 100
    OF_RISK = 200

SEALS = {
    BAD_SEAL: "the checksum is wrong",
    BAD_PLACE: "not the unit of this place",
    NOT_DUE: "a unit of this type is not due here",
    BEHIND_END: "something follows END",
}
WRONGS = {
    OF_BOOK + book_load.WRONG_ROW: "a value that cannot be",
    OF_BOOK + book_load.WRONG_COUNT: "not as many rows as ENGINE said",
    OF_BOOK + book_load.TWICE: "an id that was there before",
    OF_RISK + risk_save.WRONG_ROW: "a value that cannot be",
    OF_RISK + risk_save.WRONG_COUNT: "not as many rows as STATE said",
    OF_RISK + risk_save.TWICE: "an id that was there before",
}
# (field of the row that has the number, section and key of the configuration)
SIZES = {
    OF_BOOK + book_load.TOO_MANY_USERS: ("users", "matching", "users_max"),
    OF_BOOK + book_load.TOO_MANY_ORDERS: ("orders", "matching", "orders_max"),
    OF_BOOK + book_load.TOO_MANY_TRIGGERS: ("triggers", "matching", "triggers_max"),
    OF_BOOK + book_load.TOO_MANY_CIDS: ("client_ids", "matching", "dedup_orders_max"),
    OF_RISK + risk_save.TOO_MANY_ACCOUNTS: ("accounts", "risk", "accounts_max"),
    OF_RISK + risk_save.TOO_MANY_POSITIONS: ("positions", "risk", "positions_max"),
}


def load_snapshot(path, config, Disk disk=None, *, uint64_t exchange_id=0, on_config=None,
                  progress=None):
    """The State that a snapshot holds, in tables of the configuration's sizes.

    Args  exchange_id: the only one to be taken, 0 = any; on_config: as State's, for each market
          with rules; progress(units read, units in all) is called now and then
    Raises SnapshotRefused, SnapshotDamaged; nothing on disk is touched.
    """
    cdef Loader loader = Loader(path, config, on_config)
    disk = disk if disk is not None else Disk()
    loader.exchange_id = exchange_id
    loader.read(disk, progress)
    return loader.state


cdef class Loader:
    """One reading of one file."""

    cdef object path
    cdef object config
    cdef State state
    cdef ledger_t* ledger
    cdef uint64_t exchange_id
    cdef uint8_t* buffer
    cdef int phase
    cdef uint64_t unit              # number of the next one
    cdef uint64_t checksum
    cdef uint64_t left              # units of this phase
    cdef uint32_t markets           # left
    cdef rsx_row_state_t totals
    cdef rsx_row_market_t market
    cdef rsx_row_funding_t funding
    cdef list rules                 # records of the market in hand
    cdef int index                  # of the market in hand
    cdef engine_load_t engine
    cdef uint16_t engine_type       # of its last row
    cdef uint32_t* account_of       # by user of the engine: slot of the ledger
    cdef uint64_t users
    cdef set seen                   # markets, without those whose engine has come
    cdef list loaded                # markets whose engine has come

    def __cinit__(self):
        self.buffer = <uint8_t*>malloc(CHUNK_UNITS * RSX_ROW_SIZE)
        if self.buffer == NULL:
            raise MemoryError("buffer of a snapshot")

    def __init__(self, path, config, on_config):
        self.path = path
        self.config = config
        self.state = State(config, on_config)
        self.ledger = &self.state.ledger.ledger
        self.rules = []
        self.seen = set()
        self.loaded = []

    def __dealloc__(self):
        free(self.buffer)
        engine_load_free(&self.engine)
        rsx_unmap(self.account_of, (self.users + 1) * sizeof(uint32_t))

    # --- reading --------------------------------------------------------------------------

    cdef int read(self, Disk disk, progress) except -1:
        cdef int64_t size, got, offset = 0
        cdef bytes name = os.fsencode(self.path)
        cdef int fd = disk.open(name, DISK_READ), wrong
        if fd < 0:
            raise SnapshotRefused(self.path, 0, os.strerror(-fd))
        try:
            size = disk.size(fd)
            if size < RSX_ROW_SIZE:
                raise SnapshotDamaged(self.path, 0, f"{max(size, 0)} bytes are no snapshot")
            while offset < size:
                with nogil:
                    got = disk.read_all(fd, self.buffer, CHUNK_UNITS * RSX_ROW_SIZE, offset)
                if got < 0:
                    raise SnapshotRefused(self.path, offset, os.strerror(<int>-got))
                if got < RSX_ROW_SIZE:
                    raise SnapshotDamaged(self.path, offset, f"{got} bytes where a unit takes 128")
                got -= got % RSX_ROW_SIZE
                try:
                    with nogil:
                        wrong = self.take_chunk(<uint64_t>got // RSX_ROW_SIZE)
                except (InvariantError, ConfigError, ValueError, ArithmeticError) as error:
                    raise SnapshotDamaged(
                        self.path, self.unit * RSX_ROW_SIZE, f"what cannot be: {error}") from None
                if wrong:
                    self.refuse(wrong, offset)
                offset += got
                if progress is not None:
                    progress(self.unit, <uint64_t>size // RSX_ROW_SIZE)
        finally:
            disk.close(fd)
        if self.phase != OVER:
            raise SnapshotDamaged(self.path, offset, "it ends without END")
        return 0

    cdef int refuse(self, int wrong, int64_t chunk_offset) except -1:
        """Raise for the unit that is next."""
        cdef int64_t at = <int64_t>self.unit * RSX_ROW_SIZE
        cdef bytes unit = (<char*>self.buffer + (at - chunk_offset))[:RSX_ROW_SIZE]
        cdef uint16_t number = (<const rsx_row_t*><const char*>unit).type
        cdef str name = BY_TYPE[number].name if number in BY_TYPE else f"type {number}"
        if self.unit == 0 and wrong < OF_BOOK:
            check_head(self.path, unit)  # has more to say of it
        if wrong in SEALS:
            raise SnapshotDamaged(self.path, at, f"{SEALS[wrong]} (unit {self.unit}, {name})")
        if wrong in SIZES:
            key, section, limit = SIZES[wrong]
            most = getattr(getattr(self.config, section), limit)
            raise SnapshotRefused(
                self.path, at, f"{BY_TYPE[number].unpack(unit).get(key)} {key} do not fit into "
                f"{section}.{limit} = {most}")
        if wrong == OF_RISK + risk_save.TOO_MANY_ORDERS:
            raise SnapshotRefused(self.path, at, "orders do not fit into matching.orders_max = "
                                  f"{self.config.matching.orders_max} for each market")
        raise SnapshotDamaged(self.path, at, f"{WRONGS[wrong]} (unit {self.unit}, {name})")

    cdef int take_chunk(self, uint64_t count) except -1 nogil:
        """FITS, or what is wrong with the unit that `unit` then names."""
        cdef uint64_t at
        cdef const rsx_row_t* row
        cdef int wrong
        for at in range(count):
            row = <const rsx_row_t*>(self.buffer + at * RSX_ROW_SIZE)
            if row.crc != rsx_crc_record(row):
                return BAD_SEAL
            if row.type >= RSX_ROW_HEAD:
                if (row.form != RSX_ROW_FORM or row.number != <uint32_t>self.unit
                        or row.length != 112 or row.row_flags):
                    return BAD_PLACE
            elif (<const rsx_record_t*>row).version != RSX_VERSION:
                return BAD_PLACE
            if self.phase == IN_ENGINE and at + 2 * AHEAD < count:
                self.fetch(row + AHEAD, row + 2 * AHEAD)
            wrong = self.take(row)
            if wrong:
                return wrong
            self.checksum = mix(self.checksum, row.crc)
            self.unit += 1
        return FITS

    cdef void fetch(self, const rsx_row_t* near, const rsx_row_t* far) noexcept nogil:
        """Have what rows to come need on its way. They were not checked yet, so nothing that they
        name is read but where it lies within its table."""
        cdef const rsx_row_order_t* order = <const rsx_row_order_t*>far
        cdef uint32_t account
        if far.type != RSX_ROW_ORDER or near.type != RSX_ROW_ORDER:
            return
        engine_load_fetch(&self.engine, <const rsx_row_order_t*>near, order)
        idmap_prefetch(&self.ledger.orders.ids, order.oid)
        if order.user <= self.users:
            rsx_prefetch(&self.ledger.accounts[self.account_of[order.user]])
        order = <const rsx_row_order_t*>near
        if order.user <= self.users:
            account = self.account_of[order.user]
            rsx_prefetch(&self.ledger.positions[self.ledger.accounts[account].first_position])

    cdef int take(self, const rsx_row_t* row) except -1 nogil:
        """One unit with a good seal."""
        while self.left == 0 and ACCOUNTS <= self.phase <= EVENTS and self.phase != IN_ENGINE:
            self.phase += 2 if self.phase == ENGINES else 1
            self.begin_phase()
        if self.phase == IN_ENGINE:
            return self.take_of_engine(row)
        if self.phase == ACCOUNTS:
            return self.take_account(<const rsx_row_account_t*>row)
        if self.phase == POSITIONS or self.phase == FUND_POSITION:
            return self.take_position(<const rsx_row_position_t*>row)
        if self.phase == FILLS or self.phase == EVENTS:
            return self.take_recent(<const rsx_record_t*>row)
        with gil:
            return self.take_rare(row)

    cdef void begin_phase(self) noexcept nogil:
        """How many units the phase has."""
        if self.phase == POSITIONS:
            self.left = self.totals.positions
        elif self.phase == ENGINES:
            self.left = <uint64_t>self.markets
        elif self.phase == CUTS:
            self.left = self.totals.cuts
        elif self.phase == FILLS:
            self.left = min(self.totals.fills, <uint64_t>RECENT_FILLS)
        elif self.phase == EVENTS:
            self.left = min(self.totals.events, <uint64_t>RECENT_EVENTS)

    # --- many -----------------------------------------------------------------------------

    cdef int take_account(self, const rsx_row_account_t* row) except -1 nogil:
        cdef int wrong
        if row.type != RSX_ROW_ACCOUNT:
            return NOT_DUE
        wrong = ledger_load_account(self.ledger, row)
        if wrong:
            return OF_RISK + wrong
        if row.has_settings:
            with gil:
                self.state.settings[row.user_id] = (row.owner_group, row.stp)
        self.left -= 1
        return FITS

    cdef int take_position(self, const rsx_row_position_t* row) except -1 nogil:
        cdef int wrong
        if row.type != RSX_ROW_POSITION or (row.account == 0) != (self.phase == FUND_POSITION):
            return NOT_DUE
        wrong = ledger_load_position(self.ledger, row)
        if wrong:
            return OF_RISK + wrong
        if self.phase == POSITIONS:
            self.left -= 1
        else:
            self.next_market()
        return FITS

    cdef void next_market(self) noexcept nogil:
        """The fund's position is the last unit of a market's own."""
        self.left -= 1
        if self.left:
            self.phase = MARKETS
            return
        self.phase = ACCOUNTS
        self.left = self.totals.accounts

    cdef int take_recent(self, const rsx_record_t* record) except -1 nogil:
        cdef uint64_t at
        if record.type >= RSX_ROW_HEAD:
            return NOT_DUE
        if self.phase == FILLS:
            at = (self.totals.fills - self.left) % RECENT_FILLS
            rsx_record_copy(self.state.fills_at + at * RSX_RECORD_SIZE, record)
        else:
            at = (self.totals.events - self.left) % RECENT_EVENTS
            rsx_record_copy(self.state.events_at + at * RSX_RECORD_SIZE, record)
        self.left -= 1
        return FITS

    cdef int take_of_engine(self, const rsx_row_t* row) except -1 nogil:
        cdef int wrong
        if row.type == RSX_ROW_ENGINE or row.type > RSX_ROW_TRIGGER or row.type < RSX_ROW_USER:
            wrong = self.end_engine()
            return wrong if wrong else self.take(row)
        if row.type < self.engine_type or row.stream != self.engine.head.symbol_id:
            return NOT_DUE
        self.engine_type = row.type
        wrong = engine_load_row(&self.engine, row)
        if wrong:
            return OF_BOOK + wrong
        wrong = risk_save.FITS
        if row.type == RSX_ROW_ORDER:
            wrong = ledger_load_order(
                self.ledger, self.index, self.account_of[(<const rsx_row_order_t*>row).user],
                <const rsx_row_order_t*>row)
        elif row.type == RSX_ROW_USER:
            self.account_of[self.engine.engine.users_used] = idmap_get(
                &self.ledger.slots, (<const rsx_row_user_t*>row).user_id)
        elif row.type == RSX_ROW_TAKER:
            wrong = ledger_load_taker(
                self.ledger, self.index, self.account_of[(<const rsx_row_taker_t*>row).user],
                <const rsx_row_taker_t*>row)
        return OF_RISK + wrong if wrong else FITS

    cdef int end_engine(self) except -1 nogil:
        cdef int wrong = engine_load_end(&self.engine)
        if wrong:
            return OF_BOOK + wrong
        engine_load_free(&self.engine)
        rsx_unmap(self.account_of, (self.users + 1) * sizeof(uint32_t))
        self.account_of = NULL
        self.left -= 1
        self.phase = ENGINES
        return FITS

    # --- rare -----------------------------------------------------------------------------

    cdef int take_rare(self, const rsx_row_t* row) except -1:
        if self.phase == HEADING:
            return self.take_head(row)
        if self.phase == TOTALS and row.type == RSX_ROW_STATE:
            return self.take_totals(<const rsx_row_state_t*>row)
        if self.phase == MARKETS and row.type == RSX_ROW_MARKET:
            return self.take_market(<const rsx_row_market_t*>row)
        if self.phase == FUNDINGS and row.type == RSX_ROW_FUNDING:
            self.funding = (<const rsx_row_funding_t*>row)[0]
            self.phase = RULES
            return self.take_rules()
        if self.phase == RULES and row.type < RSX_ROW_HEAD:
            self.rules.append((<const char*>row)[:RSX_RECORD_SIZE])
            return self.take_rules()
        if self.phase == FUND and row.type == RSX_ROW_ACCOUNT:
            return self.take_fund(<const rsx_row_account_t*>row)
        if self.phase == ENGINES and row.type == RSX_ROW_ENGINE:
            return self.take_engine(<const rsx_row_engine_t*>row)
        if self.phase == CUTS and row.type == RSX_ROW_CUT:
            self.state.cuts[(<const rsx_row_cut_t*>row).oid] = (<const rsx_row_cut_t*>row).qty
            self.left -= 1
            return FITS
        if self.phase == ENDING and row.type == RSX_ROW_END:
            return self.take_end(<const rsx_row_end_t*>row)
        return BEHIND_END if self.phase == OVER else NOT_DUE

    cdef int misfit(self, str reason) except -1:
        """A good snapshot, but not for this exchange."""
        raise SnapshotRefused(self.path, self.unit * RSX_ROW_SIZE, reason)

    cdef int take_head(self, const rsx_row_t* row) except -1:
        cdef bytes unit = (<const char*>row)[:RSX_ROW_SIZE]
        cdef dict head = HEAD.unpack(unit)
        check_head(self.path, unit)
        if head["records_version"] != RSX_VERSION:
            self.misfit(f"records of version {head['records_version']}; this RSX has {RSX_VERSION}")
        if self.exchange_id and head["exchange_id"] != self.exchange_id:
            self.misfit(f"a snapshot of exchange {head['exchange_id']:#x}; this one is "
                        f"{self.exchange_id:#x}")
        if head["money_decimals"] != self.config.money_decimals:
            self.misfit(f"money has {head['money_decimals']} decimals, the configuration says "
                        f"{self.config.money_decimals}")
        self.state.next_seq = head["seq"] + 1
        self.state.epoch = head["epoch"]
        self.state.exchange_id = head["exchange_id"]
        self.markets = head["markets"]
        self.phase = TOTALS
        return FITS

    cdef int take_totals(self, const rsx_row_state_t* row) except -1:
        cdef int wrong = ledger_load_state(self.ledger, row)
        if wrong:
            return OF_RISK + wrong
        self.totals = row[0]
        self.state.oid_max = row.oid_max
        self.state.own_oid_max = row.own_oid_max
        self.state.fill_count = row.fills
        self.state.event_count = row.events
        self.left = self.markets
        self.phase = MARKETS if self.markets else ACCOUNTS
        return FITS

    cdef int take_market(self, const rsx_row_market_t* row) except -1:
        """L-24 for a snapshot."""
        cdef uint32_t symbol_id = row.symbol_id
        cdef bytes padded = (<const char*>row.name)[:sizeof(row.name)]
        cdef str name = padded.rstrip(b"\0").decode("utf-8", "replace")
        cdef object symbol
        cdef tuple found
        if symbol_id in self.seen or row.rules not in (0, 4) or row.coming > 3:
            return NOT_DUE
        if symbol_id not in self.state.engines:
            self.misfit(f"market {symbol_id} ({name}) is not in the configuration: another "
                        "exchange's snapshot?")
        symbol = self.state.engines[symbol_id].symbol
        found = (name, row.price_decimals, row.qty_decimals)
        if found != (symbol.name, symbol.price_decimals, symbol.qty_decimals):
            self.misfit(f"market {symbol_id} is {found}, the configuration says "
                        f"{(symbol.name, symbol.price_decimals, symbol.qty_decimals)}: another "
                        "exchange's snapshot?")
        self.seen.add(symbol_id)
        self.market = row[0]
        self.index = self.ledger.symbol_index[symbol_id] - 1
        self.rules = []
        self.phase = FUNDINGS
        return FITS

    cdef int take_rules(self) except -1:
        """When the records of rules are there: they hold, then what the rows say."""
        if len(self.rules) < self.market.rules + self.market.coming:
            return FITS
        self.apply_rules(self.rules[:self.market.rules], self.rules[self.market.rules:])
        if self.market.is_seeded:
            self.state.seeded.add(self.market.symbol_id)
        ledger_load_market(self.ledger, self.index, &self.market)
        ledger_load_funding(self.ledger, self.index, &self.funding)
        self.phase = FUND
        return FITS

    cdef int apply_rules(self, list records, list coming) except -1:
        cdef State state = self.state
        cdef uint64_t applied = self.ledger.applied
        cdef uint32_t symbol_id = self.market.symbol_id
        cdef object engine = state.engines[symbol_id]
        cdef list views
        views = [decode(record, crc=False) for record in records]
        if views:
            if state.on_config is not None:
                state.on_config(views[0])
            state.rules[symbol_id] = from_records(views)
            engine.configure(b"".join(records))
        for record in coming:
            engine.apply(record)
        if coming:
            state.rules_coming[symbol_id] = [decode(record, crc=False) for record in coming]
        for record in records + coming:
            state.ledger.apply(record)
        self.ledger.applied = applied
        return 0

    cdef int take_fund(self, const rsx_row_account_t* row) except -1:
        cdef int wrong
        if row.user_id != self.ledger.accounts[self.index + 1].user_id:
            return NOT_DUE
        wrong = ledger_load_account(self.ledger, row)
        if wrong:
            return OF_RISK + wrong
        self.phase = FUND_POSITION
        return FITS

    cdef int take_engine(self, const rsx_row_engine_t* row) except -1:
        cdef Engine engine = self.state.engines.get(row.symbol_id)
        cdef int wrong
        if row.symbol_id not in self.seen:
            return NOT_DUE
        self.seen.remove(row.symbol_id)
        self.loaded.append(row.symbol_id)
        wrong = engine_load_begin(&self.engine, &engine.engine, row)
        if wrong:
            return OF_BOOK + wrong
        self.index = self.ledger.symbol_index[row.symbol_id] - 1
        self.users = row.users
        self.account_of = <uint32_t*>rsx_map(
            (self.users + 1) * sizeof(uint32_t), RSX_PAGES_SMALL)
        if self.account_of == NULL:
            raise MemoryError(f"{row.users} users")
        self.engine_type = RSX_ROW_USER
        self.phase = IN_ENGINE
        return FITS

    cdef int take_end(self, const rsx_row_end_t* row) except -1:
        """SN-4, SN-30."""
        cdef State state = self.state
        cdef uint64_t found
        cdef int wrong
        if row.units != self.unit + 1 or row.checksum != self.checksum:
            return BAD_PLACE
        wrong = ledger_load_end(self.ledger, &self.totals)
        if wrong:
            return OF_RISK + wrong
        state.has_cuts = len(state.cuts) != 0
        state.cuts_limit = max(state.cuts_limit, 2 * len(state.cuts))
        found = self.hash_state()
        if found != row.state_hash:
            raise SnapshotDamaged(
                self.path, self.unit * RSX_ROW_SIZE,
                f"state hash {found:#018x} of what was loaded, the file says "
                f"{row.state_hash:#018x}")
        self.phase = OVER
        return FITS

    cdef uint64_t hash_state(self) except? 0:
        """As the writer had it: by market id, without the markets that the file does not have."""
        cdef uint8_t[SYMBOLS_MAX] left_out
        cdef uint64_t total
        cdef int index
        cdef Engine engine
        for index, symbol_id in enumerate(self.state.engines):
            left_out[index] = symbol_id not in self.loaded
        with nogil:
            total = ledger_hash_of(self.ledger, True, left_out)
        for symbol_id in self.loaded:
            engine = self.state.engines[symbol_id]
            with nogil:
                total = mix(total, engine_hash(&engine.engine))
        return total
