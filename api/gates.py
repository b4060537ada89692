"""What every request passes before its route, and every answer after it: one ASGI application around all.

The Host is checked so that a web page cannot reach a loopback listener under
a name of its own (DNS rebinding). A name that no such attack can use is let
in: an IP address, a name without a dot, and those that we know ourselves.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.fields import Fields, fields_of
from api.problems import Problem, mark_started, respond
from relay.clock import Clock
from relay.config import Config, Listener, Network
from relay.ids import new_id
from relay.telemetry.context import log_ids
from relay.tracking.places import PREFIX

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?\Z")
_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")

_SECURITY: Fields = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
_ONLY_TLS: Fields = ((b"strict-transport-security", b"max-age=31536000"),)


class Gates:
    """Names the request and its client, turns away what cannot be meant for us, and dresses the answer.

    A client's own X-Request-Id is taken if it is harmless. `rate` says what
    is left to whoever asks.
    """

    def __init__(self, app: ASGIApp, config: Config, clock: Clock, rate: Callable[[Scope], Fields]) -> None:
        self._app = app
        self._clock = clock
        self._proxies = Proxies(config.api.trusted_proxies)
        self._names = names_of(config)
        self._rate = rate
        self._fixed = (*_SECURITY, *(_ONLY_TLS if config.api.public_url.startswith("https:") else ()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fields = fields_of(scope)
        request_id = self._request_id(fields)
        scope["request_id"] = request_id
        if self._proxies and scope.get("client"):
            scope["client"] = self._proxies.who_asks(scope)

        async def send_dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                mark_started(scope)
                message = {**message, "headers": self._dressed(message["headers"], request_id, scope)}
            await send(message)

        with log_ids(request=request_id):
            try:
                _check_framing(fields)
                self._check_host(scope, fields)
            except Problem as problem:
                await respond(scope, problem)(scope, receive, send_dressed)
                return
            await self._app(scope, receive, send_dressed)

    def _request_id(self, fields: Mapping[bytes, bytes]) -> str:
        given = fields.get(b"x-request-id", b"").decode("latin-1")
        return given if _USABLE_ID.match(given) else new_id("req", self._clock)

    def _dressed(self, given: Iterable[tuple[bytes, bytes]], request_id: str, scope: Scope) -> Fields:
        """What a browser must not do with the answer, and what is left of the rate, unless it says so itself.

        It may know of something narrower: the month of a tenant.
        """
        given = tuple(given)
        said = {name for name, _ in given}
        ours = [field for field in (*self._fixed, *self._rate(scope)) if field[0] not in said]
        return [*given, (b"x-request-id", request_id.encode()), *ours]

    def _check_host(self, scope: Scope, fields: Mapping[bytes, bytes]) -> None:
        """Raise Problem (421) for a Host that is not ours."""
        # A page behind tracked mail asks its token whether it was made for this host; it shows nothing else.
        if self._is_ours(fields.get(b"host", b"").decode("latin-1")) or scope["path"].startswith(PREFIX):
            return
        text = "This server is not known by that name; api.public_url and server.hostname say how it is."
        raise Problem(421, "unknown_host", text)

    def _is_ours(self, given: str) -> bool:
        if not given:  # HTTP/1.0, as some health checks speak it
            return True
        found = _HOST.match(given)
        if found is None:
            return False
        name = found["name"].lower().strip("[]").removesuffix(".")
        return "." not in name or name in self._names or _is_ip(name)


def names_of(config: Config) -> frozenset[str]:
    """The names under which we may be asked."""
    listeners = [listener.host for listener in config.api.listen if isinstance(listener, Listener)]
    public = urlsplit(config.api.public_url).hostname or ""
    return frozenset({public.lower(), config.server.hostname.lower(), "localhost", *listeners})


class Proxies:
    """Proxies of ours, and who really asks through them.

    X-Forwarded-For is read from the right, over our own proxies, to the first
    address that is none of them: whatever stands left of it anybody can write.
    """

    def __init__(self, networks: tuple[Network, ...]) -> None:
        self._networks = networks

    def __bool__(self) -> bool:
        return bool(self._networks)

    def who_asks(self, scope: Scope) -> tuple[str, int]:
        """The client as the scope should have it."""
        host, port = scope["client"]
        for earlier in _forwarded(scope):
            if not self._is_one(host) or not _is_ip(earlier):
                break
            host = earlier
        return host, port

    def _is_one(self, host: str) -> bool:
        if not _is_ip(host):
            return False
        ip = ip_address(host)
        ip = (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip
        return any(ip.version == network.version and ip in network for network in self._networks)


def _check_framing(fields: Mapping[bytes, bytes]) -> None:
    """Raise Problem (400) for a body with two lengths: a proxy may have read the other (RFC 9112 §6.1)."""
    if b"content-length" in fields and b"transfer-encoding" in fields:
        text = "The body has both Content-Length and Transfer-Encoding."
        raise Problem(400, "malformed_request", text, headers={"Connection": "close"})


def _forwarded(scope: Scope) -> list[str]:
    """The addresses of X-Forwarded-For, the nearest first; ports are left away."""
    fields = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return [_without_port(part.strip()) for part in reversed(",".join(fields).split(",")) if part.strip()]


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
