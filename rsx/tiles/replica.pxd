"""replica tile. Anatomy in replica.pyx."""

from libc.stdint cimport uint64_t

from rsx.core.clock cimport Clock
from rsx.core.disk cimport Disk
from rsx.core.ring cimport Ring
from rsx.core.tile cimport Tile
from rsx.tiles.wal cimport WalTile
from rsx.wal.state cimport State

cdef enum:
    FOLD_RECORDS = 8192             # in one duty cycle (RP-11)
    STEP_BYTES = 1 << 18            # of a snapshot in one duty cycle (RP-20)


cdef class ReplicaTile(Tile):
    cdef Clock clock
    cdef Disk disk
    cdef WalTile wal
    cdef Ring replica_risk
    cdef Ring replica_sync
    cdef object config
    cdef uint64_t exchange_id
    cdef object folder              # of the log
    cdef object snapshots           # folder
    cdef readonly State state       # None until the first duty cycle
    cdef object follower
    cdef object writer              # of the snapshot that is being written, or None
    cdef public dict holders        # {who: callable: first number still needed, 0 = none} (RP-22)
    cdef readonly object mismatch   # text of a difference that is not answered, or None
    cdef readonly object error      # text of what ended it, or None
    cdef readonly str snapshot_error    # why the last snapshot was not written; "" = it was
    cdef readonly list passed_over  # snapshots that did not load, as text
    cdef list waiting               # (ticket, callback) of requests for a snapshot
    cdef readonly list kept         # numbers of the snapshots that are kept, rising
    cdef readonly object snapshot_path  # of the newest
    cdef public bint is_background  # on a thread of its own, which then has the lowest priority
    cdef bint is_lowered
    cdef bint is_failed
    cdef bint is_closing            # markets are to be closed

    cdef uint64_t next_seq          # of the fold
    cdef uint64_t seen_seq          # of the difference that was acted on; 0 = none
    cdef uint64_t keep_seq          # as told last
    cdef uint64_t kept_bytes
    cdef uint64_t every_ns
    cdef uint64_t every_records
    cdef uint64_t retain_records
    cdef uint64_t snapshot_ns       # when the last one was begun, or tried
    cdef uint64_t snapshot_wall_ns  # when the newest was done
    cdef uint64_t began_ns          # of the one that is being written
    cdef readonly uint64_t snapshot_seq
    cdef uint64_t tried_seq         # where the last one was tried
    cdef readonly uint64_t snapshots_written
    cdef readonly uint64_t snapshots_failed
    cdef readonly uint64_t snapshot_elapsed_ns
    cdef uint64_t prune_ns          # when the log may be pruned next
    cdef uint64_t wanted            # requests for a snapshot so far ...
    cdef uint64_t serving           # ... that the one being written answers
    cdef readonly uint64_t served
    cdef uint64_t goal_seq          # what was durable at goal_ns, and is not folded yet
    cdef uint64_t goal_ns
    cdef uint64_t moved_ns          # when it last had something to do

    cdef bint has_work(self, uint64_t now) noexcept nogil
    cdef bint is_snapshot_due(self, uint64_t now) noexcept nogil
    cdef void note_lag(self, uint64_t now) noexcept nogil
