"""Prometheus text of rows that tiles offer: (name, type, help, labels, value)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

Row = tuple[str, str, str, Mapping[str, str], int | float]
FAMILIES: dict[str, Any] = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Rows:
    """A collector over rows gathered once; rows of one name may come in any order."""

    def __init__(self, rows: Iterable[Row]):
        self.rows = rows

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Any] = {}
        for name, kind, text, labels, value in self.rows:
            family = families.get(name)
            if family is None:
                family = families[name] = FAMILIES[kind](name, text, labels=tuple(labels))
            family.add_metric(tuple(labels.values()), value)
        return iter(families.values())


def exposition(rows: Iterable[Row]) -> bytes:
    """The page for /metrics.

    Args    rows: type is "counter" or "gauge"; rows of one name have the same label names
    Raises  KeyError for another type, ValueError for a bad name
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Rows(rows))
    return generate_latest(registry)
