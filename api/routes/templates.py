"""Templates: written as drafts, tried out, published; what is published is what mail is made of."""

from dataclasses import replace
from typing import Any

from msgspec import UNSET, structs

from api.call import Call
from api.mail.composing import in_plain
from api.mail.merging import fill, known_of, not_installed, problem_of
from api.mail.people import person_of
from api.operations import Operation
from api.paging import Paged, page
from api.problems import invalid
from api.routes.template_shapes import (
    TEMPLATE_EXAMPLE,
    NewPreview,
    NewTemplate,
    PatchTemplate,
    PreviewShape,
    TemplateShape,
    listed_shape,
    template_shape,
)
from api.shapes import Page
from api.tenant_wide import check_tenant_wide
from relay.errors import InvalidInput
from relay.store.database import Transaction
from relay.templates import changes, markup, records, use
from relay.templates.changes import Examined
from relay.templates.content import Content
from relay.templates.questions import Examine
from relay.templates.records import KeptTemplate

_PARTS = tuple(Content.__struct_fields__)
_ABOUT = ("name", "description")


async def create_template(call: Call, body: NewTemplate) -> TemplateShape:
    """The new template; a draft unless it is to be published."""
    check_tenant_wide(call)
    content = Content(**{name: getattr(body, name) for name in _PARTS})
    examined = await _examined(call, content, publish=body.publish)

    async def work(tx: Transaction) -> KeptTemplate:
        clock = call.house.clock
        made = await changes.create(tx, clock, call.tenant_id, body.name, body.description, examined)
        return await changes.publish(tx, clock, made) if body.publish else made

    return await call.once.run(work, template_shape)


async def list_templates(call: Call, query: Paged) -> Page[TemplateShape]:
    """Every template without its texts, newest first."""
    check_tenant_wide(call)
    rows = await records.page(call.house.db, call.tenant_id, query.limit + 1, query.before)
    return page(rows, query.limit, listed_shape, lambda template: template.id)


async def get_template(call: Call) -> TemplateShape:
    return template_shape(await find_template(call))


async def change_template(call: Call, body: PatchTemplate) -> TemplateShape:
    """The template as it is now."""
    clock = call.house.clock
    while True:
        before = await find_template(call)
        draft = structs.replace(before.draft, **_given(body, _PARTS))
        examined = await _examined(call, draft, itself=before, publish=body.publish)
        after = replace(before, draft=draft, variables=examined.variables, **_given(body, _ABOUT))

        async def work(
            tx: Transaction, before: KeptTemplate = before, after: KeptTemplate = after
        ) -> KeptTemplate | None:
            if await records.get(tx, call.tenant_id, before.id) != before:
                return None
            changed = await changes.change(tx, clock, before, after)
            return await changes.publish(tx, clock, changed) if body.publish else changed

        # Somebody else was faster: what is given changes what the template says now.
        if (changed := await call.house.db.transact(work)) is not None:
            return template_shape(changed)


async def delete_template(call: Call) -> None:
    """It is gone, with its versions; mail that was made of it is mail like other mail."""
    template = await find_template(call)
    await call.house.db.transact(lambda tx: changes.remove(tx, call.house.clock, template))


async def publish_template(call: Call) -> TemplateShape:
    """What the draft says is sent from now on, as a new version."""
    known = await find_template(call)
    await _examined(call, known.draft, itself=known, publish=True)

    async def work(tx: Transaction) -> KeptTemplate:
        template = await records.get(tx, call.tenant_id, known.id)
        return await changes.publish(tx, call.house.clock, template)

    return await call.once.run(work, template_shape)


async def preview_template(call: Call, body: NewPreview) -> PreviewShape:
    """The message as it would be sent with these variables to that person; refused as it would be."""
    template = await find_template(call)
    content, variables = await _wanted(call, template, body)
    person = None if body.to is None else person_of(body.to, "$.to")
    values = {**known_of(call.house.clock, person), **body.variables}
    source = await use.source_of(call.house.db, call.tenant_id, content)
    seed = (person.address if person else template.id) if content.spintax else None
    said = await fill(call, source, values, seed)
    text = said.text
    if text is None and said.html is not None:
        text = await in_plain(call.house, said.html)
    return PreviewShape(subject=said.slots["subject"], html=said.html, text=text, variables=variables)


async def find_template(call: Call) -> KeptTemplate:
    """What the path names, by id or name; raises NotFound."""
    check_tenant_wide(call)
    return await records.get(call.house.db, call.tenant_id, call.path["template"])


