"""Where the pages behind tracked mail stand: the host that a domain names, or the house's own."""

from urllib.parse import urlsplit

PREFIX = "/t/"
CLICK, OPEN, UNSUBSCRIBE = f"{PREFIX}c/", f"{PREFIX}o/", f"{PREFIX}u/"


def base_of(public_url: str, tracking_host: str | None) -> str:
    """What stands before the paths of this module: all but the host is as in the house's own URL."""
    parts = urlsplit(public_url)
    if tracking_host is None:
        return public_url
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{tracking_host}{port}{parts.path}"


def host_of(base: str) -> str:
    """The name that a token at such a place is made for."""
    return (urlsplit(base).hostname or "").lower()
