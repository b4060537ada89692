"""The proof that a store is whole: what must be true between its tables, its files and its log.

Every check reads what was committed at one instant, so it can run beside a
daemon. The SQL stands here because it looks across rooms; it only reads.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from relay.control.context import Context
from relay.errors import StoreUnavailable
from relay.events.kinds import EventKind
from relay.policy import days
from relay.queue.state import EVENTS, FINAL, TRANSITIONS, State
from relay.store.bodies import IN_OBJECTS, BodyShelf
from relay.store.database import Reader, Row, Value

SHOWN = 20
BATCH = 2000

_STATES = ", ".join(f"'{state.value}'" for state in State)
_FINAL = ", ".join(f"'{state.value}'" for state in FINAL)
_TIMED = ", ".join(f"'{state.value}'" for state in (State.SCHEDULED, State.QUEUED, State.DEFERRED))
_MOVES = ", ".join(f"'{kind.value}'" for kind in sorted({kind for kind in EVENTS.values() if kind}))


@dataclass(slots=True)
class Report:
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, found: list[str]) -> None:
        """All of them, or the first and how many more."""
        self.problems += found[:SHOWN]
        if len(found) > SHOWN:
            self.problems.append(f"… and {len(found) - SHOWN} more of the kind")


Check = Callable[[Context, Report], Awaitable[None]]


async def check_store(context: Context) -> Report:
    """Run every check; a file that SQLite cannot read is not looked at any further."""
    report = Report()
    for place, (name, check) in enumerate(_CHECKS.items()):
        context.progress(name, place, len(_CHECKS))
        await check(context, report)
        if report.problems and check is _check_file:
            break
    context.progress("done", len(_CHECKS), len(_CHECKS))
    return report


async def _check_file(context: Context, report: Report) -> None:
    report.add(await context.db.integrity())


async def _check_messages(context: Context, report: Report) -> None:
    report.add(
        await _told(
            context.db,
            "select m.id as id from messages m left join contents c on c.message_id = m.id"
            " where c.message_id is null",
            lambda row: f"message {row['id']} has no content",
        )
    )
    report.add(
        await _told(
            context.db,
            "select m.id as id from messages m where m.direction = 'out'"
            " and not exists (select 1 from recipients r where r.message_id = m.id)",
            lambda row: f"message {row['id']} has no recipients",
        )
    )


async def _check_bodies(context: Context, report: Report) -> None:
    report.add(
        await _told(
            context.db,
            "select m.id as id, m.body_size as wanted, length(c.body) as found from messages m"
            " join contents c on c.message_id = m.id"
            " where c.body is not null and length(c.body) <> m.body_size",
            lambda row: f"message {row['id']}: its body has {row['found']} octets instead of {row['wanted']}",
        )
    )
    report.add(
        await _told(
            context.db,
            "select distinct r.message_id as id from recipients r"  # noqa: S608
            " join contents c on c.message_id = r.message_id"
            f" where r.state not in ({_FINAL}) and c.body is null and c.body_file is null",
            lambda row: f"message {row['id']}: recipients wait, but its body is gone",
        )
    )


async def _check_files(context: Context, report: Report) -> None:
    if context.db.engine == "postgresql":  # large bodies are rows there, which `integrity` looks at
        return
    shelf = context.station.shelf
    # The files first: one that is there and named by no row was dropped by nobody since.
    present = await asyncio.to_thread(lambda: set(shelf.names()))
    rows = await _kept(context.db, "not like")
    sizes = await asyncio.to_thread(lambda: {row["file"]: _size(shelf, row["file"]) for row in rows})
    report.add(await _differing(context.db, rows, sizes, "body file"))
    if orphans := sorted(present - set(sizes)):
        report.notes.append(
            f"{len(orphans)} body files without a message, such as {orphans[0]}; they are swept after an hour"
        )


async def _check_objects(context: Context, report: Report) -> None:
    rows = await _kept(context.db, "like")
    if not rows:
        return
    try:
        sizes = await context.station.shelf.sizes_elsewhere()
    except StoreUnavailable as trouble:
        report.add([f"{len(rows)} bodies in object storage could not be looked at: {trouble}"])
    else:
        report.add(await _differing(context.db, rows, sizes, "object"))


async def _kept(reader: Reader, like: str) -> Sequence[Row]:
    """The bodies that stand in object storage, or those that do not."""
    return await reader.fetch_all(
        "select c.body_file as file, m.id as id, m.body_size as size from contents c"  # noqa: S608
        " join messages m on m.id = c.message_id"
        f" where c.body_file is not null and c.body_file {like} '{IN_OBJECTS}%'"
    )


async def _differing(
    reader: Reader, rows: Sequence[Row], sizes: Mapping[str, int | None], what: str
) -> list[str]:
    found = []
    for row in rows:
        size = sizes.get(row["file"])
        if size is None and await _still_names(reader, row["id"], row["file"]):
            found.append(f"message {row['id']}: its {what} {row['file']} is missing")
        elif size is not None and size != row["size"]:
            found.append(
                f"message {row['id']}: {what} {row['file']} has {size} octets instead of {row['size']}"
            )
    return found


def _size(shelf: BodyShelf, name: str) -> int | None:
    """None for a file that is not there, and for a name that is none of ours."""
    try:
        return shelf.path(name).stat().st_size
    except (FileNotFoundError, ValueError):
        return None


async def _still_names(reader: Reader, message_id: str, file: str) -> bool:
    """Retention may have purged the row since it was read."""
    row = await reader.fetch_one("select body_file from contents where message_id = $1", message_id)
    return row is not None and row["body_file"] == file


async def _check_recipients(context: Context, report: Report) -> None:
    rules = {
        f"state not in ({_STATES})": "is in a state that there is not",
        f"state in ({_FINAL}) and settled_at is null": "is finished, but not since when",
        f"state not in ({_FINAL}) and settled_at is not null": "waits, but is said to be finished",
        f"state in ({_TIMED}) and due_at is null": "waits, but not for any time",
        "state = 'leased' and (lease_owner is null or lease_until is null)": "is leased, but to nobody",
        "state <> 'leased' and lease_owner is not null": "has a lease, but is in no attempt",
        "state = 'held' and reason is null": "is held, but nobody said why",
        "attempts < 0 or unfinished < 0 or epoch < 0": "counts less than nothing",
    }
    for condition, told in rules.items():
        sql = f"select id, message_id, state from recipients where {condition} order by id limit 100"  # noqa: S608
        rows = await context.db.fetch_all(sql)
        report.add([f"{_recipient(row)} ({row['state']}) {told}" for row in rows])


async def _check_history(context: Context, report: Report) -> None:
    """Each recipient's state is where its last event led. What retention has purged is not missed."""
    found: list[str] = []
    after_id = 0
    while True:
        rows = await context.db.fetch_all(
            "select r.id as id, r.message_id as message_id, r.state as state,"  # noqa: S608
            " (select e.kind from events e where e.message_id = r.message_id and e.recipient_id = r.id"
            f"  and e.kind in ({_MOVES}) order by e.seq desc limit 1) as kind,"
            " exists (select 1 from events e where e.message_id = r.message_id"
            "  and e.kind = 'message.accepted') as told"
            " from recipients r where r.id > $1 order by r.id limit $2",
            after_id,
            BATCH,
        )
        if not rows:
            break
        after_id = rows[-1]["id"]
        found += [told for row in rows if (told := _contradiction(row))]
    report.add(found)


