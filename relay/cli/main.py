"""`posthouse`: the commands by name, imported when they are asked for."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Final

import click

from relay.cli.frame import Root
from relay.version import __version__

# name → module and attribute, in the order in which --help shows them
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "dev": ("relay.cli.dev", "dev"),
    "quickstart": ("relay.cli.quickstart", "quickstart"),
    "serve": ("relay.cli.serve", "serve"),
    "config": ("relay.cli.configuration", "config"),
    "domain": ("relay.cli.domains", "domain"),
    "mailbox": ("relay.cli.mailboxes", "mailbox"),
    "key": ("relay.cli.keys", "key"),
    "tenant": ("relay.cli.tenants", "tenant"),
    "audit": ("relay.cli.audit", "audit"),
    "send": ("relay.cli.send", "send"),
    "approval": ("relay.cli.approvals", "approval"),
    "queue": ("relay.cli.queue", "queue"),
    "explain": ("relay.cli.explain", "explain"),
    "tail": ("relay.cli.tail", "tail"),
    "stats": ("relay.cli.stats", "stats"),
    "suppression": ("relay.cli.suppressions", "suppression"),
    "doctor": ("relay.cli.doctor", "doctor"),
    "backup": ("relay.cli.store", "backup"),
    "restore": ("relay.cli.store", "restore"),
    "verify": ("relay.cli.store", "verify"),
    "cluster": ("relay.cli.cluster", "cluster"),
    "store": ("relay.cli.moving", "store"),
}


class LazyRoot(Root):
    """Imports a command's module when the command is asked for, so that each starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name, (module, _) in COMMANDS.items() if find_spec(module) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module, attribute = COMMANDS[cmd_name]
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


def build() -> click.Group:
    """The whole command line."""
    root = LazyRoot(
        name="posthouse",
        help="Self-hosted SMTP relay and inbound mail server.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    click.version_option(__version__, prog_name="posthouse")(root)
    return root


def main() -> None:
    """The entry point of the distribution."""
    build()(prog_name="posthouse")
