"""What a template says, as it is kept: JSON of a draft or of a version."""

import msgspec


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parts with their places: `html` or `mjml`, never both. `layout` names another template."""

    subject: str = ""
    html: str | None = None
    mjml: str | None = None
    text: str | None = None
    layout: str | None = None
    inline_css: bool = False
    spintax: bool = False

    @property
    def says_something(self) -> bool:
        """Whether a message can be made of it."""
        return any((self.html, self.mjml, self.text))


def packed(content: Content) -> str:
    return msgspec.json.encode(content).decode()


def unpacked(text: str) -> Content:
    return msgspec.json.decode(text, type=Content)
