"""Alive, ready, measured, described: what a load balancer, a Prometheus server and a generator ask."""

from api.call import Call
from api.operations import Operation, Reply
from api.problems import Problem
from api.shapes import Shape


class Status(Shape, frozen=True):
    """How the process is."""

    status: str


async def health(call: Call) -> Status:
    """200 as long as the process answers at all."""
    return Status(status="ok")


async def ready(call: Call) -> Status:
    """200 while new mail is taken on; 503 `not_accepting` with the reason otherwise."""
    trouble = call.house.trouble
    if trouble is not None:
        raise Problem(503, "not_accepting", trouble, headers={"Retry-After": "5"})
    return Status(status="ready")


async def metrics(call: Call) -> Reply:
    """The Prometheus text format, for the networks that the configuration names."""
    client, networks = call.client, call.house.metrics_networks
    if client is None or not any(client.version == net.version and client in net for net in networks):
        raise Problem(403, "ip_not_allowed", "Metrics are not for this address.")
    body, content_type = await call.house.exposition()
    return Reply(body, media_type=content_type)


OPERATIONS = (
    Operation(
        "GET",
        "/health",
        None,
        "Whether the process answers",
        health,
        answer=Status,
        answers={"status": "ok"},
    ),
    Operation(
        "GET",
        "/ready",
        None,
        "Whether new mail is taken on",
        ready,
        answer=Status,
        answers={"status": "ready"},
        errors=("not_accepting",),
    ),
    Operation(
        "GET",
        "/metrics",
        None,
        "The metrics, for a Prometheus server",
        metrics,
        media_type="text/plain",
        answers="posthouse_store_accepting 1.0\n",
        errors=("ip_not_allowed",),
    ),
)
