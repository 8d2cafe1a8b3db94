import pytest

from rsx.core.check import InvariantError
from rsx.edge import orders
from rsx.edge.orders import CANCELLED, FILLED, REJECTED, RESTING, Order, OrderIds, Tracker
from rsx.errors import RequestError

NOW_NS = 1_764_000_000_000_000_000
MS = 1_000_000
SYMBOLS = (1, 2, 3)


def order(tracker: Tracker, oid: int, user: int = 1, cid: str = "", symbol_id: int = 1) -> Order:
    made = Order(oid, tracker.account(user), symbol_id, 0, 100, 10, 0, 0, cid, NOW_NS)
    tracker.add(made)
    return made


# --- ids ------------------------------------------------------------------------------------


def test_an_id_holds_milliseconds_gateway_and_counter() -> None:
    ids = OrderIds(gateway=2)

    first, second = ids.next(NOW_NS), ids.next(NOW_NS)

    assert first >> 12 == NOW_NS // MS - orders.EPOCH_MS
    assert first >> 10 & 3 == 2
    assert (first & 1023, second & 1023) == (0, 1)
    assert first < 2**53


def test_a_burst_borrows_from_the_next_milliseconds_and_stays_unique() -> None:
    ids = OrderIds()

    made = [ids.next(NOW_NS) for _ in range(5000)]

    assert made == sorted(set(made))
    assert made[-1] >> 12 == (made[0] >> 12) + 4999 // 1024
    assert ids.next(NOW_NS + MS) > made[-1]
    assert ids.next(NOW_NS + 100 * MS) & 1023 == 0


def test_ids_rise_when_the_clock_goes_backwards() -> None:
    ids = OrderIds()
    before = ids.next(NOW_NS)

    assert before < ids.next(NOW_NS - 10_000 * MS) < ids.next(NOW_NS - 20_000 * MS)


def test_ids_are_above_the_recovered_floor_even_when_the_clock_is_behind_it() -> None:
    floor = OrderIds(gateway=3).next(NOW_NS + 60_000 * MS)

    ids = OrderIds(gateway=0, floor=floor)

    assert ids.next(NOW_NS) > floor
    assert ids.next(NOW_NS + 90_000 * MS) >> 12 == (NOW_NS + 90_000 * MS) // MS - orders.EPOCH_MS


def test_two_gateways_never_make_the_same_id() -> None:
    one, two = OrderIds(0), OrderIds(1)

    assert not {one.next(NOW_NS) for _ in range(3000)} & {two.next(NOW_NS) for _ in range(3000)}


def test_an_id_beyond_53_bits_stops_the_exchange() -> None:
    with pytest.raises(InvariantError):
        OrderIds().next((orders.EPOCH_MS + (1 << 41)) * MS)
    with pytest.raises(ValueError, match="gateway 4"):
        OrderIds(4)


# --- tracking -------------------------------------------------------------------------------


def test_an_order_ends_once() -> None:
    tracker = Tracker()
    made = order(tracker, 1)
    tracker.end(made, FILLED)

    with pytest.raises(InvariantError, match="INV-2"):
        tracker.end(made, CANCELLED)


def test_ended_orders_are_kept_up_to_a_bound_with_their_client_ids() -> None:
    tracker = Tracker()
    for oid in range(1, orders.ENDED_MAX + 11):
        tracker.end(order(tracker, oid, cid=f"c{oid}"), CANCELLED)

    account = tracker.account(1)
    assert len(tracker.orders) == len(account.cids) == len(account.ended) == orders.ENDED_MAX
    assert tracker.find(account, 10) is None
    assert tracker.find(account, 11) is not None


def test_a_live_order_is_never_forgotten() -> None:
    tracker = Tracker()
    live = order(tracker, 1, cid="live")
    live.status = RESTING
    for oid in range(2, orders.ENDED_MAX * 2):
        tracker.end(order(tracker, oid), CANCELLED)

    assert tracker.find(tracker.account(1), 1) is live
    assert tracker.find_cid(tracker.account(1), "live", None, SYMBOLS) is live


def test_another_users_order_is_as_unknown_as_none() -> None:
    tracker = Tracker()
    order(tracker, 1, user=1, cid="a")

    assert tracker.find(tracker.account(2), 1) is None
    assert tracker.find_cid(tracker.account(2), "a", None, SYMBOLS) is None


def test_a_client_id_names_the_live_order_then_the_newest() -> None:
    tracker = Tracker()
    account = tracker.account(1)
    first = order(tracker, 1, cid="a")
    order(tracker, 2, cid="a")
    assert tracker.find_cid(account, "a", None, SYMBOLS) is first

    tracker.end(first, CANCELLED)
    third = order(tracker, 3, cid="a")
    assert tracker.find_cid(account, "a", None, SYMBOLS) is third


def test_a_rejected_duplicate_gives_its_client_id_back_to_the_original() -> None:
    tracker = Tracker()
    account = tracker.account(1)
    original = order(tracker, 1, cid="a")
    tracker.end(original, FILLED)
    duplicate = order(tracker, 2, cid="a")
    duplicate.original_oid = 1

    tracker.end(duplicate, REJECTED)

    assert tracker.find_cid(account, "a", 1, SYMBOLS) is original


def test_a_client_id_in_two_symbols_needs_the_symbol_only_while_both_live() -> None:
    tracker = Tracker()
    account = tracker.account(1)
    one, two = order(tracker, 1, cid="a"), order(tracker, 2, cid="a", symbol_id=2)
    with pytest.raises(RequestError):
        tracker.find_cid(account, "a", None, SYMBOLS)
    assert tracker.find_cid(account, "a", 2, SYMBOLS) is two

    tracker.end(two, CANCELLED)

    assert tracker.find_cid(account, "a", None, SYMBOLS) is one


def test_idle_accounts_are_forgotten_above_the_bound_and_live_ones_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(orders, "ACCOUNTS_KEPT", 20)
    tracker = Tracker()
    live = order(tracker, 1, user=1)
    ended = order(tracker, 2, user=2)
    tracker.end(ended, FILLED)

    for user in range(3, 200):
        tracker.account(user)

    assert len(tracker.accounts) <= 21
    assert tracker.account(1) is live.account
    assert 2 not in tracker.orders
