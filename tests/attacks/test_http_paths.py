"""Paths, hosts and forwarded fields that another server would read otherwise: none leads around the key."""

from tests.attacks.wire import say
from tests.fakes.daemon import OURS, MakeDaemon

# Ways to a path that some server in front, or some router, reads as another one.
PATHS = [
    *("/v1/inboxes/../keys", "/v1/./keys", "/v1//keys", "//v1/keys", "/v1/keys/", "/V1/KEYS", "/v1/keys;x=y"),
    *(
        "/v1%2fkeys",
        "/v1/%6b%65%79%73%2f",
        "/v1/keys%00",
        "/v1/keys%0d%0aX-Evil:%20y",
        "/v1/keys%20",
        "/v1/keys#",
    ),
    *(
        "/health/../v1/keys",
        "/health/..%2fv1%2fkeys",
        "/health;/../v1/keys",
        "/openapi.json/../v1/keys",
        "/%2e%2e/v1/keys",
    ),
    *(
        "/v1/inboxes/%2e%2e/keys",
        "/v1/inboxes/..%5c..%5cetc",
        "/\\v1\\keys",
        "/v1/keys%252f",
        "/v1/%ef%bc%8fkeys",
    ),
    *(
        "/etc/passwd",
        "/../../etc/passwd",
        "/..%c0%af..%c0%afetc/passwd",
        "/.env",
        "/.git/config",
        "/docs",
        "/static/x",
    ),
    *(
        "/v1/inboxes/" + "a" * 5000,
        "/v1/" + "a/" * 900,
        "/%ff%fe",
        "/v1/keys?x=%ff",
        "/?/v1/keys",
        "/v1/keys?" + "a=b&" * 500,
    ),
]


async def test_no_path_leads_around_the_key(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon({"limits.auth_failures_per_minute": 10_000})
    await daemon.start()
    for path in PATHS:
        for method in ("GET", "POST", "DELETE"):
            head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            (answer,) = await say(daemon.ports["http"], head.encode("latin-1", "replace"))
            assert answer.status in (400, 401, 404, 405), (path, answer)
            assert answer.fields["content-type"] == ["application/problem+json"], (path, answer)
            assert "x-evil" not in answer.fields, path
            # Without a cookie nobody's browser can be made to act for him.
            assert "set-cookie" not in answer.fields, path
            assert "nosniff" in answer.fields["x-content-type-options"], path


async def test_no_host_and_no_forwarded_field_changes_who_or_where(make_daemon: MakeDaemon) -> None:
    daemon = await make_daemon({"metrics.allow_from": ["192.0.2.0/24"]})
    await daemon.start()
    lies = [
        *(
            "X-Forwarded-For: 192.0.2.1",
            "X-Real-IP: 192.0.2.1",
            "Forwarded: for=192.0.2.1",
            "X-Client-IP: 192.0.2.1",
        ),
        *("True-Client-IP: 192.0.2.1", "CF-Connecting-IP: 192.0.2.1", "X-Forwarded-Host: mail.ours.test"),
    ]
    for lie in lies:
        head = f"GET /metrics HTTP/1.1\r\nHost: localhost\r\n{lie}\r\nConnection: close\r\n\r\n"
        (answer,) = await say(daemon.ports["http"], head.encode())
        assert answer.status == 403, lie
    for host in (
        f"{OURS}.evil.example",
        "evil.example",
        "localhost.evil.example:80",
        "a@localhost",
        "[::1",
        "x/y",
    ):
        head = f"GET /openapi.json HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        (answer,) = await say(daemon.ports["http"], head.encode())
        assert answer.status in (400, 421), host
        assert b"evil" not in answer.body, host
