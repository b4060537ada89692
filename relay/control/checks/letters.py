"""Letters agree with their threads, labels and words; what came in is read or waits; posts too."""

from relay.control.checks.report import Report, broken, message_of, told
from relay.control.context import Context

# Where the numbers of the letters stand whose words can be found.
_FINDABLE = {
    "sqlite": "(select id as number from letter_search_docsize)",
    "postgresql": "(select rowid as number from letter_search)",
}


async def check_letters(context: Context, report: Report) -> None:
    """Whatever was received has a letter or is still to be read, and is in the thread that it names."""
    rules = {
        "select m.id as id from messages m where m.direction = 'in'"
        " and not exists (select 1 from arrivals a where a.message_id = m.id)"
        " and not exists (select 1 from letters l where l.message_id = m.id)": (
            "was received, but has no letter and does not wait to be read"
        ),
        "select a.message_id as id from arrivals a join letters l on l.message_id = a.message_id": (
            "has a letter, but waits to be read"
        ),
        "select l.message_id as id from letters l join contents c on c.message_id = l.message_id"
        " where (c.body is not null or c.body_file is not null)"
        " and not exists (select 1 from letter_texts t where t.message_id = l.message_id)": (
            "has a letter without its text"
        ),
        "select l.message_id as id from letters l join threads t on t.id = l.thread_id"
        " where t.mailbox_id <> l.mailbox_id or t.tenant_id <> l.tenant_id": (
            "has a letter in a thread of another mailbox"
        ),
        "select l.message_id as id from letters l join threads t on t.id = l.thread_id"
        " where t.merged_into is not null": "has a letter in a thread that was merged into another",
    }
    await broken(context.db, rules, message_of, report)
    report.add(
        await told(
            context.db,
            "select t.id as id, t.messages as counted, count(l.number) as found from threads t"
            " left join letters l on l.thread_id = t.id and l.standing = 'accepted'"
            " group by t.id, t.messages having t.messages <> count(l.number) order by t.id",
            lambda row: f"thread {row['id']} counts {row['counted']} letters, but has {row['found']}",
        )
    )


async def check_index(context: Context, report: Report) -> None:
    """What can be found by its words or its labels is what is there."""
    findable = _FINDABLE[context.db.engine]
    rules = {
        "select l.message_id as id from letters l join letter_texts t on t.message_id = l.message_id"  # noqa: S608
        f" left join {findable} f on f.number = l.number where f.number is null": (
            "has a letter that no search finds"
        ),
        "select l.message_id as id from letter_labels x join letters l on l.number = x.number"
        " where x.mailbox_id <> l.mailbox_id"
        " or not exists (select 1 from {each:l.labels} where value = x.label)": (
            "is found under a label that it does not have"
        ),
        "select l.message_id as id from letters l where l.labels <> '[]'"
        " and exists (select 1 from {each:l.labels} where value not in"
        " (select x.label from letter_labels x where x.number = l.number))": (
            "is not found under a label that it has"
        ),
    }
    await broken(context.db, rules, message_of, report)
    report.add(
        await told(
            context.db,
            f"select f.number as number from {findable} f"  # noqa: S608
            " left join letters l on l.number = f.number"
            " left join letter_texts t on t.message_id = l.message_id where t.message_id is null limit 100",
            lambda row: f"a search finds letter {row['number']}, which is not there or has no text",
        )
    )


async def check_webhooks(context: Context, report: Report) -> None:
    """What endpoints are owed is due, leased until some time, or done since some time."""
    rules = {
        "state = 'leased' and lease_until is null": "is leased for ever",
        "state <> 'leased' and lease_until is not null": "has a lease, but is in no attempt",
        "state in ('done', 'failed') and settled_at is null": "is finished, but not since when",
        "state in ('due', 'leased') and settled_at is not null": "waits, but is said to be finished",
        "attempts < 0": "counts less than nothing",
    }
    where = "select number, endpoint_id, state from webhook_deliveries where"
    await broken(
        context.db,
        {f"{where} {condition}": wrong for condition, wrong in rules.items()},
        lambda row: f"post {row['number']} to {row['endpoint_id']} ({row['state']})",
        report,
    )
