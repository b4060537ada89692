"""The configuration: what is read, from where, and how mistakes are told."""

import ipaddress
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from relay.config import (
    Config,
    ConfigError,
    InheritedListener,
    Listener,
    WarmupPlan,
    build_config,
    find_config,
    load_config,
)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a config.toml into an empty current directory."""
    monkeypatch.chdir(tmp_path)

    def write_file(text: str, name: str = "config.toml") -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return write_file


def problems(text: str, write: Write, environ: dict[str, str] | None = None) -> list[str]:
    file = write(text)
    with pytest.raises(ConfigError) as caught:
        load_config(file, environ or {})
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


def test_values_of_every_shape_are_read(write: Write) -> None:
    file = write("""
[server]
hostname = "MAIL.Example.com"
data_dir = "store"
[submission]
listen = ["fd:submission", "[::1]:587"]
trusted_networks = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]
[dns]
nameservers = ["192.0.2.53", "127.0.0.1:5353", "2001:db8::1", "[2001:db8::1]:5353"]
timeout = "1500ms"
[policy]
cap_timezone = "Europe/Berlin"
[limits]
message_size = "50MiB"
""")

    config = load_config(file, {}).config

    assert config.server.hostname == "mail.example.com"
    assert config.server.data_dir == file.parent / "store"
    assert config.store_file == file.parent / "store" / "posthouse.db"
    assert config.dkim.key_dir == file.parent / "dkim_keys"
    assert config.submission.listen == (InheritedListener("submission"), Listener("::1", 587))
    assert config.submission.trusted_networks[1] == ipaddress.ip_network("192.0.2.7/32")
    assert config.dns.nameservers[1:] == ("127.0.0.1:5353", "2001:db8::1", "[2001:db8::1]:5353")
    assert config.dns.timeout == timedelta(seconds=1.5)
    assert config.policy.cap_timezone == ZoneInfo("Europe/Berlin")
    assert config.limits.message_size == 50 * 1024 * 1024


def test_no_file_means_the_defaults(write: Write, tmp_path: Path) -> None:
    config = build_config(base=tmp_path)
    assert config.policy.default_daily_cap == 75
    assert config.server.data_dir == tmp_path / "data"
    assert config.delivery.retry_schedule[0] == timedelta(minutes=5)
    assert sum(config.delivery.retry_schedule, timedelta()) <= config.delivery.expire_after
    assert config.tls.certificate is None
    assert Config().policy == config.policy


def test_a_named_file_must_be_there_and_is_asked_for_first(write: Write, tmp_path: Path) -> None:
    here, other = write(""), write("", "other/config.toml")

    assert find_config(None, {}) == here
    assert find_config(None, {"POSTHOUSE_CONFIG": str(other)}) == other
    assert find_config(here, {"POSTHOUSE_CONFIG": str(other)}) == here
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "no.toml", {})
    with pytest.raises(ConfigError, match="No such file"):
        load_config(None, {"POSTHOUSE_CONFIG": "no"})


def test_every_mistake_is_told_with_line_and_nearest_key(write: Write) -> None:
    told = problems(
        """\
