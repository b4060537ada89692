"""The options of `posthouse mailbox set` that guard a mailbox, and how its guards are shown."""

from typing import Any, get_args

import click
import msgspec
from msgspec import UNSET

from relay.tenants.guards import Approval, Attachments, GuardChanges, Guards, Links


def guard_options(command: Any) -> Any:
    """What `set` may guard; see docs/operations.md."""
    for option in reversed(
        (
            click.option(
                "--allow-recipient",
                "allowed_recipients",
                multiple=True,
                metavar="ENTRY",
                help="Guard: only these addresses and domains.",
            ),
            click.option(
                "--only-who-wrote-first/--not-only-who-wrote-first",
                "only_who_wrote_first",
                default=None,
                help="Guard: only who wrote to it first.",
            ),
            click.option(
                "--new-recipients",
                "new_recipients_per_day",
                type=click.IntRange(0),
                metavar="N",
                help="Guard: new people a day.",
            ),
            click.option(
                "--links", type=click.Choice(get_args(Links)), help="Guard: only links of the conversation."
            ),
            click.option(
                "--link-domain", "link_domains", multiple=True, metavar="D", help="Links there are known."
            ),
            click.option(
                "--attachments", type=click.Choice(get_args(Attachments)), help="Guard: which may be sent."
            ),
            click.option(
                "--approval", type=click.Choice(get_args(Approval)), help="Guard: when a person is asked."
            ),
            click.option("--approver", metavar="ADDRESS", help="Who is asked by mail."),
            click.option("--no-guards", is_flag=True, help="No guards any more."),
        )
    ):
        command = option(command)
    return command


def guards_of(given: dict[str, Any]) -> Any:
    """What changes of the guards, None where all go, UNSET where nothing does."""
    names = GuardChanges.__struct_fields__
    changes = {name: given[name] for name in names if given[name] not in (None, ())}
    if given["no_guards"]:
        if changes:
            raise click.UsageError("--no-guards excludes new ones")
        return None
    return GuardChanges(**changes) if changes else UNSET


def guard_words(found: dict[str, Any]) -> list[str]:
    """Each guard that differs from none."""
    nothing = msgspec.structs.asdict(Guards())
    held = (found.get("guards") or {}).items()
    return [
        f"{name.replace('_', ' ')}: {_said(value)}"
        for name, value in held
        if value not in (nothing[name], [])
    ]


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes"
    return " ".join(value) if isinstance(value, (list, tuple)) else str(value)
