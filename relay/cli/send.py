"""posthouse send: one small message, through the same door rules as all mail."""

import sys

import click

from relay.cli.frame import Command, ask, json_option, print_json
from relay.cli.text import plain, status, when
from relay.control.operations.messages import Send
from relay.queue.listing import WAITING


@click.command(cls=Command)
@click.option("--from", "sender", required=True, metavar="ADDRESS", help="A mailbox of ours.")
@click.option("--to", required=True, multiple=True, metavar="ADDRESS", help="May be given several times.")
@click.option("--subject", default="", help="What it is about.")
@click.option("--text", help="What it says; else it is read from stdin.")
@json_option
def send(sender: str, to: tuple[str, ...], subject: str, text: str | None, as_json: bool) -> None:
    """Send one text message. Cap, suppression and signature hold as for all mail."""
    if text is None:
        text = sys.stdin.buffer.read().decode("utf-8", "replace")
    sent = ask("message.send", Send(sender=sender, to=to, subject=subject, text=text))
    if as_json:
        return print_json(sent)
    click.echo(f"{sent['id']}  {status(sent['status'])}")
    for each in sent["recipients"]:
        told = f" ({plain(each['reason'])})" if each["reason"] else ""
        click.echo(f"  {plain(each['address'])}: {status(each['status'])}{told}")
    if sent["scheduled_for"]:
        click.echo(f"waits until {when(sent['scheduled_for'])}")
    if not sent["daemon"] and sent["status"] in WAITING:
        click.echo("no daemon is running: it waits in the queue", err=True)
    return None