async def _wanted(call: Call, template: KeptTemplate, body: NewPreview) -> tuple[Content, tuple[str, ...]]:
    """What the version that is meant says, and what it asks for; raises NotFound, Problem (422)."""
    number = template.published if body.version == "published" else body.version
    if number is None:
        raise invalid("$.version", "the template was never published")
    if not isinstance(number, int):
        return template.draft, template.variables
    kept = await records.version(call.house.db, template, number)
    return kept.content, kept.variables


async def _examined(
    call: Call, content: Content, *, itself: KeptTemplate | None = None, publish: bool
) -> Examined:
    """The content, which can be read; raises Problem (422, 501) that names the part which cannot be."""
    if content.html is not None and content.mjml is not None:
        raise invalid("$.mjml", "a template has html or mjml, not both")
    if publish and not content.says_something:
        raise invalid("$.html", "is missing: a template without html, mjml or text says nothing")
    for feature, is_wanted in (("mjml", content.mjml is not None), ("inline_css", content.inline_css)):
        if is_wanted and not markup.is_installed(feature):
            raise not_installed(feature)
    if itself is not None and content.layout in (itself.id, itself.name):
        raise invalid("$.layout", "a template is not its own layout")
    try:
        source = await use.source_of(call.house.db, call.tenant_id, content)
    except InvalidInput as error:
        raise invalid("$.layout", str(error)) from error
    answer = await call.house.renderer.ask(
        call.tenant_id, Examine(structs.replace(source, layout=None), content.spintax)
    )
    if answer.problem:
        raise problem_of(answer)
    return Examined(content, answer.names)


def _given(body: PatchTemplate, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(body, name)) is not UNSET}


_ONE = "/v1/templates/{template}"
_DRAFT = {**TEMPLATE_EXAMPLE, "published_version": None, "is_changed": True}
_LISTED = {name: value for name, value in TEMPLATE_EXAMPLE.items() if name not in ("html", "mjml", "text")}
_ERRORS = ("not_found", "already_exists", "quota_exceeded", "not_installed")

OPERATIONS = (
    Operation(
        "POST",
        "/v1/templates",
        "templates:write",
        "Write a template",
        create_template,
        body=NewTemplate,
        answer=TemplateShape,
        status=201,
        example={
            "name": "order_shipped",
            "subject": TEMPLATE_EXAMPLE["subject"],
            "html": TEMPLATE_EXAMPLE["html"],
        },
        answers=_DRAFT,
        errors=_ERRORS,
        description="A draft, until it is published. It is usable by its name or id.",
    ),
    Operation(
        "GET",
        "/v1/templates",
        "templates:read",
        "List the templates",
        list_templates,
        query=Paged,
        answer=Page[TemplateShape],
        answers={"data": [_LISTED], "has_more": False, "next_cursor": None},
    ),
    Operation(
        "GET",
        _ONE,
        "templates:read",
        "One template",
        get_template,
        answer=TemplateShape,
        answers=TEMPLATE_EXAMPLE,
        errors=("not_found",),
        description="By id or name, as everywhere.",
    ),
    Operation(
        "PATCH",
        _ONE,
        "templates:write",
        "Change a template's draft",
        change_template,
        body=PatchTemplate,
        answer=TemplateShape,
        example={"subject": "Order {{ order.number }} is on its way"},
        answers={**TEMPLATE_EXAMPLE, "is_changed": True},
        errors=_ERRORS,
    ),
    Operation(
        "DELETE",
        _ONE,
        "templates:write",
        "Remove a template",
        delete_template,
        status=204,
        errors=("not_found",),
    ),
    Operation(
        "POST",
        f"{_ONE}/publish",
        "templates:write",
        "Send what the draft says from now on",
        publish_template,
        answer=TemplateShape,
        answers=TEMPLATE_EXAMPLE,
        errors=_ERRORS,
        description="The draft becomes the next version; what is sent already is no new one.",
    ),
    Operation(
        "POST",
        f"{_ONE}/preview",
        "templates:read",
        "Fill a template in without sending it",
        preview_template,
        body=NewPreview,
        answer=PreviewShape,
        example={
            "variables": {"order": {"number": "4711", "items": [{"name": "Widget"}]}},
            "to": "Ann Lee <ann@far.example>",
        },
        answers={
            "subject": "Your order 4711",
            "html": "<p>Hello Ann,</p><p>Widget</p>",
            "text": "Hello Ann,\n\nWidget",
            "variables": TEMPLATE_EXAMPLE["variables"],
        },
        errors=("not_found", "template_missing_variables", "not_installed"),
    ),
)
