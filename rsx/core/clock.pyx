"""The only reader of time. A tile reads its clock once per duty cycle.

`Clock.system()` is the wall clock, never going backwards: a step back repeats the last reading
until the wall has caught up. `Clock.manual(ns)` stands still until told otherwise; tests use it.
`Clock.simulated(ns)` is a manual one that intervals are measured by too. A clock has one owner
thread: each tile gets its own with `copy()`; copies of a manual clock share nothing, so a world
that steps tiles by hand gives all of them the same object.
"""

from libc.stdint cimport uint64_t

cdef extern from "rsx/core/_atomics.h" nogil:
    uint64_t rsx_wall_ns() noexcept
    uint64_t rsx_monotonic_ns() noexcept


cdef uint64_t monotonic_ns() noexcept nogil:
    return rsx_monotonic_ns()


cdef class Clock:
    @staticmethod
    def system():
        """A wall clock in ns since 1970."""
        return Clock()

    @staticmethod
    def manual(uint64_t ns):
        """A clock that stands at ns until `set` or `advance`."""
        cdef Clock clock = Clock()
        clock.is_manual = True
        clock.manual_ns = ns
        return clock

    @staticmethod
    def simulated(uint64_t ns):
        """A manual clock for intervals too; `jump` sets the wall alone forward."""
        cdef Clock clock = Clock.manual(ns)
        clock.is_simulated = True
        clock.mono_ns = ns
        return clock

    def copy(self):
        """A clock for another thread; the same object when manual."""
        return self if self.is_manual else Clock()

    cdef uint64_t now(self) noexcept nogil:
        cdef uint64_t wall
        if self.is_manual:
            return self.manual_ns
        wall = rsx_wall_ns()
        if wall > self.last_ns:
            self.last_ns = wall
        return self.last_ns

    cdef uint64_t mono(self) noexcept nogil:
        """For intervals: never set, real but for a simulated clock."""
        return self.mono_ns if self.is_simulated else rsx_monotonic_ns()

    def now_ns(self):
        return self.now()

    def set(self, uint64_t ns):
        """Move a manual clock; backwards is refused."""
        if not self.is_manual or ns < self.manual_ns:
            raise ValueError(f"clock cannot be set to {ns}")
        self.manual_ns = ns

    def advance(self, uint64_t ns):
        self.set(self.manual_ns + ns)
        self.mono_ns += ns

    def jump(self, uint64_t ns):
        """Somebody sets the wall clock forward."""
        self.set(self.manual_ns + ns)
