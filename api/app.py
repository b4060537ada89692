"""The ASGI application: every route in one place."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from api.health import HealthRoutes, House
from api.problems import ProblemsMiddleware, RequestIdMiddleware, not_found_or_wrong_method


def build_app(house: House) -> Starlette:
    """The application over `house`; errors are problem documents (RFC 9457) throughout."""
    health = HealthRoutes(house)
    return Starlette(
        routes=[
            Route("/health", health.health, methods=["GET"]),
            Route("/ready", health.ready, methods=["GET"]),
            Route("/metrics", health.metrics, methods=["GET"]),
        ],
        middleware=[Middleware(RequestIdMiddleware), Middleware(ProblemsMiddleware)],
        exception_handlers={404: not_found_or_wrong_method, 405: not_found_or_wrong_method},
    )
