import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rsx.edge import codec
from rsx.edge.orders import Order, Tracker, Trigger
from rsx.errors import Reason, RequestError

GOOD_ORDER = [1, 0, 5000000, 10000, "my-1", 0, 0, 1]
DECODERS = {
    "N": codec.decode_order, "C": codec.decode_cancel, "FL": codec.decode_fills,
    "AUTH": codec.decode_auth, "H": codec.decode_heartbeat, "TN": codec.decode_trigger,
    "R": codec.decode_amend, "CD": lambda f: codec.decode_switch("CD", f),
    "CA": lambda f: codec.decode_integers("CA", f, 0, sym=0, side=2, scope=3),
    "DM": lambda f: codec.decode_integers("DM", f, 1, timeout_ms=0, sym=0),
    "AS": codec.decode_settings, "Q": lambda f: codec.decode_cancel(f, "Q"),
    "BN": lambda f: decode_batch("BN", f, codec.decode_order),
    "BC": lambda f: decode_batch("BC", f, codec.decode_cancel),
    "BR": lambda f: decode_batch("BR", f, codec.decode_amend),
}  # fmt: skip


def decode_batch(key: str, fields: Any, one: Any) -> list[Any]:
    return [one(codec.decode_item(key, item)) for item in codec.decode_batch(key, fields, 25)]


def decode(data: bytes) -> Any:
    """All of decoding that a private socket does."""
    key, fields = codec.decode_frame(data)
    return DECODERS.get(key, lambda f: f)(fields)


def refusal(data: Any) -> RequestError:
    raw = data if isinstance(data, bytes) else orjson.dumps(data)
    with pytest.raises(RequestError) as caught:
        decode(raw)
    return caught.value


# --- frames in ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", Reason.MALFORMED),
        (b"hello", Reason.MALFORMED),
        (b'{"N":', Reason.MALFORMED),
        (b"{N:[1]}", Reason.MALFORMED),
        (b'{"N":[NaN]}', Reason.MALFORMED),
        (b"[" * 4000, Reason.MALFORMED),
        (b'{"N":["\\ud800"]}', Reason.MALFORMED),
        (b'{"N":["\xff"]}', Reason.INVALID_UTF8),
        (b"\xff\xfe", Reason.INVALID_UTF8),
        ([], Reason.MALFORMED),
        (1, Reason.MALFORMED),
        (None, Reason.MALFORMED),
        ({}, Reason.MALFORMED),
        ({"N": [], "C": []}, Reason.MALFORMED),
        ({"Z": []}, Reason.MALFORMED),
        ({"n": []}, Reason.MALFORMED),
        ({"N": {}}, Reason.MALFORMED),
        ({"O": None}, Reason.MALFORMED),
        ({"U": []}, Reason.UNEXPECTED_FRAME),
        ({"E": []}, Reason.UNEXPECTED_FRAME),
        ({"S": [1, 1]}, Reason.UNEXPECTED_FRAME),
        ({"N": GOOD_ORDER[:5]}, Reason.MALFORMED),
        ({"C": []}, Reason.MALFORMED),
        ({"H": []}, Reason.MALFORMED),
        ({"H": ["1"]}, Reason.INVALID_VALUE),
        ({"AUTH": []}, Reason.TOKEN_MISSING),
        ({"AUTH": [1]}, Reason.TOKEN_MISSING),
        ({"FL": [None]}, Reason.INVALID_VALUE),
        ({"FL": [0, "5"]}, Reason.INVALID_VALUE),
        ({"FL": [0, 5, True]}, Reason.INVALID_VALUE),
    ],
)
def test_a_bad_frame_is_refused_with_its_code(data: Any, code: Reason) -> None:
    error = refusal(data)

    assert error.code == code
    orjson.loads(codec.encode_error(error))


