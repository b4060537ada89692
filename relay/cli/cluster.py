"""posthouse cluster: the nodes of one store, and taking one out of service."""

from typing import Any

import click

from relay.cli.frame import Group, ask, json_option, print_json
from relay.cli.text import bold, count, facts, how_long_until, plain, size, status, table, when
from relay.control.operations.cluster import NamedNode
from relay.control.registry import Nothing


@click.group(cls=Group)
def cluster() -> None:
    """The nodes that share a PostgreSQL store."""


@cluster.command("status")
@json_option
def show(as_json: bool) -> None:
    """Nodes, what they hold, what lags behind, and how the store is."""
    found = ask("cluster.status", Nothing())
    if as_json:
        return print_json(found)
    if found["engine"] == "sqlite":
        click.echo("SQLite: one node has this store")
    _print_nodes(found["nodes"], found["other_leases"])
    click.echo()
    return _print_rest(found)


@cluster.command()
@click.argument("node")
@json_option
def drain(node: str, as_json: bool) -> None:
    """NODE takes no new work, ends what is on the wire, and hands back the rest.

    Its /ready says 503 within seconds; after server.drain_timeout its SMTP
    doors answer 421. It stays drained through restarts, until `resume`.
    NODE is a name of `cluster status`, or how only one of them begins.
    """
    _turn("cluster.drain", node, as_json=as_json)


@cluster.command()
@click.argument("node")
@json_option
def resume(node: str, as_json: bool) -> None:
    """NODE takes work again."""
    _turn("cluster.resume", node, as_json=as_json)


def _turn(name: str, node: str, *, as_json: bool) -> None:
    found = ask(name, NamedNode(node=node))
    if as_json:
        return print_json(found)
    return click.echo(f"{bold(found['name'])}  {status(found['status'])}")


def _print_nodes(nodes: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["name"],
            status(each["status"]),
            each["version"],
            ", ".join(each["roles"]),
            when(each["started_at"]),
            how_long_until(each["seen_at"]),
            each["leases"],
            how_long_until(each["first_lease_ends_at"]),
        )
        for each in nodes
    ]
    for each in others:
        ends = how_long_until(each["first_lease_ends_at"])
        rows.append((each["name"], status("unknown"), "", "", "", "", each["leases"], ends))
    table(("node", "status", "version", "roles", "started", "seen", "leases", "first ends"), rows)


def _print_rest(found: dict[str, Any]) -> None:
    lag, store, oldest = found["lag"], found["store"], found["oldest_transaction"]
    behind = ", ".join(f"{plain(name)} {number}" for name, number in lag["events_behind"].items())
    unread = count(lag["unread"], "message")
    facts(
        [
            ("oldest due", how_long_until(lag["oldest_due_at"]) or "nothing waits for a node"),
            (
                "unread",
                f"{unread}, the oldest {how_long_until(lag['oldest_unread_at'])}"
                if lag["unread"]
                else "none",
            ),
            ("events behind", behind or "nobody reads the log yet"),
            ("oldest post due", how_long_until(lag["oldest_post_due_at"])),
            ("oldest transaction", _transaction(oldest)),
            ("store", f"{plain(store['path'])}, {size(store['size'])}, bodies {size(store['bodies'])}"),
            ("trouble", click.style(plain(store["trouble"]), fg="red") if store["trouble"] else ""),
        ]
    )


def _transaction(oldest: dict[str, Any] | None) -> str:
    if oldest is None:
        return ""
    session, state = plain(oldest["session"]), plain(oldest["state"])
    return f"{oldest['age_seconds']:.1f} s, {session} (process {oldest['process']}, {state})"
