"""How single values are written in config.toml, both ways: durations, sizes, listeners, networks.

A reader takes the text and raises ValueError with a reason for people; a
writer gives the text back in its shortest form.
"""

import ipaddress
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from relay.address import InvalidAddress, parse_address, parse_domain

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h|d)\Z")
_DURATION_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}
_SIZE = re.compile(r"(\d{1,15})(B|KiB|MiB|GiB|TiB)?\Z")
_SIZE_UNITS = {"TiB": 1 << 40, "GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}
_PASSWORD = re.compile(r"(://[^/@:]*:)[^/@]*@")
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9._-]{1,62}(?:/[A-Za-z0-9._-]+)*/?\Z")
_FD_NAME = re.compile(r"[\x21-\x39\x3b-\x7e]{1,255}\Z")


@dataclass(frozen=True, slots=True)
class Listener:
    """An address to listen on. Port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class InheritedListener:
    """Sockets that the service manager listens on for us, by their FileDescriptorName."""

    name: str

    def __str__(self) -> str:
        return f"fd:{self.name}"


class SecretUrl(str):
    """A URL that may hold a password: whole where it is used, without it where it is shown."""

    __slots__ = ()

    def redacted(self) -> str:
        return _PASSWORD.sub(r"\1***@", self)

    def __repr__(self) -> str:
        return repr(self.redacted())


class Secret(str):
    """A key: whole where it is used, and nothing of it where it is shown."""

    __slots__ = ()

    def redacted(self) -> str:
        return "***" if self else ""

    def __repr__(self) -> str:
        return repr(self.redacted())


def read_duration(text: str) -> timedelta:
    found = _DURATION.match(text)
    if found is None:
        raise ValueError(f'{text!r} is not a duration such as "90s", "5m", "2h" or "5d"')
    return int(found[1]) * _DURATION_UNITS[found[2]]


def write_duration(span: timedelta) -> str:
    """The largest unit that divides the span without a rest; 0 is `0s`."""
    if not span:
        return "0s"
    for unit, length in _DURATION_UNITS.items():
        if not span % length:
            return f"{span // length}{unit}"
    raise ValueError(f"{span} is finer than a millisecond")


def read_size(text: str) -> int:
    found = _SIZE.match(text)
    if found is None:
        raise ValueError(f'{text!r} is not a size such as "25MiB", "100KiB" or "512B"')
    return int(found[1]) * _SIZE_UNITS[found[2] or "B"]


def write_size(size: int) -> str:
    """The largest binary unit that divides the size without a rest."""
    for unit, length in _SIZE_UNITS.items():
        if size and not size % length:
            return f"{size // length}{unit}"
    return f"{size}B"


def read_listener(text: str) -> Listener | InheritedListener:
    if text.startswith("fd:"):
        name = text.removeprefix("fd:")
        if not _FD_NAME.match(name):
            raise ValueError(f"{text!r} names no socket")
        return InheritedListener(name)
    host, port = _host_and_port(text)
    if port is None:
        raise ValueError(f'{text!r} is not "host:port", "[ip6]:port" or "fd:NAME"')
    return Listener(host, port)


def read_optional_socket(text: str) -> str:
    """The path of a UNIX socket, or `host:port`; or nothing."""
    if text and not text.startswith("/") and not _host_and_port(text)[1]:
        raise ValueError(f'{text!r} is not the path of a socket, or "host:port"')
    return text


def read_network(text: str) -> Network:
    """A CIDR network, or one address as a network of its own."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network: {error}") from None


def read_ip(text: str) -> IpAddress:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None


def read_nameserver(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        host, port = _host_and_port(text)
    if not port:
        raise ValueError(f'{text!r} is not "ip" or "ip:port"')
    return str(Listener(str(read_ip(host)), port))


def read_zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ValueError, OSError):
        raise ValueError(f'{text!r} is not a time zone such as "Europe/Berlin"') from None


def read_hostname(text: str) -> str:
    try:
        return parse_domain(text)
    except InvalidAddress as error:
        raise ValueError(f"{text!r} is not a host name: {error}") from None


def read_optional_address(text: str) -> str:
    try:
        return str(parse_address(text)) if text else ""
    except InvalidAddress as error:
        raise ValueError(f"{text!r} is not an address: {error}") from None


def read_path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("a path is needed")
    return Path(text).expanduser()


def read_optional_path(text: str) -> Path | None:
    return read_path(text) if text else None


def write_optional_path(path: Path | None) -> str:
    return "" if path is None else str(path)


def read_public_url(text: str) -> str:
    """An http or https URL without a query; no slash at its end."""
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
        raise ValueError(f'{text!r} is not a URL such as "https://mail.example.com"')
    return text.rstrip("/")


def read_optional_url(text: str) -> str:
    """Nothing, or an http or https URL as above."""
    return read_public_url(text) if text else ""


def read_store_url(text: str) -> SecretUrl:
    """`sqlite:///file` (relative to server.data_dir), `sqlite:////absolute/file`, or `postgresql://…`."""
    if re.match(r"sqlite:///[^?#]+\Z", text) or re.match(r"postgresql://[^/?#]*/[^/?#]+(?:\?[^#]*)?\Z", text):
        return SecretUrl(text)
    raise ValueError('a store is "sqlite:///posthouse.db" or "postgresql://user@host/database"')


def read_bucket(text: str) -> str:
    """Nothing, or `s3://bucket` with or without a prefix for the names of what is put there."""
    if text and not _BUCKET.match(text):
        raise ValueError('a bucket is "s3://bucket" or "s3://bucket/prefix"')
    return text.rstrip("/")


def _host_and_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        host = str(ipaddress.IPv6Address(host)) if bracket else ""
        port = rest.removeprefix(":") if rest.startswith(":") else ""
    else:
        host, _, port = text.rpartition(":")
        if ":" in host:
            return host, None
    if not host or not re.match(r"\d{1,5}\Z", port) or int(port) > 65535:
        return host, None
    return host, int(port)