@pytest.mark.parametrize("at", range(8))
@pytest.mark.parametrize("value", [None, [], {}, 1.0, 1e300, 2**64, "", "0", True])
def test_a_field_of_the_wrong_type_is_named_with_its_value(at: int, value: Any) -> None:
    name = ("sym", "side", "px", "qty", "cid", "tif", "reduce_only", "post_only")[at]
    fits = (at == 4 and isinstance(value, str)) or (at > 5 and value is True)
    fits = fits or (at == 5 and value is None)
    fields = [*GOOD_ORDER[:at], value, *GOOD_ORDER[at + 1 :]]
    if fits:
        assert decode(orjson.dumps({"N": fields})) is not None
        return

    error = refusal(json.dumps({"N": fields}).encode())

    assert (error.code, error.field) == (Reason.INVALID_VALUE, name)
    assert error.value == value
    assert error.ref == (None if at == 4 else "my-1")


def test_flags_may_be_numbers_or_booleans_and_default_to_off() -> None:
    for reduce_only, post_only, flags in ((0, 0, 0), (True, False, 2), (0, 1, 1), (1, True, 3)):
        fields = [*GOOD_ORDER[:6], reduce_only, post_only, {}, "more", "fields"]
        assert codec.decode_order(fields)[6] == flags
    assert codec.decode_order(GOOD_ORDER[:6])[6] == 0
    for bad in (2, -1, 0.0, "1"):
        assert refusal({"N": [*GOOD_ORDER[:6], bad]}).field == "reduce_only"


@pytest.mark.parametrize("which", [0, -1, 2**53, 1.5, True, None, []])
def test_a_cancel_takes_a_client_id_or_an_order_id_below_2_to_53(which: Any) -> None:
    error = refusal({"C": [which]})

    assert (error.code, error.field, error.value) == (Reason.INVALID_VALUE, "id", which)


def test_a_cancel_names_order_and_symbol() -> None:
    assert codec.decode_cancel([2**53 - 1]) == (2**53 - 1, "", None)
    assert codec.decode_cancel(["a", 2]) == (0, "a", 2)
    assert refusal({"C": ["a", "2"]}).field == "sym"


def test_fills_default_to_all_symbols_and_the_newest_fifty() -> None:
    assert codec.decode_fills([]) == (0, 50, 0)
    assert codec.decode_fills([2]) == (2, 50, 0)
    assert codec.decode_fills([2, 9, 77, 1]) == (2, 9, 77)


numbers = st.integers(-(2**63), 2**64 - 1)
scalars = st.none() | st.booleans() | numbers | st.floats(allow_nan=False) | st.text(max_size=50)
trees = st.recursive(
    scalars, lambda t: st.lists(t, max_size=9) | st.dictionaries(st.text(max_size=4), t, max_size=3)
)
valid_orders = st.tuples(
    numbers, numbers, numbers, numbers, st.text(max_size=40), numbers, st.booleans(), st.booleans()
)


options = st.fixed_dictionaries({}, optional={
    name: numbers | st.booleans() | st.none()
    for name in codec.ORDER_OPTIONS | codec.TRIGGER_OPTIONS
})  # fmt: skip
valid_triggers = st.tuples(
    numbers, st.integers(0, 7), numbers, numbers, numbers, numbers, st.text(max_size=40),
    st.none() | numbers, st.booleans(), options,
)  # fmt: skip
amendments = st.tuples(
    st.text(max_size=40) | numbers, st.none() | numbers, st.none() | numbers, st.none() | numbers
)


def check_total(data: bytes) -> None:
    """Decoding gives values or a RequestError whose frame can be written, and nothing else."""
    try:
        decode(data)
    except RequestError as error:
        ((key, fields),) = orjson.loads(codec.encode_error(error)).items()
        assert key == "E" and len(fields) == 5
        assert fields[0] == error.code and isinstance(fields[1], str)
        if isinstance(fields[3], str):
            assert len(fields[3]) <= 64


@given(st.binary(max_size=300))
def test_no_bytes_make_the_decoder_fail(data: bytes) -> None:
    check_total(data)


@given(trees)
def test_no_json_makes_the_decoder_fail(tree: Any) -> None:
    check_total(json.dumps(tree).encode())


@given(st.sampled_from(sorted(codec.KNOWN_FRAMES)), trees | st.lists(scalars, max_size=10))
def test_no_fields_make_the_decoder_fail(key: str, fields: Any) -> None:
    check_total(json.dumps({key: fields}).encode())


