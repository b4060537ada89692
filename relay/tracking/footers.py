"""The footer below a mail: whose it is, where they are, and by which link one leaves.

HTML is the operator's own and stands as it was given; what is given as text
is escaped there. The postal address stands below either.
"""

import html

from msgspec import Struct

from relay.tracking.insertions import has_placeholder

_SMALL = "margin-top:2em;font-size:12px;color:#666"


class Footer(Struct, frozen=True):
    """`html` and `text` say the same; where `html` is empty it is made of `text`."""

    html: str = ""
    text: str = ""
    postal_address: str = ""

    def __bool__(self) -> bool:
        return bool(self.html or self.text or self.postal_address)

    @property
    def in_html(self) -> str:
        """What stands in an HTML document, without the postal address."""
        return self.html or self.text

    @property
    def names_the_page(self) -> bool:
        """Whether it says where one leaves."""
        return any(map(has_placeholder, (self.html, self.text, self.postal_address)))


def html_footer(footer: Footer, leave: str | None) -> str:
    """The footer and, where it is given, the link by which one leaves."""
    said = "" if footer.html else footer.text
    lines = [html.escape(line) for line in (*said.splitlines(), *footer.postal_address.splitlines())]
    if leave is not None:
        lines.append(f'<a href="{html.escape(leave)}">Unsubscribe</a>')
    return footer.html + (f'<div style="{_SMALL}">{"<br>".join(lines)}</div>' if lines else "")


def text_footer(text: str, footer: Footer, leave: str | None) -> str:
    """The text with the footer below it."""
    lines = [*footer.text.splitlines(), *footer.postal_address.splitlines()]
    lines += [f"Unsubscribe: {leave}"] if leave is not None else []
    return f"{text.rstrip()}\n\n" + "\n".join(lines) + "\n" if lines else text
