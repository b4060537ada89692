"""The real scheduler on a small world in virtual time: nothing lost, no limit exceeded, nobody starved."""

from dataclasses import replace

import pytest

from bench.simulator.run import Wanted, simulate

SMALL = Wanted(destinations=40, nodes=4, messages=1500, hours=0.1, expire_hours=0.5, kills=0, seed=3)


def percent(text: str) -> float:
    return float(text.rstrip("%"))


def seconds(text: str) -> float:
    return float(text.removesuffix(" s"))


def test_all_is_settled_and_the_dead_hold_up_nobody() -> None:
    table = simulate(SMALL)
    assert (table["lost"], table["still waiting"], table["held as suspects"]) == (0, 0, 0)
    assert table["delivered"] + table["expired"] == table["accepted"] == SMALL.messages
    assert (table["limits exceeded"], table["delivered twice"]) == (0, 0)
    assert percent(table["well: within a minute"]) == 100
    assert seconds(table["largest lag, well"]) < 15
    assert table["attempts per message"] < 1.5
    assert simulate(SMALL) == table


@pytest.mark.parametrize("seed", [1, 2])
def test_nodes_that_die_cost_time_and_nothing_else(seed: int) -> None:
    table = simulate(replace(SMALL, kills=2, seed=seed))
    assert (table["lost"], table["still waiting"], table["held as suspects"]) == (0, 0, 0)
    assert table["limits exceeded"] == 0
    assert table["attempts that died"] > 0
    assert table["delivered twice"] <= table["attempts that died"]
    assert seconds(table["largest lag, well"]) < 11 * 60


def test_without_leases_the_same_nodes_would_exceed_what_they_are_asked_to_keep() -> None:
    table = simulate(replace(SMALL, leases=False))
    assert table["lost"] == 0
    assert table["limits exceeded"] > 0
