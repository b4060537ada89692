"""Suppressions, many at once: asked about before a send, taken from a file, given as one."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from api.call import Call
from api.mail.marks import Stream
from api.operations import Octets, Operation
from api.operations import Stream as Streamed
from api.problems import Problem, invalid
from api.routes.suppressions import stream_named
from api.shapes import Body, Query, Shape
from api.tenant_wide import check_tenant_wide
from relay.address import Address, InvalidAddress, parse_address
from relay.errors import InvalidInput
from relay.store.database import Transaction
from relay.suppressions import importing, lists, records
from relay.suppressions.importing import Report, TooManyRows
from relay.suppressions.reasons import SuppressionReason

CSV = "text/csv; charset=utf-8"
MOST_CHECKED = 1000
_PAGE = 1000

Addresses: TypeAlias = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=400)]], Meta(min_length=1, max_length=MOST_CHECKED)
]


class NewCheck(Body, frozen=True):
    """`stream` is that of the mail which is to be sent."""

    addresses: Addresses
    stream: Stream | None = None


class CheckedShape(Shape, frozen=True):
    """One address; where it is suppressed, why, in which stream (null: in all mail) and until when."""

    address: str
    suppressed: bool
    reason: SuppressionReason | None = None
    stream: str | None = None
    expires_at: datetime | None = None


class ChecksShape(Shape, frozen=True):
    """In the order in which they were asked about."""

    data: tuple[CheckedShape, ...]


class ImportSuppressions(Query, frozen=True):
    """With `dry_run` everything is tried, and nothing kept."""

    dry_run: bool = False


class RowProblem(Shape, frozen=True):
    """What is wrong with one row; `row` is its line in the file."""

    row: int
    address: str
    message: str


class ImportShape(Shape, frozen=True):
    """What became of the rows. `unchanged` were suppressed already; `errors` are the first hundred."""

    rows: int
    added: int
    unchanged: int
    failed: int
    errors: tuple[RowProblem, ...]
    dry_run: bool


async def check_suppressions(call: Call, body: NewCheck) -> ChecksShape:
    """Whether each address would be written to now."""
    check_tenant_wide(call)
    asked = [_read(text, place) for place, text in enumerate(body.addresses)]
    found = await records.standing_among(
        call.house.db, call.tenant_id, asked, stream_named(body.stream), call.house.clock.now()
    )
    return ChecksShape(
        data=tuple(
            CheckedShape(address=str(address), suppressed=False)
            if (entry := found.get(address.key)) is None
            else CheckedShape(
                address=str(address),
                suppressed=True,
                reason=entry.reason,
                stream=entry.stream,
                expires_at=entry.expires_at,
            )
            for address in asked
        )
    )


async def import_suppressions(call: Call, body: bytes, query: ImportSuppressions) -> ImportShape:
    """What became of each row; those with an error keep no other out."""
    check_tenant_wide(call)
    house = call.house
    try:
        text = body.decode()
        report = await importing.import_list(
            house.db, house.clock, call.tenant_id, text, dry_run=query.dry_run
        )
    except UnicodeDecodeError as error:
        raise invalid("$", "is not UTF-8") from error
    except TooManyRows as error:
        raise Problem(413, "payload_too_large", str(error)) from error
    except InvalidInput as error:
        raise invalid("$", str(error)) from error
    if query.dry_run:
        return _report(report, dry_run=True)

    async def work(tx: Transaction) -> Report:
        await importing.tell(tx, house.clock, call.tenant_id, report)
        return report

    return await call.once.run(work, _report)


async def export_suppressions(call: Call) -> Streamed:
    """Every entry, those that have run out as well, newest first."""
    check_tenant_wide(call)
    headers = {"Content-Disposition": 'attachment; filename="suppressions.csv"'}
    return Streamed(_rows(call), CSV, headers)


async def _rows(call: Call) -> AsyncIterator[bytes]:
    yield lists.heading().encode()
    before: str | None = None
    while rows := await records.page(call.house.db, call.tenant_id, limit=_PAGE, before_id=before):
        yield lists.write(rows).encode()
        before = rows[-1].id


def _read(text: str, place: int) -> Address:
    try:
        return parse_address(text.strip())
    except InvalidAddress as error:
        raise invalid(f"$.addresses[{place}]", str(error)) from error


def _report(report: Report, *, dry_run: bool = False) -> ImportShape:
    return ImportShape(
        rows=report.rows,
        added=report.added,
        unchanged=report.unchanged,
        failed=report.failed,
        errors=tuple(
            RowProblem(row=each.row, address=each.address, message=each.message) for each in report.faults
        ),
        dry_run=dry_run,
    )


_LIST = "address,reason,stream,expires_at\r\nann@example.com,unsubscribe,news,\r\nbob@,,,\r\n"
_IMPORTED: dict[str, Any] = {
    "rows": 2,
    "added": 1,
    "unchanged": 0,
    "failed": 1,
    "errors": [{"row": 3, "address": "bob@", "message": "'bob@' is no address"}],
    "dry_run": False,
}

OPERATIONS = (
    Operation(
        "POST",
        "/v1/suppressions/check",
        "suppressions:read",
        "Ask which addresses are suppressed",
        check_suppressions,
        body=NewCheck,
        answer=ChecksShape,
        example={"addresses": ["ann@example.com", "bob@example.com"], "stream": "news"},
        answers={
            "data": [
                {
                    "address": "ann@example.com",
                    "suppressed": True,
                    "reason": "unsubscribe",
                    "stream": "news",
                    "expires_at": None,
                },
                {
                    "address": "bob@example.com",
                    "suppressed": False,
                    "reason": None,
                    "stream": None,
                    "expires_at": None,
                },
            ]
        },
    ),
    Operation(
        "POST",
        "/v1/suppressions/import",
        "suppressions:write",
        "Suppress the addresses of a list",
        import_suppressions,
        octets=Octets(("text/csv", "text/plain")),
        query=ImportSuppressions,
        answer=ImportShape,
        example=_LIST,
        answers=_IMPORTED,
        description="CSV in UTF-8, up to 100,000 rows of `address, reason, stream, expires_at`. All but the"
        " address may be empty, and a first row may name the columns. It is taken in parts: when it breaks"
        " off, send it again.",
    ),
    Operation(
        "GET",
        "/v1/suppressions/export",
        "suppressions:read",
        "All suppressed addresses as a list",
        export_suppressions,
        media_type=CSV,
        answers=_LIST,
        description="CSV, as an import takes it.",
    ),
)
