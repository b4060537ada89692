"""posthouse backup, restore, verify: the whole store at once."""

import sys
from pathlib import Path

import click

from relay.cli.frame import FAILED, Command, Complaint, as_owner, ask, config, json_option, print_json
from relay.cli.progress import Bar
from relay.cli.text import count, plain, size, when
from relay.clock import SystemClock
from relay.control.operations.store import BackUp
from relay.control.registry import Nothing
from relay.control.restore import hold_restored
from relay.control.restore import restore as restore_store


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def backup(file: Path, as_json: bool) -> None:
    """Write the whole store into one FILE, while mail goes on.

    It holds people's mail; DKIM keys and the configuration are not in it.
    """
    made = ask("store.backup", BackUp(file=str(file.absolute())), shows_progress=True)
    if not file.exists():  # a daemon with PrivateTmp= has a /tmp that nobody else sees
        where = config().server.data_dir
        raise Complaint(f"the daemon wrote {file} where only it can see it: name a file below {where}")
    if as_json:
        return print_json(made)
    return click.echo(f"{made['file']}: {size(made['size'])}, {count(made['bodies'], 'body file')}")


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--replace", is_flag=True, help="Set a store that is there aside, under another name.")
@click.option(
    "--hold-only", is_flag=True, help="After pg_restore: only hold what waits, in the store as it is."
)
@json_option
def restore(file: Path | None, replace: bool, hold_only: bool, as_json: bool) -> None:
    """Make the store from a backup FILE; no daemon may be running.

    All waiting mail comes back held, because it may have gone out since:
    look at `queue list --state held`, then release or cancel.
    """
    holds = config()
    if hold_only:
        with as_owner(holds):
            number = hold_restored(holds, SystemClock())
        return print_json({"held": number}) if as_json else click.echo(f"{_waiting(number)} held")
    if file is None:
        raise click.UsageError("name the backup FILE")
    with as_owner(holds), Bar(enabled=sys.stderr.isatty()) as bar:
        done = restore_store(holds, file, SystemClock(), bar.show, replace=replace)
    if as_json:
        return print_json(done)
    held = _waiting(done["held"])
    return click.echo(f"{done['store']}: as of {when(done['made_at'].isoformat())}; {held} held")


def _waiting(number: int) -> str:
    return count(number, "waiting recipient")


@click.command(cls=Command)
@json_option
def verify(as_json: bool) -> None:
    """Prove the store whole: file, bodies, states, history, allowances. Exit 1 when something is wrong."""
    found = ask("store.verify", Nothing(), shows_progress=True)
    if as_json:
        print_json(found)
    else:
        for problem in found["problems"]:
            click.echo(f"{click.style('wrong:', fg='red')} {plain(problem)}")
        for note in found["notes"]:
            click.echo(f"{click.style('note:', fg='yellow')} {plain(note)}")
        if found["whole"]:
            click.echo(click.style("the store is whole", fg="green"))
    if not found["whole"]:
        raise click.exceptions.Exit(FAILED)
