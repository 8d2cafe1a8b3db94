"""The clock: never backwards, manual ones stand still."""

from __future__ import annotations

import time

import pytest

from rsx.core.clock import Clock


def test_the_system_clock_tells_the_time_and_never_goes_back():
    clock = Clock.system()
    before = time.time_ns()

    readings = [clock.now_ns() for _ in range(10_000)]

    assert readings == sorted(readings)
    assert before <= readings[0]
    assert readings[-1] <= time.time_ns()
    assert not clock.is_manual


def test_a_manual_clock_stands_still_until_it_is_moved():
    clock = Clock.manual(1000)
    assert [clock.now_ns(), clock.now_ns()] == [1000, 1000]

    clock.advance(5)
    assert clock.now_ns() == 1005

    clock.set(2000)
    assert clock.now_ns() == 2000
    assert clock.is_manual


def test_a_manual_clock_refuses_to_go_back():
    clock = Clock.manual(1000)

    with pytest.raises(ValueError, match="cannot be set to 999"):
        clock.set(999)

    assert clock.now_ns() == 1000


def test_a_system_clock_cannot_be_set():
    with pytest.raises(ValueError, match="cannot be set"):
        Clock.system().set(1 << 62)
    with pytest.raises(ValueError, match="cannot be set"):
        Clock.system().advance(1)


def test_a_copy_of_a_system_clock_is_another_and_of_a_manual_one_the_same():
    system, manual = Clock.system(), Clock.manual(1)

    assert system.copy() is not system
    assert manual.copy() is manual


@pytest.mark.parametrize("ns", [-1, 1 << 64])
def test_times_out_of_range_are_refused(ns):
    with pytest.raises(OverflowError):
        Clock.manual(ns)


def test_a_simulated_clock_can_be_set_forward_and_advanced():
    clock = Clock.simulated(1000)

    clock.advance(5)
    clock.jump(100)

    assert clock.now_ns() == 1105
    assert clock.is_manual and clock.is_simulated
    assert not Clock.manual(1).is_simulated
