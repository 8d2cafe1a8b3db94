# cython: boundscheck=False
"""Compiled drivers of the benches: they time the product's own kernels, tiles and rings.

Built on demand by perf/build.py, never part of the package. Every function returns raw samples
or a duration in ns, and what is needed to check that the work was really done.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

import threading

from rsx.book.engine cimport Engine
from rsx.book.lookahead cimport (
    engine_prefetch, engine_prefetch_links, engine_prefetch_order,
)
from rsx.book.matching cimport engine_request
from rsx.book.recentre cimport book_recentre_move
from rsx.core.clock cimport monotonic_ns
from rsx.core.disk cimport Disk
from rsx.core.ring cimport (
    Ring, ring_available, ring_claim, ring_commit, ring_free, ring_peek, ring_release, ring_t,
    ring_wake, rsx_pause,
)
from rsx.core.tile cimport Tile
from rsx.records_c cimport *
from rsx.risk.accounts cimport (
    account_t, find_position, ledger_account, ledger_index, ledger_t, position_t,
)
from rsx.risk.check cimport ask_order, ask_t, ledger_check
from rsx.risk.ledger cimport Ledger
from rsx.risk.lookahead cimport (
    LOOK_FAR, LOOK_NEAR, LOOK_NEXT, ledger_prefetch, ledger_prefetch_held, ledger_prefetch_row,
)
from rsx.risk.margin cimport touch_orders
from rsx.risk.settle cimport ledger_apply
from rsx.risk.watch cimport RECKON_LIMIT, Watch
from rsx.tiles.matching cimport MatchingTile
from rsx.tiles.wal cimport WalTile


cdef list to_list(uint64_t* samples, uint64_t count):
    return [samples[at] for at in range(count)]


def clock_floor(uint64_t count=100_000):
    """Cost of one clock reading in ns, mean."""
    cdef uint64_t began = monotonic_ns(), at
    for at in range(count):
        monotonic_ns()
    return (monotonic_ns() - began) / count


# --- ring -------------------------------------------------------------------------------------


cdef int echo(ring_t* source, ring_t* target, uint64_t count) except -1 nogil:
    """Send every record back; the other end of ring_hop."""
    cdef uint64_t done = 0
    cdef uint8_t* slot
    while done < count:
        if ring_available(source) == 0:
            rsx_pause()
            continue
        slot = ring_claim(target)
        while slot == NULL:
            slot = ring_claim(target)
        memcpy(slot, ring_peek(source, 0), 128)
        ring_commit(target)
        ring_release(source, 1)
        done += 1
    return 0


def ring_hop(uint64_t count, warm_up=10_000, cpus=None):
    """One-way hop in ns per sample: half a round trip of one 128-byte record, two spinning threads.
    """
    import os

    cdef Ring there = Ring("bench_there", 1024)
    cdef Ring back = Ring("bench_back", 1024)
    cdef uint64_t total = count + warm_up, at, began
    cdef uint8_t record[128]
    cdef uint8_t* slot
    cdef uint64_t* samples = <uint64_t*>malloc(total * 8)

    def other():
        if cpus:
            os.sched_setaffinity(0, {cpus[1]})
        with nogil:
            echo(there.ring, back.ring, total)

    for at in range(128):
        record[at] = <uint8_t>at
    before = os.sched_getaffinity(0)
    if cpus:
        os.sched_setaffinity(0, {cpus[0]})
    thread = threading.Thread(target=other)
    thread.start()
    with nogil:
        for at in range(total):
            began = monotonic_ns()
            slot = ring_claim(there.ring)
            memcpy(slot, record, 128)
            ring_commit(there.ring)
            while ring_available(back.ring) == 0:
                rsx_pause()
            memcpy(record, ring_peek(back.ring, 0), 128)
            ring_release(back.ring, 1)
            samples[at] = (monotonic_ns() - began) // 2
    thread.join()
    if cpus:
        os.sched_setaffinity(0, before)
    out = [samples[at] for at in range(warm_up, total)]
    free(samples)
    return out


# --- matching ---------------------------------------------------------------------------------


cdef inline void forget(ring_t* ring) noexcept nogil:
    """Throw the output away, as a consumer that has caught up would."""
    cdef uint64_t count = ring_available(ring)
    while count:
        ring_release(ring, count)
        count = ring_available(ring)


def run_requests(Engine engine, const uint8_t[:] requests, uint64_t loops=1, depth=4096):
    """Offer whole requests back to back; (ns in all, events written). The ring is emptied after
    each request, so that every record is really written and no consumer is timed."""
    cdef Ring out = Ring("bench_out", depth)
    cdef uint64_t count = requests.shape[0] // 128, at, loop, began, took
    with nogil:
        began = monotonic_ns()
        for loop in range(loops):
            for at in range(count):
                if at + 3 < count:  # as the tile does with what waits in its ring
                    engine_prefetch(
                        &engine.engine, <const rsx_record_t*>&requests[(at + 3) * 128])
                    engine_prefetch_order(
                        &engine.engine, <const rsx_record_t*>&requests[(at + 2) * 128])
                    engine_prefetch_links(
                        &engine.engine, <const rsx_record_t*>&requests[(at + 1) * 128])
                engine_request(&engine.engine, <const rsx_record_t*>&requests[at * 128],
                               1_700_000_000_000_000_000, out.ring)
                out.ring.consumer.head = out.ring.producer.claimed
                out.ring.head[0] = out.ring.producer.claimed
                out.ring.producer.head_seen = out.ring.producer.claimed
        took = monotonic_ns() - began
    return took, out.ring.producer.claimed


def sample_requests(Engine engine, const uint8_t[:] requests, depth=4096):
    """Each request timed on its own: list of ns, the clock's own cost included."""
    cdef Ring out = Ring("bench_out", depth)
    cdef uint64_t count = requests.shape[0] // 128, at, began
    cdef uint64_t* samples = <uint64_t*>malloc(count * 8)
    with nogil:
        for at in range(count):
            began = monotonic_ns()
            engine_request(&engine.engine, <const rsx_record_t*>&requests[at * 128],
                           1_700_000_000_000_000_000, out.ring)
            samples[at] = monotonic_ns() - began
            out.ring.consumer.head = out.ring.producer.claimed
            out.ring.head[0] = out.ring.producer.claimed
            out.ring.producer.head_seen = out.ring.producer.claimed
    result = to_list(samples, count)
    free(samples)
    return result


