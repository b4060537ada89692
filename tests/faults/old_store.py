"""A store as an earlier version left it, with one message that waits."""

import sqlite3
from contextlib import closing
from pathlib import Path

from relay.store import migrations, owner
from relay.store.dialect import SQLITE, expand

CREATED = 1_772_442_000_000_000  # 2026-03-02 09:00 UTC

_MESSAGE = """
    insert into messages (id, tenant_id, direction, source, reverse_path, header_from, subject, message_id,
        size, body_size, is_8bit, needs_utf8, lacks_date, tags, metadata, released_at, created_at)
    values ('msg_old0000001', 'ten_default', 'out', 'smtp', 'app@ours.test', 'app@ours.test', 'old',
        '<1@ours.test>', 24, 8, 0, 0, 0, '[]', '{}', :at, :at)
"""
_CONTENT = """
    insert into contents (message_id, tenant_id, header, body)
    values ('msg_old0000001', 'ten_default', cast(:header as blob), cast(:body as blob))
"""
_RECIPIENT = """
    insert into recipients (id, tenant_id, message_id, position, address, destination, is_local, state,
        due_at, epoch, attempts, unfinished, expires_at, delay_noticed)
    values (1, 'ten_default', 'msg_old0000001', 0, 'ann@far.example', 'far.example', 0, 'queued',
        :at, 0, 0, 0, :at * 2, 0)
"""
_STEPS = """
    create table _sqlite_migrations (
        id integer primary key, migration_set text, name text, applied_at text
    )
"""
_STEP = "insert into _sqlite_migrations (migration_set, name, applied_at) values ('posthouse', ?, '')"


def make_old_store(path: Path, last: str) -> Path:
    """One that knows the steps up to `last`."""
    path.parent.mkdir(exist_ok=True)
    macros = {**SQLITE, "now": lambda _: str(CREATED)}
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        store.execute(f"pragma application_id = {owner.APPLICATION_ID}")
        store.execute(_STEPS)
        store.execute("create unique index one_of_each on _sqlite_migrations (migration_set, name)")
        for name, text in migrations.steps():
            for statement in migrations.statements(text):
                if wanted := expand(statement, macros).text.strip():
                    store.execute(wanted)
            store.execute(_STEP, (name,))
            if name == last:
                break
        values = {"at": CREATED, "header": b"Subject: old\r\n", "body": b"Hello.\r\n"}
        for row in (_MESSAGE, _CONTENT, _RECIPIENT):
            store.execute(row, values)
    return path