[submission]
lisen = []
[delivry]
port = 25
[delivery]
port = 70000
expire_after = "5 days"
retry_schedule = []
[policy]
on_cap = "explode"
cap_timezone = "../etc/passwd"
""",
        write,
    )

    assert sorted(told) == [
        "10: policy.on_cap: Invalid enum value 'explode'",
        "11: policy.cap_timezone: '../etc/passwd' is not a time zone such as \"Europe/Berlin\"",
        "2: submission.lisen: unknown key; did you mean submission.listen?",
        "3: delivry: unknown section; did you mean delivery?",
        "6: delivery.port: expected `int` <= 65535",
        '7: delivery.expire_after: \'5 days\' is not a duration such as "90s", "5m", "2h" or "5d"',
        "8: delivery.retry_schedule: at least one wait is needed",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[server]\nhostname = "a b"', "is not a host name"),
        ("[server]\nhostname = 5", "a host name in quotes is needed, a number is given"),
        ('[submission]\nlisten = "127.0.0.1:25"', "a list is needed, text is given"),
        ('[submission]\nlisten = ["25"]', "is not"),
        ('[submission]\nlisten = [":25"]', "is not"),
        ('[submission]\nlisten = ["::1:25"]', "is not"),
        ('[submission]\nlisten = ["127.0.0.1:99999"]', "is not"),
        ('[submission]\nlisten = ["fd:"]', "names no socket"),
        ('[submission]\ntrusted_networks = ["10.1.2.3/8"]', "has host bits set"),
        ('[submission]\nlisten_tls = ["127.0.0.1:465"]', "implicit TLS needs tls.certificate"),
        ('[tls]\ncertificate = "a.pem"', "its private key is needed"),
        ('[dns]\nnameservers = ["dns.example"]', "is not"),
        ("[dns]\ntimeout = 5", "a duration in quotes is needed"),
        ('[dns]\ntimeout = "0s"', "must be longer than nothing"),
        ('[api]\npublic_url = "mail.example.com"', "is not a URL"),
        ('[api]\nlisten = ["127.0.0.1:2525"]', "is taken by inbound.listen"),
        ('[store]\nurl = "mysql://x"', "a store is"),
        ("[policy]\ndefault_daily_cap = true", "expected `int`, got `bool`"),
        ("[policy]\ndefault_daily_cap = -1", ">= 0"),
        ("[policy.warmup.slow]\nstrat = 4", "unknown field `strat`"),
        ("[policy.warmup.slow]\nfactor = 0.5", "> 1.0"),
        ('[delivery]\ndelay_notice_after = "5d"', "shorter than delivery.expire_after"),
        ('[delivery.destinations."Far.Example"]\nconnections = 2', "is written 'far.example'"),
        ('[delivery.destinations."no domain"]\nconnections = 2', "is not a domain"),
        ('[delivery.destinations."far.example"]\nconnection = 2', "connection"),
        ('[store]\nbodies = "https://bucket"', "s3://bucket"),
        ("server = 3", "a section is a table"),
        ("[server\n", "at line 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, complaint: str, write: Write) -> None:
    told = problems(text, write)
    assert len(told) == 1
    assert complaint in told[0]


def test_warmup_plans_join_the_one_that_is_there(write: Write) -> None:
    file = write("[policy.warmup.slow]\ntable = [5, 10, 20]\n")
    plans = load_config(file, {}).config.policy.warmup
    assert plans["slow"].table == (5, 10, 20)
    assert plans["gentle"] == WarmupPlan()


def test_the_environment_wins_over_the_file(write: Write) -> None:
    file = write('[dns]\nnameservers = ["192.0.2.1"]\ntimeout = "9s"\n')
    environ = {
        "POSTHOUSE__DNS__NAMESERVERS": '["127.0.0.1:5353"]',
        "POSTHOUSE__POLICY__DEFAULT_DAILY_CAP": "500",
        "POSTHOUSE__DELIVERY__ALLOW_PRIVATE_NETWORKS": "true",
        "POSTHOUSE__SERVER__HOSTNAME": "mail.example.com",
        "POSTHOUSE__SUBMISSION__TRUSTED_NETWORKS": "127.0.0.0/8",
        "POSTHOUSE_CONFIG": "not read",
    }

    loaded = load_config(file, environ)

    assert loaded.config.dns.nameservers == ("127.0.0.1:5353",)
    assert loaded.config.dns.timeout == timedelta(seconds=9)
    assert loaded.config.policy.default_daily_cap == 500
    assert loaded.config.delivery.allow_private_networks is True
    assert loaded.config.server.hostname == "mail.example.com"
    assert str(loaded.config.submission.trusted_networks[0]) == "127.0.0.0/8"
    assert str(loaded.sources["dns.timeout"]) == f"{file}:3"
    assert str(loaded.sources["dns.nameservers"]) == "POSTHOUSE__DNS__NAMESERVERS"


def test_mistakes_in_the_environment_name_the_variable(write: Write) -> None:
    told = problems("", write, {"POSTHOUSE__DNS__TIMEOT": "3s", "POSTHOUSE__DELIVERY__PORT": "x"})
    assert told[0] == "POSTHOUSE__DNS__TIMEOT: dns.timeot: unknown key; did you mean dns.timeout?"
    assert told[1].startswith("POSTHOUSE__DELIVERY__PORT: delivery.port: expected `int`")


def test_a_secret_can_stand_in_a_file_of_its_own(write: Write, tmp_path: Path) -> None:
    secret = write("smtp://joe:s3cret@relay.example:587\n", "smarthost")
    config = load_config(write(""), {"POSTHOUSE__DELIVERY__SMARTHOST__FILE": str(secret)}).config
    assert config.delivery.smarthost == "smtp://joe:s3cret@relay.example:587"
    told = problems("", write, {"POSTHOUSE__DELIVERY__SMARTHOST__FILE": str(tmp_path / "lost")})
    assert "No such file" in told[0]


def test_overrides_win_and_are_checked_too(write: Write) -> None:
    file = write('[server]\nhostname = "mail.example.com"\n')
    loaded = load_config(file, {}, {"server.data_dir": "/srv/mail"})
    assert loaded.config.server.data_dir == Path("/srv/mail")
    assert str(loaded.sources["server.data_dir"]) == "command line"
    with pytest.raises(ConfigError, match=r"did you mean server\.data_dir"):
        load_config(file, {}, {"server.datadir": "x"})


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        Config().dns.timeout = timedelta(0)  # type: ignore[misc]
