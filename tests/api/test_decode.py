"""What a client sends wrongly is 400 or 422 with the place, and never a fault of ours."""

import pytest

from tests.api.conftest import Api

DEEP = 100_000


def nested(depth: int) -> bytes:
    return b'{"name": "x", "more": ' + b"[" * depth + b"]" * depth + b"}"


NOT_JSON = {
    "nothing that begins": b"name",
    "a cut": b'{"name": "x"',
    "NaN": b'{"name": NaN}',
    "Infinity": b'{"name": "x", "more": [Infinity]}',
    "a lone surrogate": b'{"name": "\\ud800"}',
    "a lone low surrogate": b'{"name": "\\udc00x"}',
    "octets that are no UTF-8": b'{"name": "\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "a raw NUL": b'{"name": "\x00"}',
    "something behind": b'{"name": "x"} {}',
    "a name twice": b'{"name": "x", "name": "y"}',
    "a name twice, differently written": b'{"name": "x", "n\\u0061me": "y"}',
    "nesting of an attack": nested(DEEP),
    "nesting of an attack, open": b"[" * DEEP,
    "nesting just too deep": nested(64),
    "more values than anything has": b'{"name": [' + b"0," * 100_001 + b"0]}",
    "more texts than anything has": b'{"name": [' + b'"",' * 100_001 + b'""]}',
    # Comparing each name with each, or looking for an end from each quote, these would take minutes.
    "a name twice behind many": b"{" + b"".join(b'"n%d": 0, ' % at for at in range(90_000)) + b'"n0": 0}',
    "a last name twice": b"{" + b"".join(b'"n%d": 0, ' % at for at in range(90_000)) + b'"n89999": 0}',
    "a text of quotes without end": b"[" * 65 + b'"' + b'\\"' * 500_000,
    "a comment": b'{"name": "x" /* y */}',
    "single quotes": b"{'name': 'x'}",
}
NOT_MEANT = {
    "a wrong type": (b'{"name": 7}', "$.name"),
    "null": (b'{"name": null}', "$.name"),
    "nothing": (b"", "$.name"),
    "a list": (b"[]", "$"),
    "a text": (b'"name"', "$"),
    "too short": (b'{"name": ""}', "$.name"),
    "too long": (b'{"name": "%s"}' % (b"x" * 201), "$.name"),
    "an unknown field": (b'{"name": "x", "tenant_id": "ten_2"}', "$.tenant_id"),
    "a text in the place of a list": (b'{"name": "x", "scopes": "*"}', "$.scopes"),
    "a number in a list of texts": (b'{"name": "x", "scopes": ["*", 1]}', "$.scopes[1]"),
    "an escaped NUL": (b'{"name": "x\\u0000"}', "$"),
    "a time that is none": (b'{"name": "x", "expires_at": "tomorrow"}', "$.expires_at"),
    "a time without a zone": (b'{"name": "x", "expires_at": "2027-01-01T00:00:00"}', "$.expires_at"),
    "a huge number": (b'{"name": "x", "expires_at": 1%s}' % (b"0" * 5000), "$"),
    "a number beyond 64 bits": (b'{"name": 9223372036854775808}', "$"),
    "a number beyond floats": (b'{"name": 1e400}', "$.name"),
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in NOT_JSON.items()])
async def test_what_is_no_json_is_malformed(api: Api, body: bytes) -> None:
    answer = await api.live.request("POST", "/v1/keys", body=body)
    assert (answer.status, answer.code) == (400, "malformed_json") or (
        b"more" in body and answer.status in (400, 422)
    )


@pytest.mark.parametrize(("body", "path"), [pytest.param(*case, id=name) for name, case in NOT_MEANT.items()])
async def test_what_cannot_be_meant_is_named(api: Api, body: bytes, path: str) -> None:
    answer = await api.live.request("POST", "/v1/keys", body=body)
    assert (answer.status, answer.code) == (422, "validation_error")
    assert answer.json["errors"][0]["path"] == path
    assert answer.json["errors"][0]["message"]


async def test_an_unknown_field_is_called_by_its_name(api: Api) -> None:
    answer = await api.live.post("/v1/keys", {"name": "x", "tenant_id": "ten_2"})
    assert "tenant_id" in answer.json["errors"][0]["message"]


async def test_commas_in_a_text_are_no_values(api: Api) -> None:
    answer = await api.live.post("/v1/keys", {"name": "x", "cidrs": ["," * 200_000]})
    assert (answer.status, answer.json["errors"][0]["path"]) == (422, "$.cidrs[0]")


async def test_an_escaped_backslash_before_u0000_is_text(api: Api) -> None:
    answer = await api.live.request("POST", "/v1/keys", body=b'{"name": "\\\\u0000"}')
    assert (answer.status, answer.json["name"]) == (201, "\\u0000")


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "?limit"),
        ("limit=201", "?limit"),
        ("limit=ten", "?limit"),
        ("limit=1.5", "?limit"),
        ("limit=" + "9" * 5000, "?limit"),
        ("limit=5&limit=6", "?limit"),
        ("cursor=%00", "?cursor"),
        ("cursor=!!", "?cursor"),
        ("cursor=", "?cursor"),
        ("cursor=4pyT4pyT4p", "?cursor"),
        ("kind=nothing.happened", "?kind"),
        ("kind=message&kind=%ff", "?"),
        ("after=evt_nowhere", "?after"),
        ("page=2", "?page"),
        ("&".join(f"kind=message&n{n}=1" for n in range(100)), "?"),
    ],
)
async def test_what_cannot_be_asked_for_is_named(api: Api, query: str, path: str) -> None:
    answer = await api.live.get(f"/v1/events?{query}")
    assert (answer.status, answer.code) == (422, "validation_error")
    assert answer.json["errors"][0]["path"] == path


@pytest.mark.parametrize("path", ["/v1/keys/%00", "/v1/keys/%ff", "/v1/keys/" + "x" * 3000, "/v1/keys/'--"])
async def test_what_nothing_is_called_is_not_found(api: Api, path: str) -> None:
    assert (await api.live.get(path)).code == "not_found"


async def test_a_body_is_json_and_as_it_is(api: Api) -> None:
    form = await api.live.request("POST", "/v1/keys", body=b"name=x", content_type="text/plain")
    packed = await api.live.request("POST", "/v1/keys", body=b"\x1f\x8b", content_encoding="gzip")
    assert form.code == packed.code == "unsupported_media_type"
    assert form.status == packed.status == 415
    typed = {"content_type": "application/json; charset=utf-8", "content_encoding": "identity"}
    assert (await api.live.request("POST", "/v1/keys", body=b'{"name": "x"}', **typed)).status == 201
