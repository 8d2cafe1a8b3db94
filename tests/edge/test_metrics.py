import pytest
from prometheus_client.parser import text_string_to_metric_families

from rsx.edge.metrics import exposition


def test_rows_of_one_name_become_one_family_with_labels() -> None:
    text = exposition([
        ("rsx_ring_full", "counter", "Times full", {"ring": "a_b"}, 3),
        ("rsx_up", "gauge", "Seconds", {}, 7),
        ("rsx_ring_full", "counter", "Times full", {"ring": 'b"c\n'}, 4),
    ]).decode()  # fmt: skip

    families = {f.name: f for f in text_string_to_metric_families(text)}

    assert [(s.labels, s.value) for s in families["rsx_ring_full"].samples] == [
        ({"ring": "a_b"}, 3.0), ({"ring": 'b"c\n'}, 4.0),
    ]  # fmt: skip
    assert families["rsx_up"].samples[0].value == 7.0


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(KeyError):
        exposition([("rsx_x", "summary", "", {}, 1)])
