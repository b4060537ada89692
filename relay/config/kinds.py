"""What may stand as the value of a key, read from a text and written; and what a section of keys is."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from relay.config import values
from relay.config.keys import Kind, write_secret
from relay.config.values import InheritedListener, IpAddress, Listener, Network, Secret, SecretUrl

Duration: TypeAlias = Annotated[timedelta, Kind("a duration", values.read_duration, values.write_duration)]
Size: TypeAlias = Annotated[int, Kind("a size", values.read_size, values.write_size)]
Hostname: TypeAlias = Annotated[str, Kind("a host name", values.read_hostname)]
Directory: TypeAlias = Annotated[Path, Kind("a path", values.read_path)]
OptionalFile: TypeAlias = Annotated[
    Path | None, Kind("a path", values.read_optional_path, values.write_optional_path)
]
OptionalAddress: TypeAlias = Annotated[str, Kind("an address", values.read_optional_address)]
Zone: TypeAlias = Annotated[ZoneInfo, Kind("a time zone", values.read_zone)]
Hostnames: TypeAlias = Annotated[tuple[str, ...], Kind("a host name", values.read_hostname)]
OptionalUrl: TypeAlias = Annotated[str, Kind("a URL", values.read_optional_url)]
OptionalSocket: TypeAlias = Annotated[str, Kind("a socket", values.read_optional_socket)]
PublicUrl: TypeAlias = Annotated[str, Kind("a URL", values.read_public_url)]
StoreUrl: TypeAlias = Annotated[SecretUrl, Kind("a URL", values.read_store_url, write_secret)]
Bucket: TypeAlias = Annotated[str, Kind("a bucket", values.read_bucket)]
SecretKey: TypeAlias = Annotated[Secret, Kind("a key", Secret, write_secret)]
Smarthost: TypeAlias = Annotated[SecretUrl, Kind("a URL", SecretUrl, write_secret)]
Listeners: TypeAlias = Annotated[
    tuple[Listener | InheritedListener, ...], Kind("a listener", values.read_listener)
]
Networks: TypeAlias = Annotated[tuple[Network, ...], Kind("a network", values.read_network)]
IpAddresses: TypeAlias = Annotated[tuple[IpAddress, ...], Kind("an IP address", values.read_ip)]
Nameservers: TypeAlias = Annotated[tuple[str, ...], Kind("an address", values.read_nameserver)]
Durations: TypeAlias = Annotated[
    tuple[timedelta, ...], Kind("a duration", values.read_duration, values.write_duration)
]
Port: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
Count: TypeAlias = Annotated[int, Meta(ge=1)]
Rate: TypeAlias = Annotated[float, Meta(ge=0, le=1)]

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """Keys that belong together; a subclass's docstring is the heading's explanation."""
