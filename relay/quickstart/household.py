"""The first domain and mailbox, through the same operations as `posthouse domain add` and `mailbox add`.

With a daemon running they happen inside it; without one in a store opened
here, whose files then belong to whoever runs this.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.address import Address
from relay.config import Config, build_config, load_config
from relay.config.load import KEYS
from relay.control.operations.domains import AddDomain, NamedDomain
from relay.control.operations.mailboxes import AddMailbox, NamedMailbox
from relay.control.reach import perform
from relay.errors import NotFound

_PATHS = ("server.data_dir", "dkim.key_dir", "tls.certificate", "tls.private_key")


@dataclass(frozen=True, slots=True)
class Household:
    """`domain` and `mailbox` as their operations show them; the password is known only when it is made."""

    domain: dict[str, Any]
    mailbox: dict[str, Any]
    domain_is_new: bool
    mailbox_is_new: bool

    @property
    def smtp_password(self) -> str | None:
        return self.mailbox.get("smtp_password") if self.mailbox_is_new else None


async def furnish(config: Config, address: Address) -> Household:
    """Afterwards the address is a mailbox of a domain with keys; what was there before is unchanged."""
    domain, domain_is_new = await _domain(config, address.domain)
    mailbox, mailbox_is_new = await _mailbox(config, str(address))
    return Household(domain, mailbox, domain_is_new, mailbox_is_new)


def config_below(prefix: Path, file: Path) -> Config:
    """What `file` says, its paths below `prefix`, whatever the environment says. Raises ConfigError."""
    config = load_config(file, environ={}).config
    if prefix == Path("/"):
        return config
    moved = {}
    for name in _PATHS:
        section, _, key = name.partition(".")
        path: Path | None = getattr(getattr(config, section), key)
        if path is not None and not path.is_relative_to(prefix):
            moved[name] = str(prefix / str(path).lstrip("/"))
    return load_config(file, environ={}, overrides=moved).config


def demo_config(hostname: str) -> Config:
    """Defaults with that name: for a dry run, where there is no file yet."""
    return build_config({"server.hostname": hostname}, base=Path("/"))


async def _domain(config: Config, name: str) -> tuple[dict[str, Any], bool]:
    try:
        return await perform(config, "domain.show", NamedDomain(name=name)), False
    except NotFound:
        return await perform(config, "domain.add", AddDomain(name=name)), True


async def _mailbox(config: Config, address: str) -> tuple[dict[str, Any], bool]:
    try:
        return await perform(config, "mailbox.show", NamedMailbox(mailbox=address)), False
    except NotFound:
        return await perform(config, "mailbox.add", AddMailbox(address=address)), True


assert set(_PATHS) <= set(KEYS)
