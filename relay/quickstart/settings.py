"""The first config.toml of an installation: what differs from the defaults, and why."""

from collections.abc import Mapping, Sequence

from relay.quickstart.account import HOME

TLS_DIR = f"{HOME}/tls"
CERTIFICATE, PRIVATE_KEY = f"{TLS_DIR}/tls.crt", f"{TLS_DIR}/tls.key"
KEY_DIR = f"{HOME}/dkim_keys"

# What our socket units hold for us, by FileDescriptorName.
UNIT_SOCKETS: Mapping[str, Sequence[str]] = {
    "submission": ("fd:submission",),
    "submissions": ("fd:submissions",),
    "smtp": ("fd:smtp",),
    "http": ("fd:http",),
}


def addresses(any_host: str) -> Mapping[str, Sequence[str]]:
    """The same doors without systemd; `any_host` is `[::]` or `0.0.0.0`."""
    return {
        "submission": (f"{any_host}:587",),
        "submissions": (f"{any_host}:465",),
        "smtp": (f"{any_host}:25",),
        "http": ("127.0.0.1:8025",),
    }


def first_config(hostname: str, listeners: Mapping[str, Sequence[str]]) -> str:
    """TOML for /etc/posthouse/config.toml; every other key stands at its default."""
    quoted = {name: ", ".join(f'"{each}"' for each in listed) for name, listed in listeners.items()}
    return f"""\
# Posthouse on this machine. Every key that is not here stands at its default:
# `posthouse config show` prints them all, docs/configuration.md explains them.
# After a change: posthouse config check && systemctl restart posthouse

[server]
hostname = "{hostname}"
data_dir = "{HOME}"

# "fd:NAME" is a socket that systemd holds for us, so that no connection is
# refused while we restart: posthouse-NAME.socket.
[submission]
listen = [{quoted["submission"]}]  # 587, STARTTLS
listen_tls = [{quoted["submissions"]}]  # 465, TLS from the first octet

[inbound]
listen = [{quoted["smtp"]}]  # 25

[api]
listen = [{quoted["http"]}]  # 127.0.0.1:8025

# Signed by itself until you put certbot's files there: docs/operations.md, Certificates.
[tls]
certificate = "{CERTIFICATE}"
private_key = "{PRIVATE_KEY}"

[dkim]
key_dir = "{KEY_DIR}"
"""
