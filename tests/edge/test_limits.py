from rsx.edge.limits import RateLimit

NS = 1_000_000_000


def take_all(rate: RateLimit, due_ns: int, now_ns: int, overdraw: bool = False) -> tuple[int, int]:
    """Requests that pass at one instant, and the bucket after them."""
    passed = 0
    while after := rate.take(due_ns, now_ns, overdraw):
        due_ns = after
        passed += 1
    return passed, due_ns


def test_a_full_bucket_lets_a_burst_of_two_seconds_pass() -> None:
    passed, _ = take_all(RateLimit(10), 0, 5 * NS)

    assert passed == 20


def test_a_bucket_refills_at_its_rate_and_never_above_the_burst() -> None:
    rate = RateLimit(10)
    _, due_ns = take_all(rate, 0, 5 * NS)

    after_half_a_second, due_ns = take_all(rate, due_ns, 5 * NS + NS // 2)
    after_a_long_time, _ = take_all(rate, due_ns, 500 * NS)

    assert after_half_a_second == 5
    assert after_a_long_time == 20


def test_a_cancel_may_overdraw_by_the_burst_and_the_debt_is_paid_back() -> None:
    rate = RateLimit(10)
    _, due_ns = take_all(rate, 0, 0)

    cancels, due_ns = take_all(rate, due_ns, 0, overdraw=True)
    orders_one_second_later, due_ns = take_all(rate, due_ns, NS)
    orders_when_repaid, _ = take_all(rate, due_ns, 3 * NS)

    assert cancels == 20
    assert orders_one_second_later == 0
    assert orders_when_repaid == 10


def test_a_rate_that_does_not_divide_a_second_keeps_its_burst() -> None:
    for per_second in (1, 3, 7, 5000, 9_999_999):
        rate = RateLimit(per_second)
        assert rate.burst_ns // rate.step_ns == 2 * per_second
