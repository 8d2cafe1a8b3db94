"""Failed checks: an invariant that does not hold stops the exchange (specs/tiles.md T-13).

`fail` is for nogil code (`if bad: return fail(number, a, b)`); it takes the GIL only to raise.
Python code uses `check`. Both survive `python -O`.
"""

from libc.stdint cimport int64_t


class InvariantError(Exception):
    """An invariant of specs/invariants.md, or a check number of a tile, does not hold.

    Attributes: number (as in INV-n, or 1000+ for local checks), values.
    """

    def __init__(self, number, *values):
        self.number = number
        self.values = values
        super().__init__(f"INV-{number} does not hold: {', '.join(map(str, values))}")


cdef int fail(int number, int64_t first, int64_t second) except -1 nogil:
    with gil:
        raise InvariantError(number, first, second)


def check(condition, number, *values):
    """Raise InvariantError(number, *values) unless condition holds."""
    if not condition:
        raise InvariantError(number, *values)
