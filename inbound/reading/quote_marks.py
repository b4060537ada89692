"""How mail programs mark in HTML what they quote: by containers, or by where the old part begins."""

from inbound.reading.attribution import markers
from inbound.reading.html_lines import lines_of
from inbound.reading.html_tree import Element

_QUOTE_CLASSES = frozenset(
    {"gmail_attr", "moz-cite-prefix", "yahoo_quoted", "protonmail_quote", "tutanota_quote", "zmail_extra"}
)
_QUOTE_IDS = frozenset({"mail-editor-reference-message-container", "olk_src_body_section", "reply-intro"})
# From these on, everything is old.
_REST_IDS = frozenset({"divrplyfwdmsg", "appendonsend", "stopspelling"})
_FIRST_NODES = 150  # in which a header must show


def is_quote(element: Element) -> bool:
    """Whether all of the element is quoted."""
    attributes = element.attributes
    classes = {name.removeprefix("x_") for name in element.classes()}
    if element.name == "blockquote":
        return (
            attributes.get("type", "").lower() == "cite"
            or "gmail_quote" in classes
            or bool(classes & _QUOTE_CLASSES)
        )
    identity = attributes.get("id", "").lower().removeprefix("x_")
    if identity in _QUOTE_IDS or identity.startswith("yahoo_quoted"):
        return True
    return bool(classes & _QUOTE_CLASSES) or (element.name == "div" and attributes.get("name") == "quote")


def begins_the_rest(element: Element) -> bool:
    """Whether everything is old from this element on."""
    if element.attributes.get("id", "").lower().removeprefix("x_") in _REST_IDS:
        return True
    style = element.attributes.get("style", "")[:2000].lower()
    if (
        element.name not in ("div", "td", "p")
        or "border-top" not in style
        or "none" in style.partition("border-top")[2][:12]
    ):
        return False
    lines = start_of_text(element).split("\n")
    return any(marker.kind == "header" and marker.start < 3 for marker in markers(lines, set()))


def start_of_text(element: Element) -> str:
    """The first lines of its text."""
    return "\n".join(line.text[:500] for line in lines_of(element, (), most=_FIRST_NODES))
