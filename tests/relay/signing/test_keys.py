"""Keys are private files, or they are no keys."""

import base64
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)

from relay.errors import InvalidInput
from relay.signing.files import KeyFault, write_private_file
from relay.signing.keys import DkimKey, KeyRing, NoSigningKey

_DAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "dkim_keys")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _record(key: DkimKey) -> dict[str, str]:
    return dict(tag.strip().split("=", 1) for tag in key.dns_record.split(";"))


def test_a_domain_gets_two_keys_in_private_files(ring: KeyRing, tmp_path: Path) -> None:
    rsa, ed25519 = ring.generate("example.com", _DAY)

    assert [rsa.selector, ed25519.selector] == ["ph20260302r", "ph20260302e"]
    assert [rsa.algorithm, ed25519.algorithm] == ["rsa", "ed25519"]
    assert rsa.dns_name == "ph20260302r._domainkey.example.com"
    directory = tmp_path / "dkim_keys" / "example.com"
    assert sorted(path.name for path in directory.iterdir()) == ["ph20260302e.pem", "ph20260302r.pem"]
    assert {_mode(path) for path in directory.iterdir()} == {0o600}
    assert _mode(directory) == _mode(directory.parent) == 0o700
    assert (directory / "ph20260302r.pem").read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----\n")


def test_the_records_hold_the_public_keys(ring: KeyRing) -> None:
    rsa, ed25519 = ring.generate("example.com", _DAY)

    assert list(_record(rsa)) == list(_record(ed25519)) == ["v", "k", "p"]
    assert _record(rsa)["v"] == "DKIM1"
    public = load_der_public_key(base64.b64decode(_record(rsa)["p"]))
    assert isinstance(public, RSAPublicKey)
    assert public.key_size == 2048
    assert len(base64.b64decode(_record(ed25519)["p"])) == 32  # RFC 8463 §4: the raw key


def test_another_ring_finds_the_same_keys(ring: KeyRing, tmp_path: Path) -> None:
    made = ring.generate("example.com", _DAY)

    found = KeyRing(tmp_path / "dkim_keys").active("example.com")
    assert [key.dns_record for key in found] == [key.dns_record for key in made]
    assert "private" not in repr(found)


def test_keys_are_read_once_until_forgotten(ring: KeyRing, tmp_path: Path) -> None:
    ring.generate("example.com", _DAY)
    for path in (tmp_path / "dkim_keys" / "example.com").iterdir():
        path.chmod(0o640)

    assert len(ring.active("example.com")) == 2
    ring.forget()
    with pytest.raises(KeyFault):
        ring.active("example.com")


def test_a_second_pair_of_one_day_has_names_of_its_own(ring: KeyRing) -> None:
    ring.generate("example.com", _DAY)
    second = ring.generate("example.com", _DAY)

    assert [key.selector for key in second] == ["ph20260302r2", "ph20260302e2"]
    assert len(ring.active("example.com")) == 4
    chosen = ring.active("example.com", ["ph20260302e2", "ph20260302r2"])
    assert [key.selector for key in chosen] == ["ph20260302r2", "ph20260302e2"]


def test_pairs_that_are_made_at_once_do_not_meet(ring: KeyRing, tmp_path: Path) -> None:
    """What signs now is what is on disk, also after a restart."""
    begin = threading.Barrier(8)

    def make() -> list[DkimKey]:
        begin.wait()
        return ring.generate("example.com", _DAY)

    with ThreadPoolExecutor(8) as pool:
        pairs = [future.result() for future in [pool.submit(make) for _ in range(8)]]
    made = {key.selector: key.dns_record for pair in pairs for key in pair}
    assert len(made) == 16
    again = KeyRing(tmp_path / "dkim_keys")
    assert {selector: again.key("example.com", selector).dns_record for selector in made} == made
    assert {path.suffix for path in (tmp_path / "dkim_keys" / "example.com").iterdir()} == {".pem"}


def test_missing_keys_are_told_apart_from_faulty_ones(ring: KeyRing) -> None:
    with pytest.raises(NoSigningKey, match=r"example\.com"):
        ring.active("example.com")
    with pytest.raises(NoSigningKey):
        ring.active("example.com", [])
    with pytest.raises(NoSigningKey, match=r"one\.pem"):
        ring.active("example.com", ["one"])
    ring.generate("example.com", _DAY)
    with pytest.raises(NoSigningKey, match=r"one\.pem"):
        ring.active("example.com", ["ph20260302r", "one"])