def _contradiction(row: Any) -> str | None:
    state, kind = row["state"], row["kind"]
    if state not in _HISTORY or kind in _HISTORY[state] or (kind is None and not row["told"]):
        return None
    return f"{_recipient(row)} is {state}, but its last event is {kind or 'missing'}"


async def _check_allowances(context: Context, report: Report) -> None:
    # Recipients of earlier days may have been forgotten.
    config = context.station.config
    forgotten = days.day_of(context.clock.now() - config.retention.events, config.policy.cap_timezone)
    report.add(
        await _told(
            context.db,
            "with taken as (select mailbox_id, release_day as day, count(*) as recipients from recipients"
            " where release_day is not null and state not in ('canceled', 'suppressed')"
            " group by mailbox_id, release_day),"
            " days as (select mailbox_id, day from allowances union select mailbox_id, day from taken)"
            " select b.address as address, d.day as day, coalesce(a.used, 0) as used,"
            " coalesce(t.recipients, 0) as recipients from days d join mailboxes b on b.id = d.mailbox_id"
            " left join allowances a on a.mailbox_id = d.mailbox_id and a.day = d.day"
            " left join taken t on t.mailbox_id = d.mailbox_id and t.day = d.day"
            " where coalesce(a.used, 0) <> coalesce(t.recipients, 0) and d.day > $1"
            " order by b.address, d.day",
            lambda row: (
                f"{row['address']}: {row['used']} counted on {row['day']},"
                f" but {row['recipients']} recipients were taken for it"
            ),
            forgotten,
        )
    )


async def _check_cursors(context: Context, report: Report) -> None:
    report.add(
        await _told(
            context.db,
            "select name, seq, (select coalesce(max(seq), 0) from events) as last from cursors"
            " where seq < 0 or (seq > (select coalesce(max(seq), 0) from events)"
            " and exists (select 1 from events) and name not like 'turn:%')",
            lambda row: f"reader {row['name']} is at event {row['seq']}, the log ends at {row['last']}",
        )
    )


async def _told(reader: Reader, sql: str, tell: Callable[[Any], str], *args: Value) -> list[str]:
    return [tell(row) for row in await reader.fetch_all(sql, *args)]


def _recipient(row: Any) -> str:
    return f"recipient {row['id']} of {row['message_id']}"


def _history() -> Mapping[str, frozenset[EventKind | None]]:
    """By state, the events after which a recipient may be in it; None stands for none at all."""
    kinds: dict[str, set[EventKind | None]] = {state.value: set() for state in State}
    for (_, happening), state in TRANSITIONS.items():
        kinds[state.value].add(EVENTS[happening])
    # As a message comes in, and what a claim leaves as it was.
    kinds[State.QUEUED.value].add(None)
    kinds[State.SCHEDULED.value].add(None)
    kinds[State.LEASED.value] |= kinds[State.QUEUED.value] | kinds[State.DEFERRED.value]
    return {state: frozenset(found) for state, found in kinds.items()}


_HISTORY = _history()
_CHECKS: Mapping[str, Check] = {
    "file": _check_file,
    "messages": _check_messages,
    "bodies": _check_bodies,
    "body files": _check_files,
    "objects": _check_objects,
    "recipients": _check_recipients,
    "history": _check_history,
    "allowances": _check_allowances,
    "cursors": _check_cursors,
}
