"""config.toml and its documentation are printed from the code and cannot fall behind it."""

import ipaddress
import tomllib
from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from relay.config import build_config, changes, effective, load_config
from relay.config.load import KEYS
from relay.config.render import render_docs, render_toml
from relay.config.values import read_duration, read_listener, read_size, write_duration, write_size

ROOT = Path(__file__).parents[3]


def test_config_toml_is_what_the_code_prints() -> None:
    assert (ROOT / "config.toml").read_text() == render_toml(), "python -m relay.config toml > config.toml"


def test_the_documentation_is_what_the_code_prints() -> None:
    printed = (ROOT / "docs" / "configuration.md").read_text()
    assert printed == render_docs(), "python -m relay.config docs > docs/configuration.md"
    assert all(f"`{name}`" in printed for name in KEYS)


def test_config_toml_holds_every_key_at_its_default() -> None:
    document = tomllib.loads(render_toml())
    assert {f"{section}.{key}" for section, table in document.items() for key in table} == set(KEYS)
    loaded = load_config(ROOT / "config.toml", {})
    assert loaded.config == build_config(base=ROOT)


def test_defaults_listen_on_loopback_only() -> None:
    config = build_config(base=ROOT)
    listeners = (
        config.submission.listen + config.submission.listen_tls + config.inbound.listen + config.api.listen
    )
    assert listeners
    for listener in listeners:
        assert ipaddress.ip_address(str(listener).rpartition(":")[0]).is_loopback


def test_every_key_says_why_in_one_line() -> None:
    for name, spec in KEYS.items():
        assert 5 < len(spec.key.why) <= 110, name
        assert "\n" not in spec.key.why


def test_passwords_are_never_shown(tmp_path: Path) -> None:
    overrides = {
        "delivery.smarthost": "smtp://joe:s3cret@relay.example:587",
        "store.url": "postgresql://joe:s3cret@db.example/mail",
        "store.bodies_secret_key": "s3cret",
    }
    loaded = load_config(None, {}, overrides)
    shown = {setting.key: setting.value for setting in effective(loaded)}

    assert shown["delivery.smarthost"] == "smtp://joe:***@relay.example:587"
    assert shown["store.url"] == "postgresql://joe:***@db.example/mail"
    assert shown["store.bodies_secret_key"] == "***"
    assert "s3cret" not in repr(loaded.config)
    assert loaded.config.delivery.smarthost == overrides["delivery.smarthost"]
    assert loaded.config.store_file is None


def test_effective_names_each_source(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[dns]\ntimeout = "9s"\n')
    loaded = load_config(file, {"POSTHOUSE__LOG__LEVEL": "debug"})
    sources = {setting.key: (setting.value, str(setting.source)) for setting in effective(loaded)}
    assert sources["dns.timeout"] == ("9s", f"{file}:2")
    assert sources["log.level"] == ("debug", "POSTHOUSE__LOG__LEVEL")
    assert sources["log.format"] == ("text", "default")


def test_changes_tell_what_a_reload_can_do(tmp_path: Path) -> None:
    old = build_config(base=tmp_path)
    new = build_config({"log.level": "debug", "server.hostname": "mail.example"}, base=tmp_path)
    assert {(change.key, change.needs_restart) for change in changes(old, new)} == {
        ("log.level", False),
        ("server.hostname", True),
    }


@given(st.integers(0, 10**9))
def test_a_duration_written_reads_the_same(milliseconds: int) -> None:
    span = timedelta(milliseconds=milliseconds)
    assert read_duration(write_duration(span)) == span


@given(st.integers(0, 1 << 49))
def test_a_size_written_reads_the_same(size: int) -> None:
    assert read_size(write_size(size)) == size


@given(st.one_of(st.ip_addresses().map(str), st.just("localhost")), st.integers(0, 65535))
def test_a_listener_written_reads_the_same(host: str, port: int) -> None:
    text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    assert str(read_listener(text)) == text
