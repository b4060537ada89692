"""A template as it is sent: what its version says, with the layout around it."""

from relay.errors import InvalidInput
from relay.store.database import Reader
from relay.templates import records
from relay.templates.content import Content
from relay.templates.questions import Source
from relay.templates.records import KeptTemplate


async def published(reader: Reader, template: KeptTemplate) -> Content:
    """What is sent; raises InvalidInput for one that was never published."""
    if template.published is None:
        raise InvalidInput(f"template {template.name} is a draft: it was never published")
    return (await records.version(reader, template, template.published)).content


async def source_of(reader: Reader, tenant_id: str, content: Content) -> Source:
    """What is filled in to make a message; raises InvalidInput for a layout that cannot be used."""
    return Source(
        slots={"subject": content.subject},
        html=content.html,
        mjml=content.mjml,
        text=content.text,
        layout=await _layout(reader, tenant_id, content),
        inline_css=content.inline_css,
    )


async def _layout(reader: Reader, tenant_id: str, content: Content) -> Source | None:
    if content.layout is None:
        return None
    template = await records.find(reader, tenant_id, content.layout)
    if template is None:
        raise InvalidInput(f"there is no layout {content.layout}", field="layout")
    layout = await published(reader, template)
    if layout.layout is not None:
        raise InvalidInput(f"layout {template.name} has a layout itself", field="layout")
    if (content.mjml and layout.html) or (content.html and layout.mjml):
        raise InvalidInput(
            f"of this and layout {template.name} one is html and the other mjml", field="layout"
        )
    return Source(html=layout.html, mjml=layout.mjml, text=layout.text, inline_css=layout.inline_css)
