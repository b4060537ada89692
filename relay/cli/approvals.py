"""posthouse approval: mail that guards hold, to be approved or rejected."""

from typing import Any, get_args

import click

from relay.cli.frame import Group, ask, json_option, print_json
from relay.cli.text import bold, dim, facts, how_long_until, plain, status, table, when
from relay.control.operations.approvals import DecideApproval, ListApprovals, NamedApproval
from relay.guards.approvals import Status


@click.group(cls=Group)
def approval() -> None:
    """Mail that guards hold until somebody approves or rejects it."""


@approval.command("list")
@click.option("--status", "wanted", type=click.Choice(get_args(Status)), default="pending", show_default=True)
@click.option("--all", "everything", is_flag=True, help="Whatever became of it.")
@click.option("-n", "limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@json_option
def list_approvals(wanted: Any, everything: bool, limit: int, as_json: bool) -> None:
    """The newest first."""
    found = ask("approval.list", ListApprovals(status=None if everything else wanted, limit=limit))
    if as_json:
        return print_json(found)
    if not found:
        return click.echo("nothing waits for approval")
    rows = [
        (
            each["id"],
            status(each["status"]),
            each["from"],
            ", ".join(each["recipients"][:3]),
            each["subject"],
            when(each["expires_at"]),
        )
        for each in found
    ]
    return table(("approval", "status", "from", "to", "subject", "until"), rows)


@approval.command()
@click.argument("approval_id", metavar="APPROVAL")
@json_option
def show(approval_id: str, as_json: bool) -> None:
    """One message that waits: whose, to whom, why, until when."""
    found = ask("approval.show", NamedApproval(id=approval_id))
    return print_json(found) if as_json else _print(found)


@approval.command()
@click.argument("approval_id", metavar="APPROVAL")
@click.option("--reason", help="Why; events tell it.")
@json_option
def approve(approval_id: str, reason: str | None, as_json: bool) -> None:
    """Let the message go, now or at its time."""
    found = ask("approval.approve", DecideApproval(id=approval_id, reason=reason))
    return print_json(found) if as_json else click.echo(f"{plain(found['message_id'])} is approved")


@approval.command()
@click.argument("approval_id", metavar="APPROVAL")
@click.option("--reason", help="Why; events tell it.")
@json_option
def reject(approval_id: str, reason: str | None, as_json: bool) -> None:
    """Take the message back; its allowance returns."""
    found = ask("approval.reject", DecideApproval(id=approval_id, reason=reason))
    return print_json(found) if as_json else click.echo(f"{plain(found['message_id'])} is rejected")


def _print(found: dict[str, Any]) -> None:
    click.echo(f"{bold(found['id'])}  {status(found['status'])}  {dim(found['message_id'])}")
    decided = f"{when(found['decided_at'])} by {plain(found['decided_by'])}" if found["decided_at"] else None
    facts(
        [
            ("from", found["from"]),
            ("to", found["recipients"]),
            ("subject", found["subject"]),
            ("sent by", found["credential"]),
            ("held", found["why"].replace("_", " ")),
            ("approvers", found["approvers"]),
            ("until", f"{when(found['expires_at'])} ({how_long_until(found['expires_at'])})"),
            ("decided", decided),
            ("reason", found["reason"]),
        ]
    )
    if found["status"] == "pending":
        click.echo(
            dim(f"  posthouse approval approve {found['id']}, or reject; posthouse explain shows the rest")
        )
