"""From a request to its answer, for any operation: this reads like the contract's table of contents."""

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.auth import Caller, Gatekeeper
from api.body import ClientGone, check_media_type, has_large_body, read_body
from api.call import Call
from api.decode import decode_body, decode_query, is_list
from api.house import House
from api.once import Asked, KeptAnswer, Once
from api.operations import JSON, Answer, Operation, Reply, Stream
from api.problems import Problem, respond
from api.refusals import as_problem
from api.shapes import NoBody, Query
from relay.events.actor import SYSTEM, Actor, acting
from relay.failpoints import ARMED, reach
from relay.store.database import Transaction
from relay.submission.draft import Replayed

_BODIES = frozenset({"POST", "PATCH", "PUT"})


class NoQuery(Query, frozen=True):
    """Nothing may stand behind `?`."""


class Endpoint:
    """An ASGI application that is one operation."""

    def __init__(self, operation: Operation, house: House, gatekeeper: Gatekeeper) -> None:
        self._operation = operation
        self._house = house
        self._gatekeeper = gatekeeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._response(scope, receive)
        except (ClientGone, ClientDisconnect):
            return
        except Replayed as replayed:
            response = _replay(replayed)
        except Exception as error:
            problem = as_problem(error, self._house.clock)
            if problem is None:
                raise
            response = respond(scope, problem)
        await response(scope, receive, send)

    async def _response(self, scope: Scope, receive: Receive) -> Response:
        caller = None
        try:
            if self._operation.scope is not None:
                caller = await self._gatekeeper.admit(scope, self._operation.scope)
            _check_path(scope)
            if self._operation.method in _BODIES:
                check_media_type(scope, self._operation.octets)
        except Problem as problem:
            if has_large_body(scope):  # it is not worth reading what will not be used
                problem.headers["Connection"] = "close"
            raise
        if self._operation.method not in _BODIES:
            return await self._handle(scope, caller, b"")
        limits, octets = self._house.config.limits, self._operation.octets
        most = min(limits.body_size, (octets and octets.limit) or limits.body_size)
        with self._house.body_room.share() as share:
            body = await read_body(scope, receive, most, limits.body_timeout, share)
            return await self._handle(scope, caller, body)

    async def _handle(self, scope: Scope, caller: Caller | None, body: bytes) -> Response:
        once = self._once(scope, caller, body)
        with acting(Actor("key", caller.key.id, scope.get("request_id")) if caller else SYSTEM):
            answer = await self._answer(scope, caller, body, once)
        response = self._encode(answer, once)
        if ARMED and self._operation.method == "POST":
            reach("api.committed")
        if once is not None and once.key is not None and not once.is_kept:
            await _keep_late(once, answer)
        return response

    async def _answer(self, scope: Scope, caller: Caller | None, body: bytes, once: Once | None) -> Answer:
        """What the handler says; or the first answer, whatever has changed since."""
        if once is not None and not self._operation.asks_itself:
            await once.look()
        try:
            return await self._operation.handler(
                Call(self._house, scope, caller, once), *self._arguments(scope, body)
            )
        except Replayed:
            raise
        except Exception:
            if once is not None and self._operation.asks_itself:
                await once.look()
            raise

    def _once(self, scope: Scope, caller: Caller | None, body: bytes) -> Once | None:
        if caller is None:
            return None
        if self._operation.method != "POST":
            return Once(self._house, caller, None, self._operation.status)
        asked = Asked(scope, caller, body)
        return Once(self._house, caller, asked.key_of_header(), self._operation.status, asked=asked)

    def _arguments(self, scope: Scope, body: bytes) -> list[Struct | bytes]:
        wanted, found = self._operation, list[Struct | bytes]()
        if wanted.octets is not None:
            found += [body]
        elif wanted.method in _BODIES:
            shape = wanted.body_list if wanted.body_list and is_list(body) else wanted.body or NoBody
            document = decode_body(body, shape)
            found += [document] if wanted.body else []
        if wanted.any_query:
            return found
        query = decode_query(scope["query_string"], wanted.query or NoQuery)
        return [*found, query] if wanted.query else found

    def _encode(self, answer: Answer, once: Once | None) -> Response:
        status = self._operation.status if once is None else once.status
        if isinstance(answer, Stream):
            headers = {**answer.headers, "Content-Type": answer.media_type}
            return StreamingResponse(answer.pieces, status, headers)
        if isinstance(answer, Reply):
            return _response(answer.status or status, answer.body, answer.media_type, answer.headers)
        if answer is None:
            return _response(204, None, JSON, {})
        octets = msgspec.json.encode(answer) if once is None else once.octets_of(answer)
        return _response(status, octets, JSON, {})


def _response(
    status: int, body: Struct | bytes | None, media_type: str, headers: Mapping[str, str]
) -> Response:
    if body is None:
        return Response(None, status, dict(headers))
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    # Set here, not as a media type: Starlette would add a charset to text types.
    return Response(content, status, {**headers, "Content-Type": media_type})


def _replay(replayed: Replayed) -> Response:
    first = msgspec.json.decode(replayed.answer, type=KeptAnswer)
    headers = {"Idempotent-Replayed": "true", **({"Content-Type": JSON} if first.body else {})}
    return Response(first.body.encode(), first.status, headers)


async def _keep_late(once: Once, answer: Answer) -> None:
    """Keep the answer of work that had no transaction of its own."""
    if isinstance(answer, Reply):
        once.status, answer = answer.status or once.status, _document(answer)
    if isinstance(answer, Stream):
        return
    document = answer

    async def work(tx: Transaction) -> None:
        await once.keep(tx, document)

    await once.house.db.transact(work)


def _document(reply: Reply) -> Struct | None:
    return reply.body if isinstance(reply.body, Struct) else None


def _check_path(scope: Scope) -> None:
    """What nothing can be called is not looked for."""
    if "\0" in scope["path"] or "\ufffd" in scope["path"] or len(scope["path"]) > 2000:
        raise Problem(404, "not_found", "There is nothing at this path.")
