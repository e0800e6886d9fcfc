"""Prometheus metrics: requests by route, and the depth of every queue at the moment of asking.

With several web processes `./portico serve` sets PROMETHEUS_MULTIPROC_DIR, and any one of them answers for all.
"""

import ipaddress
import logging
import os
from collections.abc import Callable, Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY, Collector

from portico.kit.addresses import client_address
from portico.kit.errors import Missing

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

requests = Counter("portico_requests_total", "Answered requests.", ["route", "method", "status"])
latency = Histogram(
    "portico_request_seconds",
    "Time to an answer.",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)

logger = logging.getLogger("portico.metrics")
Depth = Callable[[], dict[str, float]]
_gauges: dict[str, tuple[str, Depth]] = {}


def gauge(name: str, about: str) -> Callable[[Depth], Depth]:
    """Register a function that tells the depth of queues, as {queue: rows}; it is asked when the metrics are read."""

    def register(depth: Depth) -> Depth:
        _gauges[name] = (about, depth)
        return depth

    return register


class Gauges(Collector):
    """Asks every registered function. One that fails leaves its own metric out and hurts no other."""

    def collect(self) -> Iterator[Metric]:
        """One gauge a registered name, one sample a queue."""
        for name, (about, depth) in sorted(_gauges.items()):
            family = GaugeMetricFamily(name, about, labels=["queue"])
            try:
                for queue, rows in sorted(depth().items()):
                    family.add_metric([queue], rows)
            except Exception:
                logger.exception("gauge %s failed", name)
                continue
            yield family


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """Add one answered request."""
    requests.labels(route, method, str(status)).inc()
    latency.labels(route).observe(seconds)


def allowed(address: str) -> bool:
    """Whether `address` is in PORTICO_METRICS_FROM (addresses or networks)."""
    try:
        asking = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(asking in ipaddress.ip_network(network, strict=False) for network in settings.PORTICO_METRICS_FROM)


def metrics(request: HttpRequest) -> HttpResponse:
    """`/metrics`, for those on the list; for others there is nothing here."""
    if not allowed(client_address(request)):
        raise Missing("There is nothing at this address.")
    own = CollectorRegistry()
    own.register(Gauges())
    counted: CollectorRegistry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]  # prometheus_client has no types here
    return HttpResponse(generate_latest(counted) + generate_latest(own), content_type=CONTENT_TYPE_LATEST)