def recentre_steps(Engine engine, flush_mib=8):
    """Each step of the recentring that runs, timed alone after the caches were filled with other
    memory: list of ns, the clock's own cost included."""
    cdef list samples = []
    cdef uint64_t began, took, size = <uint64_t>flush_mib << 20, at
    cdef uint8_t* other = <uint8_t*>malloc(size)
    cdef uint64_t total = 0
    cdef bint is_moving = True
    while is_moving:
        for at in range(0, size, 64):
            other[at] += 1
            total += other[at]
        began = monotonic_ns()
        is_moving = book_recentre_move(&engine.engine.book)
        took = monotonic_ns() - began
        samples.append(took)
    free(other)
    return samples


def check_orders(Ledger ledger, const uint8_t[:] request, uint64_t count):
    """The pre-trade check of one order, its reservation taken back each time: ns in all."""
    cdef ask_t ask
    cdef uint64_t at, began, took
    cdef const rsx_order_request_t* order = <const rsx_order_request_t*>&request[0]
    cdef ledger_t* tables = &ledger.ledger
    cdef account_t* account = ledger_account(tables, order.user_id)
    cdef position_t* position = find_position(
        tables, account, ledger_index(tables, order.symbol_id), 0)
    cdef int reason = 0
    with nogil:
        began = monotonic_ns()
        for at in range(count):
            ask_order(&ask, order)
            reason |= ledger_check(tables, &ask, 0)
            touch_orders(tables, position)
            account.frozen_flying -= ask.required
            position.frozen_flying -= ask.required
            position.flying_buy -= order.qty
        took = monotonic_ns() - began
    if reason:
        raise ValueError(f"the order was refused: {reason}")
    return took


def apply_records(Ledger ledger, const uint8_t[:] records):
    """Logged records through the fold, looking ahead as the risk tile does: ns in all."""
    cdef ledger_t* tables = &ledger.ledger
    cdef uint64_t count = records.shape[0] // RSX_RECORD_SIZE, at, began, took
    cdef const rsx_record_t* record
    with nogil:
        began = monotonic_ns()
        for at in range(count):
            record = <const rsx_record_t*>&records[at * RSX_RECORD_SIZE]
            if at + LOOK_FAR < count:
                ledger_prefetch(tables, record + LOOK_FAR)
                ledger_prefetch_row(tables, record + LOOK_NEAR)
                ledger_prefetch_held(tables, record + LOOK_NEXT)
            ledger_apply(tables, record, False)
        took = monotonic_ns() - began
    return took


