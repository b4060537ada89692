"""posthouse mailbox: the addresses that we own, their allowance and their passwords."""

import sys
from typing import Any

import click
from msgspec import UNSET

from relay.cli.frame import Complaint, Group, ask, json_option, print_json
from relay.cli.given import or_empty, or_none
from relay.cli.guard_options import guard_options, guard_words, guards_of
from relay.cli.text import bold, count, dim, facts, how_long_until, size, status, table, when
from relay.control.operations.mailboxes import AddMailbox, NamedMailbox, SetMailbox
from relay.control.registry import Nothing
from relay.tenants.mailboxes import MailboxStatus


@click.group(cls=Group)
def mailbox() -> None:
    """The addresses that we own: who may send, how much, and with which password."""


def _settings(command: Any) -> Any:
    """The options that `add` and `set` share."""
    for option in reversed(
        (
            click.option("--name", help="The person or application behind it."),
            click.option(
                "--alias", "aliases", multiple=True, metavar="ADDRESS", help="Another address of it."
            ),
            click.option("--daily-cap", type=click.IntRange(0), metavar="N", help="Recipients a day."),
            click.option("--warmup", metavar="PLAN", help="gentle, standard, start=…,factor=…, or 5,10,20."),
            click.option(
                "--senders",
                multiple=True,
                metavar="PATTERN",
                help="May also send from, e.g. '*@example.com'.",
            ),
            click.option("--pool", metavar="NAME", help="Takes over from others of the pool at their cap."),
            click.option("--password-stdin", is_flag=True, help="Read a password of your own from stdin."),
        )
    ):
        command = option(command)
    return command


@mailbox.command()
@click.argument("address")
@_settings
@click.option(
    "--refuse-bare-lf", is_flag=True, help="Refuse bare line feeds instead of reading them as CRLF."
)
@click.option("--signed-replies", is_flag=True, help="Know answers by a signed address in Reply-To.")
@json_option
def add(
    address: str,
    name: str | None,
    aliases: tuple[str, ...],
    daily_cap: int | None,
    warmup: str | None,
    senders: tuple[str, ...],
    pool: str | None,
    password_stdin: bool,
    refuse_bare_lf: bool,
    signed_replies: bool,
    as_json: bool,
) -> None:
    """Add a mailbox; its SMTP password is printed this once."""
    arguments = AddMailbox(
        address=address,
        name=name or "",
        daily_cap=daily_cap,
        warmup=warmup,
        senders=senders,
        aliases=aliases,
        pool=pool,
        fix_line_ends=not refuse_bare_lf,
        signed_replies=signed_replies,
        password=_read_password() if password_stdin else None,
    )
    added = ask("mailbox.add", arguments)
    if as_json:
        return print_json(added)
    _print(added)
    return _print_password(added)


@mailbox.command("list")
@json_option
def list_mailboxes(as_json: bool) -> None:
    """The mailboxes with what they may still send today."""
    found = ask("mailbox.list", Nothing())
    if as_json:
        return print_json(found)
    rows = [
        (
            each["address"],
            status(each["status"]),
            each["used_today"],
            each["cap"],
            _step(each),
            each["pool"],
            each["name"],
        )
        for each in found
    ]
    return table(("address", "status", "used", "cap", "warm-up", "pool", "name"), rows)


@mailbox.command()
@click.argument("mailbox")
@json_option
def show(mailbox: str, as_json: bool) -> None:
    """One mailbox: used, left, when more comes, and what it received last."""
    found = ask("mailbox.show", NamedMailbox(mailbox=mailbox))
    if as_json:
        return print_json(found)
    _print(found)
    if found["received"]:
        click.echo()
        rows = [
            (when(each["created_at"]), each["from"], each["subject"], size(each["size"]), each["id"])
            for each in found["received"]
        ]
        table(("received", "from", "subject", "size", "message"), rows)
    return None


