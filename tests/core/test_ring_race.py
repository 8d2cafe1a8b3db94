"""Two real threads on one ring: nothing lost, doubled, reordered or torn (INV-7), and no sleeper
forgotten (INV-30).

`push_many` and `wait` run without the GIL, so a push on one thread goes on while the other pops.
Legal outcomes of one pop: the next records of the sequence, whole, any number of them from 0 up
to the depth. Everything else is forbidden. Yields at random places shift the two against each
other; the seed is printed when a test fails.
"""

from __future__ import annotations

import os
import random
import struct
import threading
import time

import pytest

from rsx.core.ring import Doorbell, Ring

SLOT = 128
WHOLE = struct.Struct("<Q112xQ")  # a number at both ends: a torn record has two different ones
BLOCK = 4096
DEADLINE_S = 50.0


def block(first: int) -> bytes:
    data = bytearray(BLOCK * SLOT)
    for at in range(BLOCK):
        WHOLE.pack_into(data, at * SLOT, first + at, first + at)
    return bytes(data)


class Side(threading.Thread):
    """One side of a race. `failure`: what it raised."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work = work
        self.failure: BaseException | None = None

    def run(self):
        try:
            self.work()
        except BaseException as error:
            self.failure = error


def race(*works) -> None:
    """Run all sides to their end; the first failure is the test's."""
    sides = [Side(work) for work in works]
    for side in sides:
        side.start()
    deadline = time.monotonic() + DEADLINE_S
    for side in sides:
        while side.is_alive():
            side.join(0.05)
            failures = [s.failure for s in sides if s.failure is not None]
            if failures:
                raise failures[0]
            assert time.monotonic() < deadline, "the two sides wait for each other"
    failures = [side.failure for side in sides if side.failure is not None]
    if failures:
        raise failures[0]


def random_yield(rng: random.Random) -> None:
    choice = rng.random()
    if choice < 0.2:
        os.sched_yield()
    elif choice < 0.21:
        time.sleep(0)


@pytest.fixture
def rng():
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.mark.parametrize(
    ("depth", "total"), [(2, 5 * BLOCK), (64, 80 * BLOCK), (1024, 175 * BLOCK)]
)
def test_over_a_million_records_pass_between_two_threads_whole_and_in_order(depth, total, rng):
    ring = Ring("a_b", depth)
    seeds = [rng.random() for _ in range(2)]

    def produce():
        mine = random.Random(seeds[0])
        for first in range(0, total, BLOCK):
            view = memoryview(block(first))
            while view:
                size = min(mine.choice((1, 7, depth, 4 * depth)) * SLOT, len(view))
                view = view[ring.push_many(view[:size]) * SLOT :]
                random_yield(mine)

    def consume():
        mine = random.Random(seeds[1])
        due = 0
        while due < total:
            data = ring.pop(mine.choice((1, 5, depth)))
            for head, tail in WHOLE.iter_unpack(data):
                assert head == tail == due, (head, tail, due)
                due += 1
            if not data:
                ring.wait(20_000)
            random_yield(mine)

    race(produce, consume)

    assert ring.pop() == b""
    assert ring.counters()["passed"] == total
    assert ring.counters()["high_water"] <= depth


def test_a_sleeping_consumer_is_woken_by_every_burst(rng):
    """It sleeps without a time limit that could hide a wake-up lost: a lost one is a failure."""
    ring, doorbell, acks = Ring("a_b", 64), Doorbell(), Ring("b_a", 64)
    ring.set_doorbell(doorbell)
    bursts, slept = 6_000, 0
    sizes = [rng.randint(1, 3) for _ in range(bursts)]
    total = sum(sizes)
    message = bytes(SLOT)

    def produce():
        mine = random.Random(rng.random())
        for size in sizes:
            assert ring.push_many(message * size) == size
            random_yield(mine)
            # The next burst comes when this one was taken, so that the consumer goes to sleep
            # between any two: before, while and after it arms.
            left = size
            while left:
                got = len(acks.pop()) // SLOT
                left -= got
                if not got:
                    acks.wait(1_000_000)

    def consume():
        nonlocal slept
        mine = random.Random(rng.random())
        taken = 0
        while taken < total:
            data = ring.pop()
            if data:
                taken += len(data) // SLOT
                acks.push_many(data)
                continue
            random_yield(mine)
            doorbell.arm()
            if len(ring) == 0:
                slept += 1
                assert doorbell.wait(20_000), "a wake-up was lost"
            doorbell.disarm()

    race(produce, consume)

    assert slept > 100


def test_many_producers_of_one_doorbell_wake_one_consumer(rng):
    doorbell = Doorbell()
    rings = [Ring(f"p{i}_c", 16) for i in range(3)]
    for ring in rings:
        ring.set_doorbell(doorbell)
    each = 20_000

    def producer(ring: Ring, seed: float):
        mine = random.Random(seed)

        def produce():
            sent = 0
            while sent < each:
                sent += ring.push_many(bytes(SLOT) * min(mine.randint(1, 8), each - sent))
                random_yield(mine)

        return produce

    def consume():
        taken = 0
        while taken < each * len(rings):
            got = sum(len(ring.pop()) // SLOT for ring in rings)
            taken += got
            if got:
                continue
            doorbell.arm()
            if not any(len(ring) for ring in rings):
                assert doorbell.wait(20_000), "a wake-up was lost"
            doorbell.disarm()

    race(consume, *(producer(ring, rng.random()) for ring in rings))