frames = st.one_of(
    valid_orders.map(lambda f: {"N": f}), valid_triggers.map(lambda f: {"TN": f}),
    amendments.map(lambda f: {"R": f}), st.lists(valid_orders).map(lambda f: {"BN": f}),
    st.tuples(valid_orders, options).map(lambda f: {"N": [*f[0], f[1]]}),
    st.lists(amendments).map(lambda f: {"BR": f}), amendments.map(lambda f: {"Q": f[:2]}),
    st.lists(amendments.map(lambda f: f[:2])).map(lambda f: {"BC": f}),
    st.lists(numbers, max_size=4).map(lambda f: {"CA": f}),
    st.lists(numbers, max_size=3).map(lambda f: {"DM": f}),
)  # fmt: skip


@given(frames)
def test_no_frame_of_a_right_shape_makes_the_decoder_fail(frame: Any) -> None:
    check_total(orjson.dumps(frame))


@given(frames, st.data())
def test_no_mutation_of_a_valid_frame_makes_the_decoder_fail(
    frame: Any, data: st.DataObject
) -> None:
    raw = bytearray(orjson.dumps(frame))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        if not raw:
            break
    check_total(bytes(raw))


@given(valid_orders)
def test_a_valid_order_frame_round_trips(order: tuple[Any, ...]) -> None:
    *values, reduce_only, post_only = order

    decoded = decode(codec.encode("N", order))

    assert decoded == (*values, 2 * reduce_only + post_only, 0, 4, 0)


@given(valid_triggers)
def test_a_trigger_frame_round_trips_or_names_an_option(trigger: tuple[Any, ...]) -> None:
    try:
        fields = codec.decode_trigger(list(orjson.loads(orjson.dumps(trigger))))
    except RequestError as error:
        assert error.field in codec.ORDER_OPTIONS | codec.TRIGGER_OPTIONS
        return
    given_options = trigger[9]
    assert fields[:7] == trigger[:7]
    market = trigger[1] in (1, 2, 4, 6)
    assert fields.tif == (int(market) if trigger[7] is None else trigger[7])
    leg = given_options.get("position_side")
    closes = leg is not None and leg != trigger[2]
    assert bool(fields.flags & codec.REDUCE_ONLY) == (trigger[8] or closes)
    assert bool(fields.flags & codec.LAST_PRICE) == bool(given_options.get("last"))
    assert fields.trail_px == given_options.get("trail_px", 0)


def test_a_batch_has_from_one_to_its_most_items() -> None:
    for count, fits in ((0, False), (1, True), (25, True), (26, False)):
        if fits:
            assert len(codec.decode_batch("BN", [[]] * count, 25)) == count
        else:
            error = refusal({"BC": [["a"]] * count})
            assert (error.code, error.value) == (Reason.BATCH_TOO_LARGE, count)


def test_fields_left_out_take_their_defaults() -> None:
    assert DECODERS["CA"]([]) == [0, 2, 3]
    assert DECODERS["CA"]([1, 0]) == [1, 0, 3]
    assert DECODERS["CA"]([1, 0, 1, "more"]) == [1, 0, 1]
    assert DECODERS["DM"]([5]) == [5, 0]
    assert codec.decode_settings([]) is codec.decode_settings([None]) is None
    assert codec.decode_amend(["a"]) == (0, "a", None, None, None)
    assert codec.decode_amend([7, None, 5, 1, "more"]) == (7, "", 1, None, 5)


def test_a_private_message_is_as_long_as_the_largest_batch() -> None:
    assert [codec.message_bytes_max(n) for n in (1, 8, 25, 1000)] == [4096, 4096, 12800, 512000]


# --- frames out -----------------------------------------------------------------------------


@given(st.text(max_size=36), st.integers(1, 2**53 - 1), st.integers(1, 2**62))
def test_an_update_is_valid_json_whatever_the_client_id(cid: str, oid: int, qty: int) -> None:
    order = Order(oid, Tracker().account(1), 1, 1, 5, qty, 0, 0, cid, 9)

    frame = orjson.loads(codec.encode_update(order, 3101, 8, 7))

    assert frame == {"U": [oid, 4, 0, qty, 3101, cid, 1, 1, 5, qty, 8, 7]}


