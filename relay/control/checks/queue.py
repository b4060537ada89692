"""Recipients are where their history led, allowances count them, readers of the log stand within it."""

from collections.abc import Mapping
from typing import Any

from relay.control.checks.report import Report, broken, told
from relay.control.context import Context
from relay.events.kinds import EventKind
from relay.policy import days
from relay.queue.state import EVENTS, FINAL, TRANSITIONS, State

BATCH = 2000

_STATES = ", ".join(f"'{state.value}'" for state in State)
_FINAL = ", ".join(f"'{state.value}'" for state in FINAL)
_TIMED = ", ".join(f"'{state.value}'" for state in (State.SCHEDULED, State.QUEUED, State.DEFERRED))
_MOVES = ", ".join(f"'{kind.value}'" for kind in sorted({kind for kind in EVENTS.values() if kind}))


async def check_recipients(context: Context, report: Report) -> None:
    rules = {
        f"state not in ({_STATES})": "is in a state that there is not",
        f"state in ({_FINAL}) and settled_at is null": "is finished, but not since when",
        f"state not in ({_FINAL}) and settled_at is not null": "waits, but is said to be finished",
        f"state in ({_TIMED}) and due_at is null": "waits, but not for any time",
        "state = 'leased' and (lease_owner is null or lease_until is null)": "is leased, but to nobody",
        "state <> 'leased' and (lease_owner is not null or lease_until is not null)": (
            "has a lease, but is in no attempt"
        ),
        "state = 'held' and reason is null": "is held, but nobody said why",
        "attempts < 0 or unfinished < 0 or epoch < 0": "counts less than nothing",
    }
    where = "select id, message_id, state from recipients where"
    await broken(
        context.db,
        {f"{where} {condition} order by id": wrong for condition, wrong in rules.items()},
        lambda row: f"{_recipient(row)} ({row['state']})",
        report,
    )


async def check_history(context: Context, report: Report) -> None:
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
        found += [wrong for row in rows if (wrong := _contradiction(row))]
    report.add(found)


def _contradiction(row: Any) -> str | None:
    state, kind = row["state"], row["kind"]
    if state not in _HISTORY or kind in _HISTORY[state] or (kind is None and not row["told"]):
        return None
    return f"{_recipient(row)} is {state}, but its last event is {kind or 'missing'}"


async def check_allowances(context: Context, report: Report) -> None:
    # Recipients of earlier days may have been forgotten.
    config = context.station.config
    forgotten = days.day_of(context.clock.now() - config.retention.events, config.policy.cap_timezone)
    report.add(
        await told(
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


async def check_cursors(context: Context, report: Report) -> None:
    report.add(
        await told(
            context.db,
            "select name, seq, (select coalesce(max(seq), 0) from events) as last from cursors"
            " where seq < 0 or (seq > (select coalesce(max(seq), 0) from events)"
            " and exists (select 1 from events) and name not like 'turn:%')",
            lambda row: f"reader {row['name']} is at event {row['seq']}, the log ends at {row['last']}",
        )
    )


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