def test_a_removed_key_is_gone(ring: KeyRing) -> None:
    ring.generate("example.com", _DAY)
    ring.remove("example.com", "ph20260302r")
    ring.remove("example.com", "ph20260302r")

    assert [key.selector for key in ring.active("example.com")] == ["ph20260302e"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o602, 0o610])
def test_a_file_that_others_may_open_is_refused_by_name_and_mode(
    ring: KeyRing, tmp_path: Path, mode: int
) -> None:
    ring.generate("example.com", _DAY)
    path = tmp_path / "dkim_keys" / "example.com" / "ph20260302e.pem"
    path.chmod(mode)

    with pytest.raises(KeyFault) as refused:
        KeyRing(tmp_path / "dkim_keys").active("example.com")
    assert str(path) in str(refused.value)
    assert f"{mode:04o}" in str(refused.value)
    assert _mode(path) == mode


@pytest.mark.parametrize("name", ["dkim_keys", "dkim_keys/example.com"])
def test_a_directory_that_others_may_change_is_refused(ring: KeyRing, tmp_path: Path, name: str) -> None:
    ring.generate("example.com", _DAY)
    (tmp_path / name).chmod(0o770)

    with pytest.raises(KeyFault, match="0770"):
        KeyRing(tmp_path / "dkim_keys").active("example.com")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(ring: KeyRing, tmp_path: Path) -> None:
    ring.generate("example.com", _DAY)
    os.chown(tmp_path / "dkim_keys" / "example.com" / "ph20260302e.pem", 65534, -1)

    with pytest.raises(KeyFault, match="user 65534"):
        KeyRing(tmp_path / "dkim_keys").active("example.com")


def test_a_link_is_refused(ring: KeyRing, tmp_path: Path) -> None:
    ring.generate("example.com", _DAY)
    directory = tmp_path / "dkim_keys" / "example.com"
    (directory / "linked.pem").symlink_to(directory / "ph20260302e.pem")

    with pytest.raises(KeyFault, match="linked"):
        ring.active("example.com", ["linked"])


def _damaged() -> bytes:
    numbers = generate_private_key(65537, 2048).private_numbers()
    broken = type(numbers)(
        numbers.p,
        numbers.q,
        numbers.d ^ 8,
        numbers.dmp1 ^ 8,
        numbers.dmq1 ^ 8,
        numbers.iqmp,
        numbers.public_numbers,
    )
    key = broken.private_key(unsafe_skip_rsa_key_validation=True)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


_EC = generate_ec(SECP256R1())


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"not a key\n",
        b"\0" * 70_000,
        _EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        _EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
        _damaged(),
    ],
    ids=["empty", "text", "huge", "another kind", "encrypted", "damaged"],
)
def test_what_holds_no_usable_key_is_a_fault_that_names_the_file(
    ring: KeyRing, tmp_path: Path, pem: bytes
) -> None:
    ring.generate("example.com", _DAY)
    path = tmp_path / "dkim_keys" / "example.com" / "other.pem"
    write_private_file(path, pem)

    with pytest.raises(KeyFault, match=r"other\.pem"):
        ring.active("example.com")


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    write_private_file(tmp_path / "one", b"first")
    with pytest.raises(FileExistsError):
        write_private_file(tmp_path / "one", b"second")

    assert (tmp_path / "one").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize(
    "domain",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "/etc",
        "a\0b",
        "Example.com",
        "bücher.example",
        "a..b",
        "[127.0.0.1]",
        "a\n",
    ],
)
def test_a_domain_is_one_safe_path_component(ring: KeyRing, tmp_path: Path, domain: str) -> None:
    with pytest.raises(InvalidInput):
        ring.generate(domain, _DAY)
    with pytest.raises(InvalidInput):
        ring.active(domain)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "selector", ["", ".", "..", "../x", "a/b", "a\0", ".a", "a.", "a..b", "a" * 64, "a\n"]
)
def test_a_selector_is_one_safe_file_name(ring: KeyRing, selector: str) -> None:
    with pytest.raises(InvalidInput):
        ring.active("example.com", [selector])
