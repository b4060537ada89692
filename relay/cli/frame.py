"""What every command shares: --config, --json, one line for an error, and the exit code.

0 done, 1 failed, 2 wrong usage, 78 configuration error (EX_CONFIG of
sysexits.h).
"""

import asyncio
import os
import stat
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from relay.cli.progress import Bar
from relay.cli.text import document
from relay.config import Config, ConfigError, Loaded, load_config
from relay.control.reach import perform
from relay.control.registry import operations
from relay.errors import InvalidInput, PosthouseError
from relay.quickstart.account import acting_as, owner_of

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

FAILED: Final = 1
USAGE: Final = 2
CONFIGURATION: Final = 78

_FILE: Final = "posthouse.config_file"
_DEBUG: Final = "posthouse.debug"


class Complaint(click.ClickException):
    """Ends the command with its text on stderr, and exit code 1."""

    exit_code = FAILED

    def show(self, file: Any = None) -> None:
        mark = click.style("error:", fg="red", bold=True)
        for line in self.message.splitlines() or [""]:
            click.echo(f"{mark} {line}", err=True)


class WrongUsage(Complaint):
    """What was given cannot be meant."""

    exit_code = USAGE


class BadConfiguration(Complaint):
    """The configuration cannot be used."""

    exit_code = CONFIGURATION


class Command(click.Command):
    """A command that takes --config wherever it stands on the line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _common_options()


class Group(click.Group):
    """Commands about one noun."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _common_options()


class Root(Group):
    """`posthouse` itself: turns errors into a line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        # For commands that take the file as a parameter of their own.
        ctx.default_map = {name: {"config_file": ctx.meta.get(_FILE)} for name in self.list_commands(ctx)}
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            raise _complaint(ctx, error) from error


def json_option(command: F) -> F:
    """--json, as the parameter `as_json`."""
    option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for scripts.")
    return option(command)


def loaded_config() -> Loaded:
    """The configuration of this command line; raises ConfigError (exit 78)."""
    return load_config(click.get_current_context().meta.get(_FILE))


def config() -> Config:
    """What holds, without where it comes from."""
    return loaded_config().config


def wants_traceback() -> bool:
    """Whether --debug was given."""
    return bool(click.get_current_context().meta.get(_DEBUG))


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; Ctrl-C ends it as a shell expects."""
    return asyncio.run(work)


def ask(name: str, arguments: msgspec.Struct, *, shows_progress: bool = False) -> Any:
    """The operation's result, from the daemon or from a store opened here."""
    holds = config()
    with (
        as_owner(holds),
        Bar(enabled=shows_progress and sys.stderr.isatty()) as bar,
    ):
        return run(perform(holds, name, arguments, bar.show))


@contextmanager
def as_owner(holds: Config) -> Iterator[None]:
    """For the block, be the user whose the data directory is, where root runs a command.

    What root makes in a store would be root's, and closed to the daemon.
    Where that user could not even read Python's own files, root stays root:
    no daemon of theirs runs from here.
    """
    operations()  # imported while everything can be read
    readable = all(map(_is_open_to_all, (Path(os.__file__), Path(__file__))))
    with acting_as(owner_of(holds.server.data_dir) if readable else None):
        yield


def _is_open_to_all(file: Path) -> bool:
    return all(directory.stat().st_mode & stat.S_IXOTH for directory in file.resolve().parents)


def print_json(value: Any) -> None:
    """One document."""
    click.echo(document(msgspec.json.format(msgspec.json.encode(value), indent=2)))


def _common_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            expose_value=False,
            callback=_remember(_FILE),
            help="Configuration file [$POSTHOUSE_CONFIG, ./config.toml, /etc/posthouse/config.toml].",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            default=None,
            expose_value=False,
            callback=_remember(_DEBUG),
            help="Show the traceback of a failure.",
        ),
    ]


def _remember(key: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, _: click.Parameter, value: Any) -> None:
        # Given before the subcommand or after it: `meta` is one for the whole line.
        if value:
            ctx.meta[key] = value

    return callback


def _complaint(ctx: click.Context, error: Exception) -> Complaint:
    if ctx.meta.get(_DEBUG):
        traceback.print_exception(error)
    if isinstance(error, ConfigError):
        return BadConfiguration(str(error))
    if isinstance(error, InvalidInput):
        return WrongUsage(f"{error.field}: {error}" if error.field else str(error))
    if isinstance(error, PosthouseError):
        return Complaint(str(error))
    if isinstance(error, UnicodeError):
        return WrongUsage("what was given is not UTF-8")
    if isinstance(error, OSError) and error.filename:
        return Complaint(f"{error.filename}: {error.strerror}")
    return Complaint(f"a fault of ours: {type(error).__name__}: {error} (--debug shows where)")
