"""The averaged distance of the own book from the index. Source: specs/mark.md section 6."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from rsx.mark.basis import Basis
from rsx.mark.index import FINE_BITS, NS

T = 1_000_000 * NS
ONE = 1 << FINE_BITS
INDEX = 1000 * ONE


def moved(basis, bid, ask, *seconds, index=INDEX):
    """The basis after updates at these seconds, in price units."""
    out = 0
    for second in seconds:
        out = basis.update(index, bid, ask, T + second * NS)
    return Fraction(out, ONE)


def near(value, expected):
    return abs(value - Fraction(expected)) < Fraction(1, 10**6)


def test_the_worked_example():
    basis = Basis(30, 5000)

    assert moved(basis, 1003, 1005, 0) == 0
    assert near(moved(basis, 1003, 1005, 30), 2)
    assert near(moved(basis, 1003, 1005, 40), Fraction(5, 2))
    assert near(moved(basis, 0, 0, 70), Fraction(5, 4))


def test_a_book_far_away_counts_as_the_limit():
    assert near(moved(Basis(30, 5000), 1100, 1101, 0, 30), Fraction(5, 2))
    assert near(moved(Basis(30, 5000), 900, 901, 0, 30), Fraction(-5, 2))
    assert moved(Basis(30, 5000), 1100, 1101, 0, 10**9) <= 5


def test_a_book_that_is_empty_one_sided_or_wide_says_nothing_r17():
    for bid, ask in ((0, 0), (1004, 0), (0, 1004), (900, 1101), (999, 1010)):
        assert moved(Basis(30, 5000), bid, ask, 0, 3600) == 0


def test_a_basis_decays_to_nothing_without_a_book_from_either_side():
    for initial in (4, -4):
        basis = Basis(30, 5000, initial)
        assert abs(moved(basis, 0, 0, *range(3600))) < Fraction(1, 10**6)


def test_it_begins_at_what_it_is_given_within_the_limit():
    assert moved(Basis(30, 5000, 3), 0, 0, 0) == 3
    assert moved(Basis(30, 5000, -3), 0, 0, 0) == -3
    assert moved(Basis(30, 5000, 90), 0, 0, 0) == 5


def test_time_without_an_index_does_not_count():
    basis = Basis(30, 5000, 4)
    moved(basis, 0, 0, 0)
    basis.hold()

    assert moved(basis, 0, 0, 600) == 4
    assert near(moved(basis, 0, 0, 630), 2)


def test_a_window_of_nothing_is_no_basis():
    assert moved(Basis(0, 5000, 4), 1003, 1005, 0, 600) == 0


def test_the_limit_follows_the_index():
    basis = Basis(30, 5000, 5)

    assert moved(basis, 0, 0, 0) == 5
    assert moved(basis, 0, 0, 0, index=INDEX // 2) == Fraction(5, 2)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 10**11)),
             min_size=1, max_size=30),
    st.integers(1, 600), st.integers(0, 100_000), st.integers(-100, 100),
)  # fmt: skip
def test_it_is_the_plain_average_and_never_leaves_its_limit(books, window_s, ppm, initial):
    basis = Basis(window_s, ppm, initial)
    limit = Fraction(1000 * ppm, 10**6)
    plain, now_ns, first = Fraction(initial), T, True
    for bid, ask, pass_ns in books:
        now_ns += pass_ns
        sample = Fraction(0)
        if bid and ask and ask - bid <= 2 * limit:
            sample = min(max(Fraction(bid + ask, 2) - 1000, -limit), limit)
        elapsed = 0 if first else pass_ns
        plain += (sample - plain) * Fraction(elapsed, window_s * NS + elapsed)
        plain, first = min(max(plain, -limit), limit), False
        got = Fraction(basis.update(INDEX, bid, ask, now_ns), ONE)

        assert abs(got) <= limit
        assert near(got, plain)
