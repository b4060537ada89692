"""Who is taken for a machine: by what it says, by how it asks, by when."""

from datetime import timedelta

import pytest

from relay.tracking.machines import KNOWN, machine_of

HOUR = timedelta(hours=1)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
PEOPLE = [
    FIREFOX,
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; Microsoft Outlook 16.0.18025; ms-office; MSOffice 16)",
    "Thunderbird/140.0",
]
MACHINES = {
    "Mozilla/5.0": "apple_privacy",
    "Mozilla/5.0 (Windows NT 5.1) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)": "google_proxy",
    f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Chrome/42.0.2311.135 Safari/537.36 Edge/12.246"
    " Mozilla/5.0": "google_prefetch",
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html": "yahoo_proxy",
    "Barracuda Sentinel (EE)": "scanner",
    "facebookexternalhit/1.1": "preview",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": "crawler",
    f"Mozilla/5.0 (X11) {WEBKIT} HeadlessChrome/142.0.0.0 Safari/537.36": "headless",
    "curl/8.5.0": "program",
    "python-requests/2.32.0": "program",
    "": "no_agent",
}


@pytest.mark.parametrize("agent", PEOPLE)
def test_people_are_people(agent: str) -> None:
    for is_click in (True, False):
        assert machine_of("GET", {"user-agent": agent}, HOUR, is_click=is_click) is None


@pytest.mark.parametrize(("agent", "name"), MACHINES.items())
def test_machines_are_known_by_what_they_say(agent: str, name: str) -> None:
    assert machine_of("GET", {"user-agent": agent}, HOUR, is_click=False) == name


def test_it_tells_by_how_it_asks() -> None:
    said = {"user-agent": FIREFOX}
    assert machine_of("HEAD", said, HOUR, is_click=True) == "head"
    assert machine_of("GET", {**said, "sec-purpose": "prefetch;prerender"}, HOUR, is_click=True) == "prefetch"
    assert machine_of("GET", {**said, "x-purpose": "preview"}, HOUR, is_click=True) == "prefetch"


def test_it_tells_by_when() -> None:
    said = {"user-agent": FIREFOX}
    assert machine_of("GET", said, None, is_click=False) == "before_delivery"
    assert machine_of("GET", said, timedelta(seconds=3), is_click=True) == "soon"
    assert machine_of("GET", said, timedelta(seconds=3), is_click=False) is None
    assert machine_of("GET", said, timedelta(seconds=11), is_click=True) is None


def test_each_row_says_where_it_comes_from() -> None:
    assert all(machine.name and machine.source for machine in KNOWN)
