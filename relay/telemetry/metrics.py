"""What a Prometheus server may read: counts, gauges and how long things took.

One registry for each `Metrics`, nothing global. Labels have few values: the
busiest destinations by name, the others together, and never an address.
Every method may be called from any thread.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
)

from relay.telemetry.process import ProcessCosts

OTHER: Final = "other"
_ACCEPTANCE = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_DELIVERY = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400, 432000)
_COMMIT = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5)
_GROUP = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """What waits for one destination: how many recipients, and how long the oldest (seconds)."""

    destination: str
    waiting: int
    oldest_seconds: float


class _Registry(CollectorRegistry):
    """Without the `_created` series of the library, which nobody asks for and which double what is read.

    Its own switch for them is one of the whole process.
    """

    def collect(self) -> Iterable[Metric]:
        for metric in super().collect():
            metric.samples = [each for each in metric.samples if each.name != f"{metric.name}_created"]
            yield metric


class Metrics:
    """The counters of one station; `destinations` is how many are shown by name."""

    def __init__(self, destinations: int = 20) -> None:
        self.registry = _Registry()
        self._named = destinations
        self._count_mail()
        self._measure_times()
        self._show_standings()
        self.registry.register(ProcessCosts())

    def _count_mail(self) -> None:
        self._accepted = self._counter("accepted", "Recipients that we took responsibility for", ["door"])
        self._refused = self._counter("refused", "Commands that we refused", ["door", "code"])
        self._outcomes = self._counter("outcomes", "Ends of attempts, by recipient", ["outcome"])
        for outcome in ("delivered", "deferred", "bounced"):
            self._outcomes.labels(outcome)
        self._webhooks = self._counter("webhook_posts", "Posts to webhook endpoints", ["outcome"])
        for outcome in ("taken", "failed"):
            self._webhooks.labels(outcome)

    def _measure_times(self) -> None:
        self._acceptance = self._histogram(
            "acceptance_seconds", "From the end of DATA to our 250", _ACCEPTANCE
        )
        self._delivery = self._histogram("delivery_seconds", "From our 250 to delivered", _DELIVERY)
        self._commit = self._histogram("store_commit_seconds", "One commit of the store", _COMMIT)
        self._group = self._histogram("store_commit_works", "Transactions made durable by one commit", _GROUP)

    def _show_standings(self) -> None:
        self._depth = self._gauge("queue_recipients", "Recipients that wait", ["destination"])
        self._age = self._gauge("queue_oldest_seconds", "Age of the oldest that waits", ["destination"])
        self._budget = self._gauge(
            "budget_left", "Recipients that may still be accepted today, all mailboxes"
        )
        self._sessions = self._gauge("sessions", "Open sessions", ["door"])
        self._accepting = self._gauge("store_accepting", "1 while new mail can be made durable, else 0")
        self._accepting.set(1)
        self._owed = self._gauge("webhook_events", "Events that are still owed to webhook endpoints")

    def accepted(self, recipients: int = 1, *, door: str = "smtp") -> None:
        self._accepted.labels(door).inc(recipients)

    def refused(self, code: int | str, *, door: str = "smtp") -> None:
        """`code` is a reply code or a problem code: one of a few, never a text."""
        self._refused.labels(door, str(code)).inc()

    def delivered(self, recipients: int = 1) -> None:
        self._outcomes.labels("delivered").inc(recipients)

    def deferred(self, recipients: int = 1) -> None:
        self._outcomes.labels("deferred").inc(recipients)

    def bounced(self, recipients: int = 1) -> None:
        self._outcomes.labels("bounced").inc(recipients)

    def webhook_posted(self, *, taken: bool) -> None:
        self._webhooks.labels("taken" if taken else "failed").inc()

    def acceptance_took(self, seconds: float) -> None:
        """From the end of the client's data to our 250."""
        self._acceptance.observe(seconds)

    def delivery_took(self, seconds: float) -> None:
        """From our 250 to the far server's, of one recipient."""
        self._delivery.observe(seconds)

    def committed(self, works: int, seconds: float) -> None:
        """One commit made `works` transactions durable."""
        self._group.observe(works)
        self._commit.observe(seconds)

    def session_opened(self, door: str = "smtp") -> None:
        self._sessions.labels(door).inc()

    def session_closed(self, door: str = "smtp") -> None:
        self._sessions.labels(door).dec()

    def budget_left_is(self, recipients: int) -> None:
        self._budget.set(recipients)

    def store_accepting_is(self, accepting: bool) -> None:
        self._accepting.set(int(accepting))

    def webhooks_are_owed(self, events: int) -> None:
        self._owed.set(events)

    def queue_is(self, depths: Iterable[QueueDepth]) -> None:
        """The queue as it stands: the longest by name, the rest as `other`; what is not named is gone."""
        ranked = sorted(depths, key=lambda depth: (-depth.waiting, depth.destination))
        shown = ranked[: self._named]
        if rest := ranked[self._named :]:
            oldest = max(depth.oldest_seconds for depth in rest)
            shown.append(QueueDepth(OTHER, sum(depth.waiting for depth in rest), oldest))
        self._depth.clear()
        self._age.clear()
        for depth in shown:
            self._depth.labels(depth.destination).set(depth.waiting)
            self._age.labels(depth.destination).set(depth.oldest_seconds)

    def exposition(self) -> tuple[bytes, str]:
        """The body and the content type of an answer to a Prometheus server."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _counter(self, name: str, what: str, labels: Sequence[str] = ()) -> Counter:
        return Counter(f"posthouse_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, labels: Sequence[str] = ()) -> Gauge:
        return Gauge(f"posthouse_{name}", what, labels, registry=self.registry)

    def _histogram(self, name: str, what: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(f"posthouse_{name}", what, buckets=buckets, registry=self.registry)
