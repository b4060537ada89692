"""Who receives: the large mailbox providers by the recipient's domain, everybody else as `other`."""

from collections.abc import Mapping
from typing import Final

OTHER: Final = "other"

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "gmail": ("gmail.com", "googlemail.com"),
    "yahoo": ("aol.com", "aim.com", "myyahoo.com", "rocketmail.com", "yahoo.com", "ymail.com"),
    "outlook": ("hotmail.com", "live.com", "msn.com", "outlook.com", "passport.com", "windowslive.com"),
    "icloud": ("icloud.com", "mac.com", "me.com"),
    "proton": ("pm.me", "proton.me", "protonmail.com", "protonmail.ch"),
    "gmx": ("gmx.at", "gmx.ch", "gmx.com", "gmx.de", "gmx.net", "web.de", "mail.com"),
    "yandex": ("ya.ru", "yandex.com", "yandex.ru"),
    "mail.ru": ("bk.ru", "inbox.ru", "list.ru", "mail.ru"),
    "qq": ("foxmail.com", "qq.com"),
    "netease": ("126.com", "163.com", "yeah.net"),
    "comcast": ("comcast.net", "xfinity.com"),
    "fastmail": ("fastmail.com", "fastmail.fm"),
    "zoho": ("zoho.com", "zohomail.com"),
}
_BY_DOMAIN: Final[Mapping[str, str]] = {
    domain: provider for provider, domains in _NAMES.items() for domain in domains
}
# These have a domain in each country: yahoo.co.jp, hotmail.fr, outlook.com.br.
_BY_FIRST_LABEL: Final[Mapping[str, str]] = {
    "yahoo": "yahoo",
    "hotmail": "outlook",
    "live": "outlook",
    "outlook": "outlook",
}
# The last labels under which such a domain is that provider's: a country's, perhaps behind co or com.
_SECOND_LEVELS: Final = frozenset({"co", "com"})
PROVIDERS: Final = (*_NAMES, OTHER)


def provider_of(address: str) -> str:
    """The provider of a recipient's address, by its domain alone."""
    domain = address.rpartition("@")[2].lower()
    return _BY_DOMAIN.get(domain) or _by_country(domain) or OTHER


def _by_country(domain: str) -> str | None:
    first, *rest = domain.split(".")
    if not rest or len(rest) > 2 or len(rest[-1]) != 2 or not rest[-1].isalpha():
        return None
    if len(rest) == 2 and rest[0] not in _SECOND_LEVELS:
        return None
    return _BY_FIRST_LABEL.get(first)
