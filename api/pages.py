"""Pages for people who have no key: plain HTML with one style, and nothing that a browser may run or load."""

import base64
import hashlib
import html

from api.operations import Reply

MEDIA_TYPE = "text/html; charset=utf-8"

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:32em;margin:15vh auto;padding:0 1em;color:#222}"
    "button{font:inherit;padding:.5em 1.5em}"
)
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)


def words(text: str) -> str:
    """Text that may stand anywhere in a page."""
    return html.escape(text)


def page_of(title: str, body: str) -> Reply:
    """A whole page; `body` is HTML whose texts went through `words`."""
    document = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="robots" content="noindex">'
        f"<title>{words(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{words(title)}</h1>{body}</body></html>"
    )
    return Reply(document.encode(), headers={"Content-Security-Policy": _POLICY}, media_type=MEDIA_TYPE)
