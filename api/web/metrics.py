"""Metrics for Prometheus. Each application has its own registry; no label names a person."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics import MetricWrapperBase

from desk.controllers.model import ControllerLease
from desk.limits.dial_caps import TrunkUse
from desk.spool.spool import SpoolState

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class MetricDescription(NamedTuple):
    """What a metric counts, for the documentation."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


class Metrics:
    """Counters of this process, and the queue as read from the database."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "innringing_http_requests",
            "HTTP requests answered.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "innringing_http_request_seconds",
            "Time from request to answer.",
            ["method", "route"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._claims = Counter(
            "innringing_claims", "Callbacks claimed through this process.", ["department"], registry=self._registry
        )
        self._limited = Counter(
            "innringing_limited_requests", "Requests refused by a limit.", ["limit"], registry=self._registry
        )
        self._callbacks = self._gauge("innringing_callbacks", "Callbacks by status.", ["department", "status"])
        self._suspected = self._gauge(
            "innringing_suspected_callbacks",
            "Waiting callbacks that are marked as part of a flood. Alarm above 0.",
            ["department"],
        )

        self._components = self._gauge(
            "innringing_component_ok", "1 if /readyz finds it in order, else 0.", ["component"]
        )
        self._heartbeat_age = self._gauge(
            "innringing_phone_door_silent_seconds",
            "Seconds since a phone door's last sign of life. Alarm above 10.",
            ["asterisk"],
        )
        self._calls = self._gauge("innringing_phone_door_calls", "Callers on the line.", ["asterisk"])
        self._add_spools()
        self._clock_skew = self._gauge(
            "innringing_clock_skew_seconds",
            "How far this machine's clock is ahead of the database's; 0 with SQLite. Alarm above 5 and below -5.",
        )

        self._trunk_calls = self._gauge(
            "innringing_trunk_calls_last_hour",
            "Calls to patients in the last hour. Alarm at 80 percent of INNRINGING_TRUNK_CALLS_AN_HOUR.",
        )
        self._trunk_minutes = self._gauge(
            "innringing_trunk_minutes_last_hour",
            "Minutes of talk with patients in the last hour. Alarm at 80 percent of INNRINGING_TRUNK_MINUTES_AN_HOUR.",
        )

    def _add_spools(self) -> None:
        self._spooled = self._gauge(
            "innringing_spool_files",
            "Files in the spool that are not in the database yet. Alarm where it does not fall.",
            ["asterisk"],
        )
        self._damaged = self._gauge(
            "innringing_spool_damaged_files", "Files in the spool that were set aside. Alarm above 0.", ["asterisk"]
        )
        self._audit_spooled = self._gauge(
            "innringing_audit_spool_files",
            "Rows of the audit on this machine's disk, not in the database yet. Alarm where it does not fall.",
        )
        self._audit_damaged = self._gauge(
            "innringing_audit_spool_damaged_files", "Files of the audit that were set aside. Alarm above 0."
        )

    def count_request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` is a template, never an address; `status` 0 means no response was sent."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def count_claims(self, department: str, claimed: int) -> None:
        self._claims.labels(department).inc(claimed)

    def count_limited(self, limit: str) -> None:
        """Count a refused request. `limit` is credential, address, numbers or transfers."""
        self._limited.labels(limit).inc()

    def set_callbacks(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Set the size of the queue by (department slug, status); omitted pairs are no longer reported."""
        self._callbacks.clear()
        for (department, status), count in counts.items():
            self._callbacks.labels(department, status).set(count)

    def set_suspected(self, waiting: Mapping[str, int], departments: Iterable[str]) -> None:
        """Set how many callbacks of a suspected flood wait, zeroes included."""
        self._suspected.clear()
        for department in departments:
            self._suspected.labels(department).set(waiting.get(department, 0))

    def set_components(self, found: Mapping[str, bool]) -> None:
        """Set what /readyz finds, by component."""
        for component, ok in found.items():
            self._components.labels(component).set(ok)

    def set_clock_skew(self, skew: timedelta | None) -> None:
        """Set how far the clock was ahead at the last check."""
        self._clock_skew.set(skew.total_seconds() if skew is not None else 0)

    def set_controllers(self, leases: Sequence[ControllerLease], now: datetime) -> None:
        """Set what the phone doors last reported."""
        for gauge in (self._heartbeat_age, self._calls, self._spooled, self._damaged):
            gauge.clear()
        for lease in leases:
            self._heartbeat_age.labels(lease.asterisk_id).set((now - lease.seen_at).total_seconds())
            self._calls.labels(lease.asterisk_id).set(lease.load.calls)
            self._spooled.labels(lease.asterisk_id).set(lease.load.spooled)
            self._damaged.labels(lease.asterisk_id).set(lease.load.damaged)

    def set_audit_spool(self, state: SpoolState) -> None:
        """Set how many rows of the audit wait on this machine's disk, and how many were set aside."""
        self._audit_spooled.set(state.waiting)
        self._audit_damaged.set(state.damaged)

    def set_trunk_use(self, use: TrunkUse) -> None:
        """Set how much click to call has used the trunk."""
        self._trunk_calls.set(use.calls)
        self._trunk_minutes.set(use.minutes)

    def _gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(name, help, labels, registry=self._registry)

    def descriptions(self) -> Iterator[MetricDescription]:
        """Every metric, in the order of their definition."""
        for metric in vars(self).values():
            if isinstance(metric, MetricWrapperBase):
                (family,) = metric.describe()
                name = f"{family.name}_total" if family.type == "counter" else family.name
                yield MetricDescription(name, family.type, tuple(metric._labelnames), family.documentation)

    def exposition(self) -> bytes:
        return generate_latest(self._registry)
