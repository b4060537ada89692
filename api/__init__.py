"""The HTTP door. `app.build_app(house)` puts it together from one table of operations.

A resource is a module of `api.routes` with its shapes, its handlers and its
table; the table joins `OPERATIONS` of `api.app`, its scopes `api.scopes`. What
is not in a table is no route, and what is in one is in /openapi.json. So:

    class NewLabel(Body, frozen=True):
        text: Annotated[str, Meta(min_length=1, max_length=100)]

    class LabelShape(Shape, frozen=True):
        id: str
        text: str

    async def create_label(call: Call, body: NewLabel) -> LabelShape:
        '''The inbox's new label.'''
        mailbox = await call.mailbox(call.path["inbox"])  # 404 unless the key may use it
        async def work(tx: Transaction) -> Label:
            return await labels.add(tx, call.house.clock, call.tenant_id, mailbox, body.text)
        return await call.once.run(work, label_shape)  # the answer is kept with the work

    async def list_labels(call: Call, query: Paged) -> Page[LabelShape]:
        rows = await labels.page(call.house.db, call.tenant_id, query.limit + 1, before=query.before)
        return page(rows, query.limit, label_shape, lambda label: label.id)

    OPERATIONS = (
        Operation("POST", "/v1/inboxes/{inbox}/labels", "inboxes:write", "Make a label", create_label,
                  body=NewLabel, answer=LabelShape, status=201, errors=("not_found", "already_exists"),
                  example={"text": "urgent"}, answers={"id": "lbl_1", "text": "urgent"}),
    )

A handler is given the call, then the body if the operation has one, then the
query if it has one. Errors of the house (NotFound, Refusal, …) become problems
by `api.refusals`; `problems.invalid("$.to[0]", "…")` names a field. Mail is
sent with `errand = call.once.errand(render)` in the draft: `errand.answer` is
the answer when `accept` returns. Through `directory.change` goes what changes
mailboxes, domains and keys: `call.once.run(work, shape, through=house.directory.change)`.
An answer that is no JSON is a `Reply` or a `Stream`. Every SQL statement has
the caller's tenant in it.
"""