def watch_tick(Ledger ledger, Watch watch, const uint8_t[:] mark, uint64_t now):
    """A MARK_PRICE through ledger and watch, then duty cycles of the watch until it has nothing
    left to do: (ns until the last bucket was found, ns in all, ns of each cycle that did something,
    users found in their order)."""
    cdef ledger_t* tables = &ledger.ledger
    cdef const rsx_record_t* record = <const rsx_record_t*>&mark[0]
    cdef uint64_t cycles = 0, found = 0, limit = 1 << 16, began, since, last = 0, ended
    cdef uint64_t* samples = <uint64_t*>malloc(limit * 8)
    cdef uint64_t* users = <uint64_t*>malloc(limit * 8)
    cdef int done = 1, at
    with nogil:
        began = ended = monotonic_ns()
        ledger_apply(tables, record, False)
        watch.on_record(record)
        while done and cycles < limit and found + RECKON_LIMIT < limit:
            since = ended
            done = watch.work(now, RECKON_LIMIT, RECKON_LIMIT)
            ended = monotonic_ns()
            if not done:
                break
            samples[cycles] = ended - since
            cycles += 1
            for at in range(watch.below_count):
                users[found] = watch.below[at].user_id
                found += 1
                last = ended - began
    result = last, ended - began, to_list(samples, cycles), to_list(users, found)
    free(samples)
    free(users)
    if done:
        raise ValueError(f"the watch was not done after {cycles} duty cycles")
    return result


# --- tiles ------------------------------------------------------------------------------------


def accept_path(MatchingTile matching, WalTile wal, Tile wal_sync, Ring risk_matching,
                list outputs, const uint8_t[:] requests, uint64_t batch):
    """Requests through matching and the log to the released rings, `batch` to a duty cycle.

    Dedup, match, number, checksum, write(2), fan-out to three rings; no fsync is waited for.
    Returns ns in all; syncs run and the released rings are emptied between batches, outside the
    time. Raises RuntimeError when a duty cycle leaves some of a batch, which the next would find.
    """
    cdef uint64_t count = requests.shape[0] // 128, at = 0, part, began, took = 0
    cdef ring_t* source = risk_matching.ring
    cdef Ring ring
    while at < count:
        batch = min(batch, count - at)
        if ring_available(source) or ring_free(source, batch) < batch:
            raise RuntimeError(f"{ring_available(source)} requests are left at {at} of {count}")
        for part in range(batch):
            memcpy(ring_claim(source), &requests[(at + part) * 128], 128)
        with nogil:
            began = monotonic_ns()
            ring_commit(source)
            matching.do_work()
            wal.do_work()
            took += monotonic_ns() - began
            wal_sync.do_work()
        at += batch
        for ring in outputs:
            forget(ring.ring)
    return took


def log_path(WalTile wal, Tile wal_sync, Ring matching_wal, list outputs,
             const uint8_t[:] record, uint64_t count, uint64_t batch):
    """Records through the log to the released rings, `batch` to a duty cycle of the wal tile.

    Returns ns of its duty cycles; syncs run and the released rings are emptied between them,
    outside the time. Raises RuntimeError when a duty cycle leaves some of a batch.
    """
    cdef uint64_t at, part, began, took = 0
    cdef ring_t* source = matching_wal.ring
    cdef Ring ring
    for at in range(0, count, batch):
        if ring_available(source) or ring_free(source, batch) < batch:
            raise RuntimeError(f"{ring_available(source)} records are left at {at} of {count}")
        for part in range(batch):
            memcpy(ring_claim(source), &record[0], 128)
        with nogil:
            began = monotonic_ns()
            ring_commit(source)
            wal.do_work()
            took += monotonic_ns() - began
            wal_sync.do_work()
        for ring in outputs:
            forget(ring.ring)
    return took


