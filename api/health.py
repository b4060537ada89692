"""Alive, ready, and measured: what a load balancer and a Prometheus server ask."""

from ipaddress import ip_address
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.problems import problem
from relay.config import Network


class House(Protocol):
    """What these routes may know of the running station."""

    @property
    def trouble(self) -> str | None:
        """Why no new mail is taken on now; None when it is."""
        ...

    @property
    def metrics_networks(self) -> tuple[Network, ...]:
        """Who may read the metrics."""
        ...

    async def exposition(self) -> tuple[bytes, str]:
        """The metrics as they stand now, and their content type."""
        ...


class HealthRoutes:
    """GET /health, /ready and /metrics."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def health(self, request: Request) -> Response:
        """200 as long as the process answers at all."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """200 while new mail is taken on; 503 `not_accepting` with the reason otherwise."""
        trouble = self._house.trouble
        if trouble is None:
            return JSONResponse({"status": "ready"})
        return problem(request, 503, "not_accepting", detail=trouble, headers={"Retry-After": "5"})

    async def metrics(self, request: Request) -> Response:
        """The Prometheus text format, for the networks that the configuration names."""
        if not self._may_read_metrics(request):
            return problem(request, 403, "ip_not_allowed", detail="Metrics are not for this address.")
        body, content_type = await self._house.exposition()
        return Response(body, headers={"Content-Type": content_type})

    def _may_read_metrics(self, request: Request) -> bool:
        if request.client is None:
            return False
        client = ip_address(request.client.host)
        return any(
            client.version == network.version and client in network
            for network in self._house.metrics_networks
        )
