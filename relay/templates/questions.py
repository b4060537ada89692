"""What a rendering child is asked and what it answers; who asks need not know how templates are read."""

from typing import Any, Literal, TypeAlias

import msgspec

Problem: TypeAlias = Literal["", "fault", "time", "memory", "not_installed"]


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be filled in. Only one of `html` and `mjml` is there.

    `slots` are header fields by where they stand, such as `subject`. A layout
    is put around: its `{{ content }}` is the part of the same name.
    """

    slots: dict[str, str] = {}
    html: str | None = None
    mjml: str | None = None
    text: str | None = None
    layout: "Source | None" = None
    inline_css: bool = False


class Render(msgspec.Struct, frozen=True, tag=True):
    """Fill it in: a `Rendered`. Without variables places stay; without a seed so do alternatives."""

    source: Source
    variables: dict[str, Any] | None
    seed: str | None = None


class Examine(msgspec.Struct, frozen=True, tag=True):
    """Look it over: a `Rendered` that says nothing but `names` or a problem."""

    source: Source
    spintax: bool = False


Task: TypeAlias = Render | Examine


class Rendered(msgspec.Struct, frozen=True, omit_defaults=True):
    """The message filled in, or what is wrong with the part at `where`."""

    slots: dict[str, str] = {}
    html: str | None = None
    text: str | None = None
    missing: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    problem: Problem = ""
    where: str = ""
    why: str = ""