def round_trips(Ring gateway_risk, Ring wal_gateway, const uint8_t[:] request, uint64_t first_oid,
                uint64_t count):
    """One order at a time: from the push into gateway_risk to its last record in wal_gateway.

    Returns the ns of each; other records that pass (marks, say) are dropped.
    """
    cdef ring_t* source = gateway_risk.ring
    cdef ring_t* target = wal_gateway.ring
    cdef uint64_t* samples = <uint64_t*>malloc(count * 8)
    cdef uint64_t at, began, left
    cdef uint8_t* slot
    cdef const rsx_record_t* record
    cdef bint is_done
    cdef uint64_t deadline = monotonic_ns() + <uint64_t>60_000_000_000
    with nogil:
        for at in range(count):
            began = monotonic_ns()
            if began > deadline:
                break
            slot = ring_claim(source)
            memcpy(slot, &request[0], 128)
            (<rsx_order_request_t*>slot).oid = first_oid + at
            ring_commit(source)
            ring_wake(source)
            is_done = False
            while not is_done:
                left = ring_available(target)
                if left == 0:
                    rsx_pause()
                    if monotonic_ns() > deadline:
                        break
                    continue
                while left:
                    record = <const rsx_record_t*>ring_peek(target, 0)
                    if record.header_flags & RSX_GROUP_END and record.stream < 60000:
                        is_done = True
                    ring_release(target, 1)
                    left -= 1
            samples[at] = monotonic_ns() - began
    result = to_list(samples, count)
    free(samples)
    if monotonic_ns() > deadline:
        raise TimeoutError(f"order {at} of {count} was not answered within a minute")
    return result


cdef class Feeder(Tile):
    """Pushes the same block of ORDER_REQUESTs again and again, with new ids, as fast as risk takes
    them: an open tap for throughput runs."""

    cdef Ring target
    cdef bytes block
    cdef const uint8_t* requests
    cdef uint64_t count
    cdef uint64_t at
    cdef uint64_t oid
    cdef readonly uint64_t pushed
    cdef public uint64_t limit

    def __init__(self, str name, Ring target, bytes block, uint64_t first_oid):
        super().__init__(name, [])
        self.target = target
        self.block = block
        self.requests = <const uint8_t*>self.block
        self.count = len(block) // 128
        self.oid = first_oid

    cdef int do_work(self) except -1 nogil:
        cdef ring_t* ring = self.target.ring
        cdef uint8_t* slot
        cdef int done = 0
        while done < 512 and self.pushed < self.limit:
            slot = ring_claim(ring)
            if slot == NULL:
                break
            memcpy(slot, self.requests + self.at * 128, 128)
            (<rsx_order_request_t*>slot).oid = self.oid
            self.oid += 1
            self.at = self.at + 1 if self.at + 1 < self.count else 0
            self.pushed += 1
            done += 1
        if done:
            ring_commit(ring)
            ring_wake(ring)
        return done


cdef class Sink(Tile):
    """Drains a ring and counts: all records, fills, refusals."""

    cdef Ring source
    cdef readonly uint64_t records
    cdef readonly uint64_t fills
    cdef readonly uint64_t last_ns
    cdef readonly uint64_t refused

    def __init__(self, str name, Ring source):
        super().__init__(name, [source])
        self.source = source

    cdef int do_work(self) except -1 nogil:
        cdef ring_t* ring = self.source.ring
        cdef uint64_t count = ring_available(ring), at
        cdef const rsx_record_t* record
        for at in range(count):
            record = <const rsx_record_t*>ring_peek(ring, at)
            if record.type == RSX_FILL:
                self.fills += 1
            elif record.type == RSX_ORDER_REJECTED or record.type == RSX_REQUEST_REJECTED:
                self.refused += 1
        if count:
            self.records += count
            ring_release(ring, count)
            self.last_ns = monotonic_ns()
        return <int>count


# --- the log through a mapping ----------------------------------------------------------------


cdef extern from "<sys/mman.h>" nogil:
    void* mmap(void* at, size_t size, int protection, int flags, int fd, int64_t offset)
    int munmap(void* at, size_t size)
    enum:
        PROT_READ
        PROT_WRITE
        MAP_SHARED
    void* MAP_FAILED

cdef enum:
    MAPS = 4096


cdef class MappedDisk(Disk):
    """The files of the log, written through a shared mapping where they have their full size."""

    cdef uint8_t* maps[MAPS]
    cdef int64_t full

    def __init__(self, int64_t segment_bytes):
        self.full = segment_bytes

    cdef int64_t write(self, int fd, const void* at, uint64_t size, int64_t offset) noexcept nogil:
        cdef void* mapped
        if self.maps[fd] == NULL:
            if self.size(fd) < self.full:
                return Disk.write(self, fd, at, size, offset)
            mapped = mmap(NULL, self.full, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
            if mapped == MAP_FAILED:
                return -12
            self.maps[fd] = <uint8_t*>mapped
        memcpy(self.maps[fd] + offset, at, size)
        return <int64_t>size

    cdef int close(self, int fd) noexcept nogil:
        if self.maps[fd] != NULL:
            munmap(self.maps[fd], self.full)
            self.maps[fd] = NULL
        return Disk.close(self, fd)
