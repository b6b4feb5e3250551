"""What Prometheus is told. Each application registers what it can tell when it is ready; nothing is counted here.

Nearly all figures come from the database at the moment of the question, so every web process tells the same, and a
restart loses none; those of one process say so in their help. Names begin with ``ffsweb_``; moments are UTC epochs in
seconds and end with ``_timestamp_seconds``, counters with ``_total``. Labels hold names that people gave to projects,
nodes, services and certificates, or words of a fixed list; never a number, a message or an address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from prometheus_client.core import Metric

    Source = Callable[[], Iterable[Metric]]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_sources: list[Source] = []


def register(source: Source) -> None:
    """From now on ``source`` is asked too, at each question. It yields families with names of their own."""
    if source not in _sources:
        _sources.append(source)


def gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    """An empty family ``ffsweb_NAME``; samples are added with the values of its ``labels``, in their order."""
    return GaugeMetricFamily(f"ffsweb_{name}", text, labels=labels)


def single(name: str, text: str, value: float) -> GaugeMetricFamily:
    """A family ``ffsweb_NAME`` without labels, and its one sample."""
    family = gauge(name, text)
    family.add_metric([], value)
    return family


def counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    """An empty family ``ffsweb_NAME_total``, whose samples only grow."""
    return CounterMetricFamily(f"ffsweb_{name}", text, labels=labels)


def histogram(name: str, text: str, *labels: str) -> HistogramMetricFamily:
    """An empty family ``ffsweb_NAME``; its samples are cumulative, from the least bound to ``+Inf``."""
    return HistogramMetricFamily(f"ffsweb_{name}", text, labels=labels)


def epoch(moment: datetime) -> float:
    """A moment as Prometheus wants it."""
    return round(moment.timestamp(), 3)


def exposition() -> bytes:
    """The answer, in the text format. As many queries as the sources need."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_All())  # type: ignore[arg-type] - a collector has this one method (prometheus_client, "Custom Collectors")
    return generate_latest(registry)


class _All:
    def collect(self) -> Iterator[Metric]:
        for source in _sources:
            yield from source()
