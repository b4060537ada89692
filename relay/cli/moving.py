"""posthouse store move: from SQLite to PostgreSQL, with everything in it."""

import sys
from typing import Any

import click

from relay.cli.frame import FAILED, Group, as_owner, config, json_option, print_json, run
from relay.cli.progress import Bar
from relay.cli.text import count, plain, table
from relay.clock import SystemClock
from relay.config.values import SecretUrl
from relay.control.moving import move as move_store


@click.group(cls=Group)
def store() -> None:
    """The store as a whole, and where it is kept."""


@store.command()
@click.option(
    "--to", "url", required=True, metavar="URL", help="postgresql://user@host/database, which is empty."
)
@json_option
def move(url: str, as_json: bool) -> None:
    """Carry the SQLite store over to PostgreSQL: queue, letters, bodies, log.

    No daemon may be running: stop it, move, set store.url, start it. Clients
    and other servers try again meanwhile, so nothing is lost. Every row is read
    again on both sides; only when all are the same is the old store closed
    and the new one opened to nodes. Broken off, run it again: until then the
    old store is as it was.

    A password is better kept in ~/.pgpass or PGPASSWORD than in the URL.
    """
    holds = config()
    with as_owner(holds), Bar(enabled=sys.stderr.isatty()) as bar:
        done = run(move_store(holds, url, SystemClock(), bar.show))
    if as_json:
        print_json(done)
    else:
        _print(done, SecretUrl(url).redacted())
    if done["differences"]:
        raise click.exceptions.Exit(FAILED)


def _print(done: dict[str, Any], url: str) -> None:
    table(
        ("table", "rows", "moved"),
        [(each["table"], each["rows"], each["rows_moved"]) for each in done["tables"]],
    )
    click.echo()
    for difference in done["differences"]:
        click.echo(f"{click.style('differs:', fg='red')} {plain(difference)}")
    if done["differences"]:
        click.echo(f"not moved: {plain(done['store'])} is as it was, and goes on")
        return
    if done["texts_mended"]:
        rows = count(done["texts_mended"], "row")
        click.echo(f"{click.style('note:', fg='yellow')} {rows} held a NUL, which is a question mark there")
    if done["leases_ended"]:
        click.echo(f"{count(done['leases_ended'], 'attempt')} left without an outcome: due again")
    rows, bodies = count(done["rows"], "row"), count(done["bodies"], "large body")
    click.echo(
        click.style(f"moved {rows} and {bodies.replace('bodys', 'bodies')}, each compared", fg="green")
    )
    click.echo(f'now set store.url = "{plain(url)}" and start the service')
    click.echo(f"{plain(done['store'])} is kept, and closed: nothing opens it by accident")