@mailbox.command("set")
@click.argument("mailbox")
@_settings
@click.option("--status", "new_status", type=click.Choice([each.value for each in MailboxStatus]))
@click.option("--new-password", is_flag=True, help="Make a new SMTP password; the old one stops working.")
@click.option("--default-cap", is_flag=True, help="Let policy.default_daily_cap hold again.")
@click.option("--no-warmup", is_flag=True, help="End the warm-up: the daily cap alone holds.")
@click.option("--no-senders", is_flag=True, help="No sender patterns any more.")
@click.option("--no-aliases", is_flag=True, help="No aliases any more.")
@click.option("--no-pool", is_flag=True, help="Leave the pool.")
@click.option("--refuse-bare-lf/--fix-bare-lf", default=None, help="What becomes of bare line feeds.")
@click.option(
    "--signed-replies/--no-signed-replies",
    default=None,
    help="Whether answers are known by a signed address in Reply-To.",
)
@guard_options
@json_option
def change(mailbox: str, **given: Any) -> None:
    """Change a mailbox; what is not given stays. --alias and --senders replace what was there."""
    as_json, new_password = given.pop("as_json"), given["new_password"]
    password = _read_password() if given.pop("password_stdin") else None
    if new_password and password is not None:
        raise click.UsageError("--new-password and --password-stdin exclude each other")
    arguments = _changes(mailbox, given, password)
    if arguments == SetMailbox(mailbox=mailbox):
        raise click.UsageError("nothing to change is given")
    changed = ask("mailbox.set", arguments)
    if as_json:
        return print_json(changed)
    _print(changed)
    return _print_password(changed)


@mailbox.command()
@click.argument("mailbox")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def remove(mailbox: str, yes: bool, as_json: bool) -> None:
    """Remove a mailbox. What it sent and received stays; what waits still goes out."""
    if not yes and sys.stdin.isatty():
        click.confirm(f"Remove {mailbox}?", abort=True, err=True)
    removed = ask("mailbox.remove", NamedMailbox(mailbox=mailbox))
    if as_json:
        return print_json(removed)
    waiting = removed["waiting"]
    still = f"; {count(waiting, 'recipient')} of its mail still to be delivered" if waiting else ""
    return click.echo(f"{removed['address']} is removed{still}")


def _changes(mailbox: str, given: dict[str, Any], password: str | None) -> SetMailbox:
    refuses = given["refuse_bare_lf"]
    return SetMailbox(
        mailbox=mailbox,
        name=UNSET if given["name"] is None else given["name"],
        daily_cap=or_none(given, "daily_cap", "default_cap"),
        warmup=or_none(given, "warmup", "no_warmup"),
        pool=or_none(given, "pool", "no_pool"),
        senders=or_empty(given, "senders", "no_senders"),
        aliases=or_empty(given, "aliases", "no_aliases"),
        status=UNSET if given["new_status"] is None else MailboxStatus(given["new_status"]),
        fix_line_ends=UNSET if refuses is None else not refuses,
        signed_replies=UNSET if given["signed_replies"] is None else given["signed_replies"],
        guards=guards_of(given),
        new_password=given["new_password"],
        password=password,
    )


def _read_password() -> str:
    """The first line of stdin."""
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise Complaint("no password came from stdin")
    return password


def _print(found: dict[str, Any]) -> None:
    click.echo(f"{bold(found['address'])}  {status(found['status'])}  {dim(found['id'])}")
    today = f"{found['used_today']} used, {found['left']} left of {found['cap']}"
    more_at = f"{when(found['resets_at'])} ({how_long_until(found['resets_at'])})"
    facts(
        [
            ("name", found["name"]),
            ("today", today),
            ("resets", more_at),
            ("daily cap", found["daily_cap"]),
            ("warm-up", _step(found)),
            ("sends as", found["senders"]),
            ("aliases", found["aliases"]),
            ("pool", found["pool"]),
            ("Reply-To", "a signed address" if found["signed_replies"] else None),
            ("guards", guard_words(found)),
            ("bare LF", None if found["fix_line_ends"] else "refused"),
        ]
    )
    if not found["domain_verified"]:
        domain = found["address"].rpartition("@")[2]
        hint = f"nothing can be sent yet: run `posthouse domain verify {domain}` when its DNS is published"
        click.echo(click.style(hint, fg="yellow"))


def _step(found: dict[str, Any]) -> str:
    warmup, upcoming = found["warmup"], found["next_step"]
    if warmup is None:
        return ""
    told = f"day {warmup['step']} of {warmup['plan'] or 'its plan'}: {warmup['cap']}"
    return f"{told}, then {upcoming['cap']}" if upcoming else told


def _print_password(found: dict[str, Any]) -> None:
    if found.get("smtp_password"):
        click.echo(f"\nSMTP login     {found['address']}")
        click.echo(f"SMTP password  {bold(found['smtp_password'])}  {dim('(shown this once)')}")
