"""schemathesis against the daemon, by the document that it serves: ours, for tests, and a stranger's key.

No fault of ours, every answer as documented, and a stranger learns and
changes nothing.
"""

import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from api.app import OPERATIONS
from tests.api.furnished import SETTINGS, THEIRS, Furnished, everything, furnish
from tests.fakes.daemon import ROOT, keep_daemons, run_program
from tests.fakes.dns_server import FakeDns
from tests.fakes.fixtures import dns

__all__ = ["dns"]

# It never says that a text must be an address, so a good case may well be refused.
UNFIT = "positive_data_acceptance"
# Their bodies are made of what an email is made of, whose fields are tried in every way.
SAME_SHAPE = (
    *("send_batch", "send_message", "reply_to_message", "reply_to_all", "reply_in_thread"),
    *("forward_message", "create_draft", "update_draft"),
)
# What is wrong with one email of a batch, or one line of a list, is its own result, not the request's.
EACH_BY_ITSELF = ("send_batch", "import_suppressions")
ENDLESS = "/v1/events/stream"


@pytest.fixture
async def furnished(tmp_path: Path, dns: FakeDns) -> AsyncIterator[Furnished]:
    async with keep_daemons(tmp_path) as make_daemon:
        settings = {**SETTINGS, "dns.nameservers": [dns.nameserver]}
        daemon = await make_daemon(settings, receives=True)
        yield await furnish(daemon)


async def test_our_own_key(furnished: Furnished, tmp_path: Path) -> None:
    await probe(furnished, furnished.live, tmp_path, phases="examples,coverage,fuzzing")


async def test_a_key_for_tests(furnished: Furnished, tmp_path: Path) -> None:
    await probe(furnished, furnished.test, tmp_path, phases="examples,fuzzing", examples=3)


async def test_a_strangers_key_learns_and_changes_nothing(furnished: Furnished, tmp_path: Path) -> None:
    before = await everything(furnished)
    inboxes = [f"app@{THEIRS}", furnished.places["inbox"]]
    await probe(
        furnished,
        furnished.foreign,
        tmp_path,
        phases="examples,fuzzing",
        examples=6,
        strange_inboxes=inboxes,
    )
    assert await everything(furnished) == before


async def probe(
    furnished: Furnished,
    key: str,
    directory: Path,
    *,
    phases: str,
    examples: int = 5,
    strange_inboxes: Sequence[str] = (),
) -> None:
    """Ask every operation much that is right and much that is wrong; the daemon's log stays clean too."""
    config = directory / "schemathesis.toml"
    config.write_text(settings_of(furnished))
    known = {
        "places": furnished.places,
        "likely": furnished.likely,
        "marks": furnished.marks if strange_inboxes else [],
        "inboxes": strange_inboxes or [furnished.places["inbox"]],
    }
    environ = {
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.api.probe",
        "POSTHOUSE_PROBE": json.dumps(known),
    }
    told = await run_program(
        Path(sys.executable).with_name("schemathesis"),
        *("--config-file", config, "run"),
        f"http://127.0.0.1:{furnished.daemon.ports['http']}/openapi.json",
        *("--header", f"Authorization: Bearer {key}", "--phases", phases),
        *("--max-examples", str(examples)),
        *("--generation-deterministic", "--exclude-path", ENDLESS, "--exclude-checks", UNFIT, "--no-color"),
        environ=environ,
        directory=directory,
        limit=240,
    )
    # All but the endless one, and the document itself.
    assert f"Tested: {len(OPERATIONS) - 2}\n" in told, told


def settings_of(furnished: Furnished) -> str:
    """What stands in the places of a path; what is used up is something that nothing else needs."""
    lines = ["[parameters]", *_parameters(furnished.places)]
    for name, doomed in furnished.doomed.items():
        lines += ["[[operations]]", f"include-name = {json.dumps(name)}"]
        lines += ["[operations.parameters]", *_parameters({**furnished.places, **doomed})]
    for name in EACH_BY_ITSELF:
        lines += ["[[operations]]", f"include-operation-id = {json.dumps(name)}"]
        lines += ["checks.negative_data_rejection.enabled = false"]
    for name in SAME_SHAPE:
        lines += ["[[operations]]", f"include-operation-id = {json.dumps(name)}"]
        lines += ["phases.coverage.enabled = false"]
    return "\n".join(lines) + "\n"


def _parameters(places: dict[str, str]) -> list[str]:
    fixed = ['"query.timeout" = 0', '"path.direction" = "send"', '"path.type" = "block"']
    return fixed + [f'"path.{name}" = {json.dumps(place)}' for name, place in places.items()]
