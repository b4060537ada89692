"""Write the OpenAPI 3.1 document from the table of operations: what is served is what is written.

Shapes become schemas by msgspec, problems are one schema for all, and the
codes that an operation can answer stand under their status.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from api.operations import JSON, Operation
from api.problems import MEDIA_TYPE, ProblemDocument
from api.refusals import STATUS
from api.scopes import SCOPES
from relay.version import __version__

REFERENCES = "#/components/schemas/{name}"
_PLACE = re.compile(r"\{(\w+)\}")
_WITH_KEY = ("unauthorized", "insufficient_scope", "ip_not_allowed", "tenant_suspended", "rate_limited")
_WITH_BODY = ("malformed_json", "payload_too_large", "unsupported_media_type", "request_timeout")
_ALWAYS = ("validation_error", "not_accepting")
_KEY_ABOUT = "The same key and request within 24 h is done once; a replay has Idempotent-Replayed: true."


def document(operations: Sequence[Operation], public_url: str) -> dict[str, Any]:
    """The whole document for these operations; JSON can say it."""
    types = _types(operations)
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCES)
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for operation in operations:
        paths[operation.path][operation.method.lower()] = _operation(operation, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Posthouse", "version": __version__, "summary": "Send, receive and answer mail."},
        "servers": [{"url": public_url}],
        "security": [{"key": []}],
        "tags": [{"name": tag} for tag in sorted({operation.tag for operation in operations})],
        "paths": dict(paths),
        "components": {"schemas": components, "securitySchemes": {"key": _security_scheme()}},
    }


def _types(operations: Sequence[Operation]) -> list[Any]:
    """Every shape once, in the order of the table."""
    found: dict[str, Any] = {repr(ProblemDocument): ProblemDocument}
    for operation in operations:
        for hint in (operation.body, operation.query, operation.answer, *operation.parts):
            if hint is not None:
                found.setdefault(repr(hint), hint)
    return list(found.values())


def _security_scheme() -> dict[str, Any]:
    scopes = "".join(f"\n- `{name}`: {meaning}" for name, meaning in SCOPES.items())
    return {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "ph_live_… or ph_test_…",
        "description": (
            "An API key. A root key may name in `X-Tenant` the tenant in which it acts."
            f" A key is allowed all (`*`), or some of these scopes:\n{scopes}"
        ),
    }


def _operation(
    operation: Operation, schema_of: Mapping[str, Any], components: Mapping[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.operation_id,
        "summary": operation.summary,
        "description": _description(operation),
        "tags": [operation.tag],
        "parameters": [*_places(operation), *_query(operation, schema_of, components), *_fields(operation)],
        "responses": {**_answers(operation, schema_of), **_problems(operation)},
    }
    if operation.scope is None:
        found["security"] = []
    if operation.body is not None:
        content = _content(JSON, _body_schema(operation, schema_of, components), operation.example)
        needed = any(field.required for field in msgspec.structs.fields(operation.body))
        found["requestBody"] = {"required": needed, "content": content}  # nothing is an empty object
    if operation.octets is not None:
        found["requestBody"] = {"required": False, "content": _octets(operation)}
    return found


def _body_schema(
    operation: Operation, schema_of: Mapping[str, Any], components: Mapping[str, Any]
) -> dict[str, Any]:
    """The object; or, where that will do, the list that is one of its fields."""
    schema: dict[str, Any] = schema_of[repr(operation.body)]
    if operation.body_list is None:
        return schema
    name = schema["$ref"].rpartition("/")[2]
    options = components[name]["properties"][operation.body_list.is_list_of]["anyOf"]
    return {"oneOf": [schema, next(each for each in options if each.get("type") == "array")]}


def _octets(operation: Operation) -> dict[str, Any]:
    """A body that is text of its own kind; where any will do, a form is named, as browsers send it."""
    assert operation.octets is not None
    types = operation.octets.media_types or ("application/x-www-form-urlencoded",)
    schema = {"type": "string" if operation.octets.media_types else "object"}
    return {media: _content(media, schema, operation.example)[media] for media in types}


def _description(operation: Operation) -> str:
    told = operation.description or operation.summary + "."
    return f"{told} Needs the scope `{operation.scope}`." if operation.scope else told


def _places(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PLACE.findall(operation.path)
    ]


def _query(
    operation: Operation, schema_of: Mapping[str, Any], components: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Each field of the query's shape is a parameter."""
    if operation.query is None:
        return []
    name = schema_of[repr(operation.query)]["$ref"].rpartition("/")[2]
    shape = components[name]
    needed = shape.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in needed, "schema": schema}
        for name, schema in shape["properties"].items()
    ]


def _fields(operation: Operation) -> list[dict[str, Any]]:
    if operation.method != "POST" or operation.scope is None:
        return []
    schema = {"type": "string", "minLength": 1, "maxLength": 256}
    return [{"name": "Idempotency-Key", "in": "header", "description": _KEY_ABOUT, "schema": schema}]


def _answers(operation: Operation, schema_of: Mapping[str, Any]) -> dict[str, Any]:
    statuses = sorted({operation.status, *operation.also})
    return {str(status): _answer(operation, schema_of, status) for status in statuses}


def _answer(operation: Operation, schema_of: Mapping[str, Any], status: int) -> dict[str, Any]:
    about = {"description": HTTPStatus(status).phrase}
    if operation.answer is not None:
        return {**about, "content": _content(JSON, schema_of[repr(operation.answer)], operation.answers)}
    if operation.media_type != JSON:
        return {**about, "content": _content(operation.media_type, {"type": "string"}, operation.answers)}
    return about


def _problems(operation: Operation) -> dict[str, Any]:
    """Problem answers by status, each with the codes that it can carry."""
    by_status: dict[int, list[str]] = defaultdict(list)
    for code in dict.fromkeys([*operation.errors, *_usual(operation)]):
        by_status[STATUS[code]].append(code)
    return {str(status): _problem(status, codes) for status, codes in sorted(by_status.items())}


def _usual(operation: Operation) -> list[str]:
    codes = [*_ALWAYS] if operation.scope is not None else []
    codes += _WITH_KEY if operation.scope is not None else ()
    codes += _WITH_BODY if operation.method in ("POST", "PATCH", "PUT") else ()
    codes += ("idempotency_mismatch",) if operation.method == "POST" and operation.scope else ()
    return codes + (["not_found"] if _PLACE.search(operation.path) else [])


def _problem(status: int, codes: Sequence[str]) -> dict[str, Any]:
    reference = REFERENCES.format(name=ProblemDocument.__name__)
    example = {
        "type": f"urn:posthouse:problem:{codes[0]}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "What is wrong, for people.",
        "code": codes[0],
        "request_id": "req_5f0c6c1b2a9d4e7f8a3b1c2d",
    }
    if status == 422:
        example["errors"] = [{"path": "$.name", "message": "Expected `str`, got `int`"}]
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(f'`{code}`' for code in codes)}",
        "content": _content(MEDIA_TYPE, {"$ref": reference}, example),
    }


def _content(media_type: str, schema: Any, example: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"schema": schema}
    if example is not None:
        found["example"] = example
    return {media_type: found}
