"""What every request passes before its route, and every answer after it: plain ASGI, outermost first.

The Host is checked so that a web page cannot reach a loopback listener under
a name of its own (DNS rebinding). A name that no such attack can use is let
in: an IP address, a name without a dot, and those that we know ourselves.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem, respond
from relay.config import Config, Listener, Network
from relay.tracking.places import PREFIX

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?\Z")

_SECURITY: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


class FramingGate:
    """400 for a body with two lengths: a proxy before us may have read the other one (RFC 9112 §6.1)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = {name for name, _ in scope["headers"]} if scope["type"] == "http" else set()
        if {b"content-length", b"transfer-encoding"} <= names:
            text = "The body has both Content-Length and Transfer-Encoding."
            problem = Problem(400, "malformed_request", text, headers={"Connection": "close"})
            await respond(scope, problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)


class HostGate:
    """421 for a Host that is not ours."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        # A page behind tracked mail asks its token whether it was made for this host; it shows nothing else.
        if scope["type"] != "http" or scope["path"].startswith(PREFIX) or self._is_ours(given):
            await self._app(scope, receive, send)
            return
        text = "This server is not known by that name; api.public_url and server.hostname say how it is."
        await respond(scope, Problem(421, "unknown_host", text))(scope, receive, send)

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


class ClientAddress:
    """Who really asks, where a proxy that we trust says so; `scope["client"]` afterwards.

    X-Forwarded-For is read from the right, over our own proxies, to the first
    address that is none of them: whatever stands left of it anybody can write.
    """

    def __init__(self, app: ASGIApp, proxies: tuple[Network, ...]) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._proxies and scope.get("client"):
            host, port = scope["client"]
            scope["client"] = (self._first_stranger(host, _forwarded(scope)), port)
        await self._app(scope, receive, send)

    def _first_stranger(self, host: str, forwarded: Iterable[str]) -> str:
        for earlier in forwarded:
            if not self._is_proxy(host) or not _is_ip(earlier):
                return host
            host = earlier
        return host

    def _is_proxy(self, host: str) -> bool:
        if not _is_ip(host):
            return False
        ip = ip_address(host)
        ip = (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip
        return any(ip.version == network.version and ip in network for network in self._proxies)


class AnswerHeaders:
    """Header fields of every answer: what a browser must not do with it, and what is left of the rate."""

    def __init__(self, app: ASGIApp, rate: Callable[[Scope], Mapping[str, str]], *, https: bool) -> None:
        self._app = app
        self._rate = rate
        self._fixed = {**_SECURITY, **({"Strict-Transport-Security": "max-age=31536000"} if https else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._fixed.items():
                    headers.setdefault(name, value)
                # An answer may know of something narrower: the month of a tenant.
                for name, value in self._rate(scope).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


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