def test_the_update_of_a_duplicate_ends_with_the_original() -> None:
    order = Order(5, Tracker().account(1), 1, 1, 5, 10, 0, 0, "a", 9)
    order.original_oid = 4

    assert orjson.loads(codec.encode_update(order, 3001, 8, 7))["U"][12:] == [4]


def test_the_last_fields_of_an_update_are_left_out_where_all_are_0() -> None:
    order = Order(5, Tracker().account(1), 1, 1, 5, 10, 0, 0, "a", 9, 2)
    order.trigger = Trigger(90)
    assert orjson.loads(codec.encode_update(order, 0, 8, 7))["U"][12:] == [0, 0, 2, 90]
    order.trigger.fired_px = 89
    order.amended = 1
    assert orjson.loads(codec.encode_update(order, 0, 8, 7))["U"][12:] == [0, 1, 2, 90, 89]
    order.kind, order.trigger = 0, None
    assert orjson.loads(codec.encode_update(order, 0, 8, 7))["U"][12:] == [0, 1]


def test_remaining_is_what_is_open_and_at_the_end_what_was_cancelled() -> None:
    order = Order(5, Tracker().account(1), 1, 1, 5, 10, 0, 0, "a", 9)
    order.filled, order.cut, order.status = 3, 2, 1
    assert order.remaining == 5

    order.status = 2

    assert order.remaining == 7


def test_long_and_nested_values_are_cut_in_errors() -> None:
    deep: Any = []
    for _ in range(800):
        deep = [deep]

    for value in ("x" * 500, ["y" * 500], deep, {"a": {"b": "z" * 99}}):
        error = RequestError(Reason.MALFORMED, "frame", value)
        shown = orjson.loads(codec.encode_error(error))["E"][3]
        assert isinstance(shown, str) and len(shown) <= 64


# --- decimals -------------------------------------------------------------------------------


@given(st.integers(-(10**20), 10**20), st.integers(0, 12))
def test_a_formatted_decimal_is_exact(units: int, decimals: int) -> None:
    text = codec.format_decimal(units, decimals)

    assert Decimal(text) == Decimal(units).scaleb(-decimals)
    assert len(text.partition(".")[2]) == decimals


@given(st.integers(-(10**18), 10**18), st.integers(0, 12))
def test_decimals_round_trip(units: int, decimals: int) -> None:
    text = codec.format_decimal(units, decimals)

    assert codec.parse_decimal(text, decimals, "price", Reason.PRICE_OFF_TICK) == units


@given(st.text(max_size=20))
@example("-0.5")
@example("٣.١")
def test_text_is_an_exact_decimal_or_refused(text: str) -> None:
    try:
        units = codec.parse_decimal(text, 4, "price", Reason.PRICE_OFF_TICK)
    except RequestError as error:
        assert error.field == "price" and error.value == text
    else:
        assert Decimal(text) == Decimal(units).scaleb(-4)


@pytest.mark.parametrize(
    "value",
    [1, 1.5, None, True, "", " 1", "1 ", "+1", ".5", "1.", "1e5", "0x1", "1_0", "1,5", "NaN",
     "--1", "1\n", "9" * 20, "٣"],
)  # fmt: skip
def test_what_is_no_decimal_string_is_refused(value: Any) -> None:
    with pytest.raises(RequestError) as caught:
        codec.parse_decimal(value, 2, "price", Reason.PRICE_OFF_TICK)

    assert (caught.value.code, caught.value.value) == (Reason.INVALID_VALUE, value)


def test_more_digits_than_the_symbol_has_are_refused_never_rounded() -> None:
    for text in ("50000.005", "50000.000"):
        with pytest.raises(RequestError) as caught:
            codec.parse_decimal(text, 2, "price", Reason.PRICE_OFF_TICK)
        assert caught.value.code == Reason.PRICE_OFF_TICK
    assert codec.parse_decimal("-0.5", 2, "price", Reason.PRICE_OFF_TICK) == -50
