"""Links as they stand in text, in one form in which they can be compared, and the host that each leads to.

Mail programs make links of names as well, so a host's name that ends in a
usual top-level domain counts without `http://` before it.
"""

import re
from collections.abc import Iterator

from relay.address import InvalidAddress, parse_domain

_URL = re.compile(r"(?:[a-z][a-z0-9+.-]{1,20}:[/\\]{2}|\bwww\.)[^\s<>\"]+", re.IGNORECASE)
_STYLE = re.compile(r"url\(\s*+['\"]?([^'\")\s]+)", re.IGNORECASE)
_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_NAME = re.compile(
    rf"(?<![\w@./\\-])((?:{_LABEL}\.){{1,20}}([^\W\d_]{{2,24}}|xn--[a-z0-9-]{{2,59}}))(?![\w-])"
    r"(?:[:/?#][^\s<>\"]*)?",
    re.IGNORECASE,
)
_INVISIBLE = re.compile("[\x00-\x20\x7f-\xa0\u00ad\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]+")
_TRAILING = ".,;:!?'\"()[]{}<>*_"
_WEB = re.compile(r"https?:/*", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]{1,20}):", re.IGNORECASE)
_AUTHORITY_END = re.compile(r"[/?#]")

# Names of hosts that programs turn into links. Those that are words as well (`agree.In`) or end the
# names of files count only where their letters are small, which a sentence's first word is not.
# fmt: off
_USUAL = frozenset((
    "com", "net", "org", "info", "biz", "io", "co", "app", "dev", "ai", "xyz", "online", "site", "shop",
    "top", "link", "click", "live", "club", "store", "tech", "page", "cloud", "space", "website",
    "blog", "news", "link", "email", "agency", "digital", "world", "today", "life", "icu", "vip", "fun",
    "zip", "mov", "gov", "edu", "mil", "int", "eu", "de", "uk", "fr", "nl", "es", "us", "ca", "au",
    "ru", "cn", "br", "jp", "ch", "se", "no", "pl", "be", "at", "it", "in", "is", "me", "tv", "cc",
    "to", "ly", "gl", "gd", "ws", "fm", "sh", "st", "su", "ua", "cz", "sk", "hu", "ro", "bg", "gr",
    "pt", "dk", "fi", "ie", "tr", "il", "ae", "sa", "kr", "tw", "hk", "sg", "my", "th", "vn", "id",
    "ph", "nz", "za", "mx", "ar", "cl", "pe", "ve", "ng", "ke", "gg", "im",
))
# fmt: on


def in_text(text: str) -> Iterator[str]:
    """Every link that a reader of this text may follow, in normal form."""
    for found in _URL.finditer(text):
        yield normal(found[0])
    for found in _STYLE.finditer(text):
        yield normal(found[1])
    for found in _NAME.finditer(text):
        last = found[2]
        is_usual = last.lower() in _USUAL and not (last[0].isupper() and not last.isupper())
        if is_usual or last.lower().startswith("xn--"):
            yield normal(found[0])


def normal(link: str) -> str:
    """Without what makes no difference: http or https, a user, letters' case in the host, a full stop."""
    link = _INVISIBLE.sub("", link).replace("\\", "/").rstrip(_TRAILING)
    if link.lower().startswith("mailto:"):
        return "mailto:" + link[7:].partition("?")[0].lower()
    bare = link.removeprefix("//") if link.startswith("//") else _WEB.sub("", link, count=1)
    if bare == link and _SCHEME.match(link) and not _is_port(link):
        return link
    end = _AUTHORITY_END.search(bare)
    authority, rest = (bare[: end.start()], bare[end.start() :]) if end else (bare, "")
    return (authority.rpartition("@")[2].lower() + rest).rstrip("/")


def host_of(link: str) -> str:
    """The host to which a link in normal form leads, in A-labels; empty where it names none."""
    if link.startswith("mailto:"):
        authority = link.rpartition("@")[2]
    else:
        scheme = _SCHEME.match(link)
        if scheme and not _is_port(link):
            link = link[scheme.end() :]
            if not link.startswith("//"):
                return ""
            link = link.lstrip("/")
        authority = _AUTHORITY_END.split(link, maxsplit=1)[0].rpartition("@")[2]
    name = re.sub(r":\d*\Z", "", authority).rstrip(".")
    try:
        return parse_domain(name)
    except InvalidAddress:
        return ""


def _is_port(link: str) -> bool:
    """Whether its colon parts a host's name from a port, and not a scheme from the rest."""
    return re.match(r"[^:/]*\.[^:/]*:\d{1,5}(?:[/?#]|\Z)", link) is not None
