"""All 203 cases of the RFC 7208 test-suite (tests/corpus/spf, with its licence)."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from inbound.authenticate.spf import check_host
from tests.inbound.authenticate.zone import Zone, ZoneResolver

_SUITE = Path(__file__).parents[2] / "corpus" / "spf" / "rfc7208-tests.yml"
_ANY_EXPLANATION = "DEFAULT"


@cache
def _scenarios() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(_SUITE.read_text()))


def _cases() -> Iterator[Any]:
    for scenario in _scenarios():
        zone = _with_txt(scenario["zonedata"])
        for name, case in scenario["tests"].items():
            yield pytest.param(zone, case, id=f"{scenario['description']}: {name}".replace(" ", "-"))


def _with_txt(zone: Zone) -> Zone:
    """The suite writes SPF for what stands in TXT, unless the name has a TXT; NONE is no record."""
    found: dict[str, list[Any]] = {}
    for name, records in zone.items():
        texts = [record["TXT"] for record in records if isinstance(record, dict) and "TXT" in record]
        if not texts:
            texts = [record["SPF"] for record in records if isinstance(record, dict) and "SPF" in record]
        others = [
            record for record in records if not (isinstance(record, dict) and {"TXT", "SPF"} & set(record))
        ]
        found[name] = [{"TXT": text} for text in texts if text != "NONE"] + others
    return found


@pytest.mark.parametrize(("zone", "case"), list(_cases()))
async def test_the_verdict_is_the_suites(zone: Zone, case: dict[str, Any]) -> None:
    sender = case["mailfrom"] or f"postmaster@{case['helo']}"
    domain = sender.rpartition("@")[2]
    result = await check_host(ZoneResolver(zone), case["host"], domain, sender, case["helo"])
    expected = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert result.verdict in expected, result
    if "explanation" in case:
        wanted = "" if case["explanation"] == _ANY_EXPLANATION else case["explanation"]
        assert result.explanation == wanted


def test_the_suite_is_whole() -> None:
    assert sum(len(scenario["tests"]) for scenario in _scenarios()) == 203
