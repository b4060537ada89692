"""posthouse explain: every decision of one message, in order."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click

from relay.cli.frame import Command, ask, json_option, print_json
from relay.cli.queue import print_message
from relay.cli.text import count, dim, how_long_until, plain, size, status, when
from relay.control.operations.queue import NamedMessage

_DOORS = {
    "cli": "from the command line",
    "dsn": "a notice of our own",
    "approval": "a question of ours to an approver",
    "local": "from this house",
}
_HINTS = {
    "operator": "somebody held it",
    "approval": "it waits for approval",
    "quarantine": "its attempts kept dying without an outcome",
    "restored": "it came back from a backup and may have gone out since",
}
_REPORTS = {
    "dsn": "a delivery report (RFC 3464)",
    "notice": "a notice in no standard form",
}


@click.command(cls=Command)
@click.argument("message")
@json_option
def explain(message: str, as_json: bool) -> None:
    """Every decision of one message, in order: who, which budget, which MX, every reply, what next."""
    found = ask("message.explain", NamedMessage(message=message))
    if as_json:
        return print_json(found)
    return show(found)


def show(found: Mapping[str, Any]) -> None:
    """What `message.explain` answered, for people."""
    print_message(found["message"])
    click.echo()
    for event in found["events"]:
        _print_event(event)
    _print_present(found["message"])


def _print_event(event: Mapping[str, Any]) -> None:
    happened = event["kind"].removeprefix("message.")
    name = status(happened) + " " * max(0, 10 - len(happened))
    lines = list(_TOLD.get(event["kind"], _tell_anything)(event["data"]))
    first, *rest = lines or [""]
    stamp = when(event["at"])
    click.echo(f"{dim(stamp)}  {name}  {first}".rstrip())
    margin = " " * (len(stamp) + 14)
    for line in rest:
        click.echo(f"{margin}{line}")


def _print_present(message: Mapping[str, Any]) -> None:
    """What holds now, for recipients that are not finished."""
    for each in message["recipients"]:
        address = plain(each["address"])
        if each["status"] == "held":
            why = _HINTS.get(each["reason"], "")
            click.echo(f"\n{address} is held ({plain(each['reason'])}): {why}")
            click.echo(dim(f"  {_way_on(message['id'], each['reason'])}"))
        elif each["next_attempt_at"] is not None:
            at, distance = when(each["next_attempt_at"]), how_long_until(each["next_attempt_at"])
            click.echo(f"\n{address} is {status(each['status'])}: next at {at} ({distance})")
        elif each["status"] == "leased":
            click.echo(f"\n{address} is in an attempt now")


def _way_on(message_id: str, reason: str) -> str:
    if reason == "approval":
        return "posthouse approval list, then approve or reject"
    return f"posthouse queue release {message_id}, or cancel"


def _tell_accepted(data: Mapping[str, Any]) -> Iterator[str]:
    source = data.get("source", "")
    door = _DOORS.get(source) or f"over {plain(source)} ({plain(data.get('protocol', ''))})"
    client = f" from {plain(data['client'])}" if data.get("client") else ""
    helo = f", who says {plain(data['helo'])}" if data.get("helo") else ""
    yield f"{door}{client}{helo}"
    if data.get("tls"):
        yield plain(data["tls"])
    if data.get("login"):
        yield f"login {plain(data['login'])}"
    elif data.get("client"):
        yield "no login: a trusted network"
    recipients = count(data.get("recipients", 0), "recipient")
    yield f"<{plain(data.get('reverse_path', ''))}> to {recipients}, {size(data.get('size', 0))}"
    if data.get("allowance"):
        yield f"allowance: {plain(data['allowance'])}"
    if data.get("signing_domain"):
        yield f"signed for {plain(data['signing_domain'])} when it is released"
    for told in data.get("guards", ()):
        yield f"guards: {plain(told)}"
    if data.get("line_ends_fixed"):
        yield f"{data['line_ends_fixed']} bare line feeds were read as CRLF"
    if data.get("tags"):
        yield f"tags: {plain(', '.join(data['tags']))}"
    if data.get("session"):
        yield dim(f"session {plain(data['session'])}")


def _tell_scheduled(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"until {when(data.get('release_at'))}: {plain(data.get('why', ''))}"


def _tell_sent(data: Mapping[str, Any]) -> Iterator[str]:
    transfer = f"attempt {data.get('attempt')}, transfer to {plain(data.get('mx'))}"
    yield f"{plain(data.get('recipient'))}: {transfer}"


def _tell_outcome(data: Mapping[str, Any]) -> Iterator[str]:
    reply = plain(data.get("reply") or data.get("reason", ""))
    yield f"{plain(data.get('recipient'))}: {reply}"
    if data.get("source") in _REPORTS:
        mx = f", by {plain(data['mx'])}" if data.get("mx") else ""
        yield f"{_REPORTS[data['source']]} said so after it was delivered{mx}"
        yield plain(data.get("reason", "")).replace("_", " ")
    elif data.get("mx"):
        ip = f" [{plain(data['ip'])}]" if data.get("ip") else ""
        tls = "" if data["mx"] == "local" else f", {plain(data.get('tls') or 'in plain text')}"
        yield f"attempt {data.get('attempt')} by {plain(data['mx'])}{ip}{tls}"
    if data.get("scope") and not str(data.get("reply", "")).startswith("2"):
        reason = data.get("reason", "unknown")
        told = "" if reason == "unknown" else f", {plain(reason).replace('_', ' ')}"
        yield f"concerns the {plain(data['scope'])}{told}"
    if data.get("attempts_without_outcome"):
        yield f"{data['attempts_without_outcome']} attempts in a row left no outcome"
    if data.get("ambiguous"):
        yield "it broke off after the final dot: the far side may have the message"
    for line in data.get("dialogue", ()):
        yield dim(f"  {plain(line)}")
    if data.get("next_attempt_at"):
        yield f"next try at {when(data['next_attempt_at'])}"
    if data.get("delay_notice"):
        yield "the sender is told of the delay"
    if data.get("passed_dsn_on"):
        yield "the far server writes the notices that were asked for"


def _tell_turned(data: Mapping[str, Any]) -> Iterator[str]:
    by = f" by {plain(data['by'])}" if data.get("by") else ""
    reason = f" ({plain(data['reason'])})" if data.get("reason") else ""
    yield f"{plain(data.get('recipient', ''))}{by}{reason}"
    if data.get("approval_id"):
        yield dim(f"approval {plain(data['approval_id'])}")


def _tell_received(data: Mapping[str, Any]) -> Iterator[str]:
    client = plain(data.get("client") or "this house")
    helo = f", who says {plain(data['helo'])}" if data.get("helo") else ""
    yield f"from {client}{helo}, {plain(data.get('tls') or 'in plain text')}"
    yield f"<{plain(data.get('reverse_path', ''))}>, {size(data.get('size', 0))}"


def _tell_anything(data: Mapping[str, Any]) -> Iterator[str]:
    """For events that this version does not know better."""
    yield from (f"{plain(key)}: {plain(value)}" for key, value in data.items() if value not in (None, "", []))


_TOLD: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "message.accepted": _tell_accepted,
    "message.scheduled": _tell_scheduled,
    "message.sent": _tell_sent,
    "message.delivered": _tell_outcome,
    "message.deferred": _tell_outcome,
    "message.bounced": _tell_outcome,
    "message.expired": _tell_outcome,
    "message.held": _tell_turned,
    "message.released": _tell_turned,
    "message.canceled": _tell_turned,
    "message.suppressed": _tell_turned,
    "message.received": _tell_received,
}
