"""posthouse audit: who changed what, and how it was before."""

from typing import Any

import click

from relay.cli.frame import ask, json_option, print_json
from relay.cli.text import count, plain, table, when
from relay.control.operations.audit import ListAudit


@click.command()
@click.option("--tenant", metavar="ID", help="Of one tenant; else of all.")
@click.option("--action", metavar="NAME", help="Such as key.created, or key for all of them.")
@click.option(
    "--actor", metavar="WHO", help="A key's id, a command, an address; or key, operator, approver, system."
)
@click.option("--target", metavar="WHAT", help="An id, address or domain.")
@click.option("--since", metavar="WHEN", help="2027-01-31T12:00:00Z, or 7d.")
@click.option("-n", "limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@json_option
def audit(
    tenant: str | None,
    action: str | None,
    actor: str | None,
    target: str | None,
    since: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Who changed what, the newest last."""
    asked = ListAudit(tenant=tenant, action=action, actor=actor, target=target, since=since, limit=limit)
    found = ask("audit.list", asked)
    if as_json:
        return print_json(found)
    rows = [
        (
            when(each["at"]),
            f"{each['actor']} {each['actor_id'] or ''}".strip(),
            each["action"],
            plain(each["target"] or ""),
            plain(_change(each)),
        )
        for each in found
    ]
    return table(("when", "who", "what", "of", "change"), rows)


def _change(entry: dict[str, Any]) -> str:
    before, after = entry["before"] or {}, entry["after"] or {}
    if entry["before"] is None or entry["after"] is None:
        changed = entry["data"].get("changed")
        return count(changed, "recipient") if isinstance(changed, int) else ""
    return ", ".join(f"{name}: {before.get(name)} → {after.get(name)}" for name in after)
