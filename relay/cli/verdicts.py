"""`domain verify` on the screen: a line for each record, then what to do about those that are wrong."""

from collections.abc import Mapping
from typing import Any

import click

from relay.cli.frame import FAILED, print_json
from relay.cli.text import bold, plain, status, table

_MARKS = {
    "right": ("ok", "green"),
    "missing": ("missing", "red"),
    "wrong": ("wrong", "red"),
    "unclear": ("unclear", "yellow"),
    "unknown": ("no answer", "yellow"),
}
_WIDEST = 60


def print_verdict(found: Mapping[str, Any], as_json: bool) -> None:
    """Print what `domain.verify` answered; exit 1 when mail may not leave under the domain."""
    if as_json:
        print_json(found)
    else:
        _print_for_people(found)
    if not found["verified"]:
        click.get_current_context().exit(FAILED)


def _print_for_people(found: Mapping[str, Any]) -> None:
    click.echo(f"{bold(found['domain'])}  {status(found['status'])}{_assumed(found)}")
    click.echo(f"  sending    {_sending(found)}")
    click.echo(f"  bounces    {_seen(found['bounces'], 'come back here')}")
    click.echo(f"  receiving  {_seen(found['receiving'], 'its mail arrives here')}\n")
    table(("", "type", "name", "expected", "found"), [_row(record) for record in found["records"]])
    hints = [_hint(record) for record in found["records"] if record["note"]]
    if hints:
        click.echo()
    for hint in hints:
        click.echo(f"- {hint}")


def _row(record: Mapping[str, Any]) -> tuple[str, ...]:
    word, colour = _MARKS.get(record["judgement"], (record["judgement"], "yellow"))
    same = record["found"] == [record["expected"]]
    values = " | ".join(record["found"]) or "–"
    return (
        click.style(plain(word), fg=colour),
        record["type"],
        record["name"],
        _short(record["expected"]),
        "the same" if same else _short(values),
    )


def _hint(record: Mapping[str, Any]) -> str:
    """What to do, with the whole value where one is to be added."""
    note = f"{record['type']} {record['name']}: {record['note']}"
    if record["judgement"] == "missing":
        note += f" with the value {record['expected']}"
    return plain(note)


def _sending(found: Mapping[str, Any]) -> str:
    if found["key_fault"]:
        return click.style(plain(f"the key cannot be used: {found['key_fault']}"), fg="red")
    said = {"yes": "our DKIM key stands in the DNS", "no": "no DKIM key of ours stands in the DNS"}
    text = said.get(found["sending"], "the DNS did not answer; nothing is changed")
    if found["verified"] and found["sending"] == "no" and not found["assumed"]:
        text += "; mail leaves for 3 days more, then it is refused"
    return text


def _seen(seen: str, yes: str) -> str:
    return {"yes": yes, "no": "no"}.get(seen, "not known")


def _assumed(found: Mapping[str, Any]) -> str:
    return " (its owner vouches for it)" if found["assumed"] else ""


def _short(text: str) -> str:
    text = plain(text)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
