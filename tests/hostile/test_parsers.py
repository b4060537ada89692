"""Every parser of ours over its corpus and what damage makes of it: no exception but its own refusals."""

import secrets
import sys
from random import Random

import pytest

from tests.hostile.corpus import damaged, seeds_of
from tests.hostile.targets import TARGETS

MUTATIONS = 150


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_takes_what_it_is_given(name: str) -> None:
    target, corpus = TARGETS[name], seeds_of(name)
    assert corpus
    for octets in corpus:
        target(octets)
    for seed in (1, secrets.randbits(32)):
        sys.stdout.write(f"seed {seed}\n")
        chance = Random(f"{name} {seed}")
        for _ in range(MUTATIONS):
            octets = damaged(chance, corpus)
            try:
                target(octets)
            except Exception as error:
                raise AssertionError(f"{name}, seed {seed}: {octets!r}") from error
