"""What a request says of a template, and how templates and their versions are shown."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from api.mail.emails import Variables
from api.mail.people import One
from api.shapes import Body, Shape
from relay.clock import from_us
from relay.templates import limits
from relay.templates.changes import NAME
from relay.templates.content import Content
from relay.templates.records import KeptTemplate, KeptVersion

Name: TypeAlias = Annotated[str, Meta(pattern=NAME, description="usable wherever a template is named")]
Subject: TypeAlias = Annotated[str, Meta(max_length=limits.SUBJECT)]
Part: TypeAlias = Annotated[str, Meta(max_length=limits.SOURCE)]
Layout: TypeAlias = Annotated[str, Meta(min_length=1, max_length=100, description="name or id")]
Description: TypeAlias = Annotated[str, Meta(max_length=500)]


class NewTemplate(Body, kw_only=True, frozen=True):
    """Liquid, and `{{name|fallback}}` beside its filters; `html` or `mjml`; `text` is made of them.

    `layout` is a template with `{{ content }}` in its parts, put around this one's.
    """

    name: Name
    description: Description = ""
    subject: Subject = ""
    html: Part | None = None
    mjml: Part | None = None
    text: Part | None = None
    layout: Layout | None = None
    inline_css: bool = False
    spintax: bool = False
    publish: bool = False


class PatchTemplate(Body, kw_only=True, frozen=True):
    """What is given changes in the draft; null takes a part away. With `publish` it is sent from now on."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    subject: Subject | UnsetType = UNSET
    html: Part | UnsetType | None = UNSET
    mjml: Part | UnsetType | None = UNSET
    text: Part | UnsetType | None = UNSET
    layout: Layout | UnsetType | None = UNSET
    inline_css: bool | UnsetType = UNSET
    spintax: bool | UnsetType = UNSET
    publish: bool = False


class Restoration(Body, kw_only=True, frozen=True):
    """The draft says what that version said; with `publish` it is sent, as a new version."""

    publish: bool = False


class NewPreview(Body, kw_only=True, frozen=True):
    """Which version, with what, for whom: `to` gives `{{email}}`, `{{name}}` and their like."""

    variables: Variables = {}  # noqa: RUF012 - the struct is frozen
    version: Literal["draft", "published"] | Annotated[int, Meta(ge=1)] = "draft"
    to: One | None = None


class PreviewShape(Shape, kw_only=True, frozen=True):
    """The message as it would be sent, and the variables that the version asks for."""

    subject: str
    html: str | None
    text: str | None
    variables: tuple[str, ...]


class ContentShape(Shape, kw_only=True, frozen=True):
    """Lists leave the texts out."""

    subject: str
    html: str | UnsetType | None = UNSET
    mjml: str | UnsetType | None = UNSET
    text: str | UnsetType | None = UNSET
    layout: str | None
    inline_css: bool
    spintax: bool
    variables: tuple[str, ...]


class TemplateShape(ContentShape, kw_only=True, frozen=True):
    """The draft. `published_version` is sent, null before the first; `is_changed`: the draft differs."""

    id: str
    name: str
    description: str
    published_version: int | None
    is_changed: bool
    created_at: datetime
    updated_at: datetime


class VersionShape(ContentShape, kw_only=True, frozen=True):
    """What was published once."""

    version: int
    is_published: bool
    created_at: datetime


def template_shape(template: KeptTemplate) -> TemplateShape:
    return _shaped(template, whole=True)


def listed_shape(template: KeptTemplate) -> TemplateShape:
    return _shaped(template, whole=False)


def version_shape(template: KeptTemplate, version: KeptVersion, *, whole: bool) -> VersionShape:
    return VersionShape(
        version=version.version,
        is_published=version.version == template.published,
        created_at=from_us(version.created_at),
        **_said(version.content, version.variables, whole=whole),
    )


def _shaped(template: KeptTemplate, *, whole: bool) -> TemplateShape:
    return TemplateShape(
        id=template.id,
        name=template.name,
        description=template.description,
        published_version=template.published,
        is_changed=template.is_changed,
        created_at=from_us(template.created_at),
        updated_at=from_us(template.updated_at),
        **_said(template.draft, template.variables, whole=whole),
    )


def _said(content: Content, variables: tuple[str, ...], *, whole: bool) -> dict[str, Any]:
    texts = {name: getattr(content, name) if whole else UNSET for name in ("html", "mjml", "text")}
    return {
        **texts,
        "subject": content.subject,
        "layout": content.layout,
        "inline_css": content.inline_css,
        "spintax": content.spintax,
        "variables": variables,
    }


_SAID: dict[str, Any] = {
    "subject": "Your order {{ order.number }}",
    "html": "<p>Hello {{first_name|there}},</p>{% for each in order.items %}<p>{{each.name}}</p>{% endfor %}",
    "mjml": None,
    "text": None,
    "layout": None,
    "inline_css": False,
    "spintax": False,
    "variables": ["first_name", "order.items", "order.number"],
}
TEMPLATE_EXAMPLE: dict[str, Any] = {
    **_SAID,
    "id": "tmp_01hw3k9v8g2e4r6t8y0a2s4d",
    "name": "order_shipped",
    "description": "",
    "published_version": 3,
    "is_changed": False,
    "created_at": "2026-03-02T09:00:00Z",
    "updated_at": "2026-03-02T09:00:00Z",
}
VERSION_EXAMPLE: dict[str, Any] = {
    **_SAID,
    "version": 3,
    "is_published": True,
    "created_at": "2026-03-02T09:00:00Z",
}
