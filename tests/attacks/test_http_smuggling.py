"""HTTP that two readers could part differently: refused or read in one way, and never a second request."""

import asyncio

from tests.attacks.wire import say
from tests.fakes.api_client import make_key
from tests.fakes.daemon import MakeDaemon

HOST = b"Host: localhost\r\n"
POST = b"POST /v1/suppressions HTTP/1.1\r\n" + HOST + b"Authorization: Bearer KEY\r\n"
HIDDEN = b"DELETE /v1/inboxes/app@ours.test HTTP/1.1\r\n" + HOST + b"Authorization: Bearer KEY\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
EMPTY = b"0\r\n\r\n"

STREAM = b"GET /v1/events/stream HTTP/1.1\r\n" + HOST + b"Authorization: Bearer KEY\r\n\r\n"
LAST = b"GET /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"

# What follows the head would be a second request to whoever reads the length in the other way.
TWO_LENGTHS = {
    "CL.TE": POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n" + EMPTY + HIDDEN,
    "TE.CL": POST + CHUNKED + b"Content-Length: 5\r\n\r\n" + EMPTY + HIDDEN,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + HIDDEN,
    "a list of lengths": POST + b"Content-Length: 0, 5\r\n\r\n" + HIDDEN,
    "a length with a sign": POST + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a negative length": POST + b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "a hexadecimal length": POST + b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
    "a length with an underscore": POST + b"Content-Length: 0_0\r\n\r\n" + HIDDEN,
    "a length of other digits": POST + "Content-Length: ٠\r\n\r\n".encode() + HIDDEN,
    "a length beyond numbers": POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + HIDDEN,
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + HIDDEN,
    "two codings": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + EMPTY + HIDDEN,
    "chunked twice": POST + CHUNKED + CHUNKED + b"\r\n" + EMPTY + HIDDEN,
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n" + HIDDEN,
    "a coding behind a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + HIDDEN,
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n" + EMPTY + HIDDEN,
    "a folded coding": POST + b"Transfer-Encoding:\r\n x\r\n\r\n" + EMPTY + HIDDEN,
    "a chunk that is no number": POST + CHUNKED + b"\r\nZZ\r\n" + HIDDEN,
    "a chunk with a sign": POST + CHUNKED + b"\r\n+0\r\n\r\n" + HIDDEN,
    "a chunk of 0x0": POST + CHUNKED + b"\r\n0x0\r\n\r\n" + HIDDEN,
    "a chunk longer than numbers": POST + CHUNKED + b"\r\n" + b"0" * 40 + b"\r\n\r\n" + HIDDEN,
    "a chunk that does not end": POST + CHUNKED + b"\r\n2\r\n{}xx" + EMPTY + HIDDEN,
    "a chunk that ends in a line feed": POST + CHUNKED + b"\r\n2\n{}\n0\n\n" + HIDDEN,
    "a field name with a NUL": POST + b"Content-Le\0ngth: 5\r\n\r\n" + HIDDEN,
    "a line of no field": POST + b"Content-Length 5\r\n\r\n" + HIDDEN,
    "a bare CR in a field": POST + b"X: a\rContent-Length: 5\r\n\r\n" + HIDDEN,
    "no version": b"POST /v1/suppressions\r\n\r\n" + HIDDEN,
    "a version of another protocol": b"POST /v1/suppressions HTCPCP/1.0\r\n\r\n" + HIDDEN,
    "a space too many": b"POST  /v1/suppressions HTTP/1.1\r\n" + HOST + b"\r\n" + HIDDEN,
    "two hosts": b"GET /v1/account HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n" + HIDDEN,
    "no host": b"GET /v1/account HTTP/1.1\r\n\r\n" + HIDDEN,
    "an address in UTF-8": "GET /v1/ü HTTP/1.1\r\n".encode() + HOST + b"\r\n" + HIDDEN,
    "a head without an end": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 200_000,
}
# Read in one way by everybody; each is one request, and what stands behind it is another.
ONE_MEANING = {
    "a body on GET": (b"GET /health HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello", 200),
    "a target with a host": (b"GET http://localhost/health HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "a target with another host": (b"GET http://evil.example/health HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "a trailer that would be a key": (
        b"GET /v1/account HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n0\r\nAuthorization: Bearer KEY\r\n\r\n",
        401,
    ),
    "a key that is folded": (
        b"GET /v1/account HTTP/1.1\r\n" + HOST + b"Authorization: Bearer KEY\r\n Content-Length: 5\r\n\r\n",
        401,
    ),
    "two keys": (
        b"GET /v1/account HTTP/1.1\r\n"
        + HOST
        + b"Authorization: Bearer x\r\nAuthorization: Bearer KEY\r\n\r\n",
        401,
    ),
    "a proxy's method": (b"CONNECT 127.0.0.1:25 HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "the server itself": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", 404),
    "another protocol, please": (
        b"GET /health HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        200,
    ),
    "HTTP/2, please": (
        b"GET /health HTTP/1.1\r\n" + HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
        200,
    ),
    "a method that is told in a field": (
        b"GET /v1/inboxes/app@ours.test HTTP/1.1\r\n"
        + HOST
        + b"X-HTTP-Method-Override: DELETE\r\nAuthorization: Bearer KEY\r\n\r\n",
        200,
    ),
    "a path that is told in a field": (
        b"GET /health HTTP/1.1\r\n" + HOST + b"X-Original-URL: /v1/keys\r\nX-Rewrite-URL: /v1/keys\r\n\r\n",
        200,
    ),
}
# A request that is worked on, or answered already, and then something that is none.
INTERRUPTED = {
    "while its body is awaited": (POST + CHUNKED + b"\r\n5\r\n{    \r\nZZ\r\n",),
    "after it was refused": (
        b"POST /v1/keys HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n",
        b"x" * 9 + b"\0\r\n\r\n",
    ),
    "while its answer waits": (
        b"GET /v1/inboxes/app@ours.test/messages/wait?timeout=0 HTTP/1.1\r\n"
        + HOST
        + b"Authorization: Bearer KEY\r\n\r\n\0 garbage\r\n\r\n",
    ),
}


async def test_nothing_hides_behind_a_request(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon({"limits.auth_failures_per_minute": 10_000}, receives=True)
    key = (await make_key(daemon)).encode()
    await daemon.start()
    port = daemon.ports["http"]

    for name, octets in TWO_LENGTHS.items():
        answers = await say(port, octets.replace(b"KEY", key))
        assert len(answers) <= 1, name
        for answer in answers:
            assert answer.status in (400, 408, 413, 415, 422), (name, answer)
            assert answer.fields["connection"] == ["close"], (name, answer)
            assert answer.json["code"].startswith("malformed") or answer.status != 400, (name, answer)

    for name, (octets, status) in ONE_MEANING.items():
        first, *others = await say(port, octets.replace(b"KEY", key) + LAST)
        assert first.status == status, (name, first)
        closed = first.fields.get("connection") == ["close"]
        assert [answer.status for answer in others] == ([] if closed else [200]), name

    # The inbox that every hidden request wanted away is there.
    found = POST.replace(b"POST /v1/suppressions", b"GET /v1/inboxes/app@ours.test") + b"\r\n" + LAST
    assert [answer.status for answer in await say(port, found.replace(b"KEY", key))] == [200, 200]


async def test_what_stops_being_http_is_no_fault_of_ours(make_daemon: MakeDaemon) -> None:
    """The daemon's log must hold no traceback; see `Daemon.close`."""
    daemon = await make_daemon({"limits.auth_failures_per_minute": 10_000}, receives=True)
    key = (await make_key(daemon)).encode()
    await daemon.start()
    for name, pieces in INTERRUPTED.items():
        for _ in range(5):
            answers = await say(daemon.ports["http"], *(piece.replace(b"KEY", key) for piece in pieces))
            assert answers[-1].status == 400, name
            assert answers[-1].json["code"] == "malformed_request", name
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.ports["http"])
    writer.write(STREAM.replace(b"KEY", key))
    await reader.readuntil(b": following")
    writer.write(b"\0 garbage\r\n\r\n")
    await writer.drain()
    writer.close()
    assert [answer.status for answer in await say(daemon.ports["http"], LAST)] == [200]
    assert "uvicorn" not in daemon.log
