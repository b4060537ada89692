"""One table, one owner: only the owner's SQL writes it, so its rules stand in one place."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

# table → the module or package whose SQL may insert, update and delete
OWNERS: Mapping[str, str] = {
    "tenants": "relay.tenants",
    "domains": "relay.tenants",
    "dkim_keys": "relay.tenants",
    "mailboxes": "relay.tenants",
    "aliases": "relay.tenants",
    "api_keys": "relay.tenants",
    "secrets": "relay.tenants",
    "allowances": "relay.policy",
    "suppressions": "relay.suppressions",
    "address_lists": "relay.lists",
    "tracked": "relay.tracking",
    "messages": "relay.spool",
    "contents": "relay.spool",
    "recipients": "relay.queue",
    "site_leases": "relay.queue",
    "site_rests": "relay.queue",
    "events": "relay.events",
    "cursors": "relay.events",
    "audit": "relay.events",
    "tenant_months": "relay.policy",
    "tenant_days": "relay.policy",
    "brands": "relay.tenants",
    "nodes": "relay.nodes",
    "idempotency": "relay.submission",
    "drafts": "relay.drafts",
    "batches": "relay.batches",
    "batch_items": "relay.batches",
    "acquaintances": "relay.guards",
    "acquaintance_marks": "relay.guards",
    "new_recipients": "relay.guards",
    "approvals": "relay.guards",
    "templates": "relay.templates",
    "template_versions": "relay.templates",
    "arrivals": "inbound",
    "threads": "inbound.letters",
    "letters": "inbound.letters",
    "letter_texts": "inbound.letters",
    "letter_labels": "inbound.letters",
    "webhook_endpoints": "relay.webhooks",
    "webhook_deliveries": "relay.webhooks",
    "webhook_attempts": "relay.webhooks",
    "caught": "relay.sandbox",
    "figures": "relay.analytics",
    "figure_times": "relay.analytics",
    "figure_marks": "relay.analytics",
    "mailbox_health": "relay.policy",
    "letter_search": "inbound.letters",
    "body_chunks": "relay.store",
}
_CREATED = re.compile(r"\bcreate\s+(?:virtual\s+)?table\s+(?:if\s+not\s+exists\s+)?(\w+)", re.IGNORECASE)
_WRITTEN = re.compile(
    r"\b(?:insert\s+(?:or\s+\w+\s+)?into|replace\s+into|delete\s+from|update)\s+(\w+)(?=\s+(?:\(|set|where|select|values|as|$))",
    re.IGNORECASE,
)
# The store looks after tables of its own: its version, its test write.
_STORE = "relay.store"


def test_only_the_owner_writes_a_table() -> None:
    strangers = [
        f"{module} writes {table}, which belongs to {OWNERS[table]}"
        for module, sql in _texts()
        for table in _written(sql)
        if table in OWNERS and not _is_in(module, OWNERS[table])
    ]
    assert not strangers


def test_every_table_has_an_owner() -> None:
    created = {
        table
        for file in (ROOT / "relay" / "store" / "migrations").glob("*.sql")
        for table in _CREATED.findall(file.read_text())
    }
    assert created
    assert created - set(OWNERS) == set(), "name the owner of each new table here"
    assert set(OWNERS) - created == set()


def test_the_scan_sees_writes_and_not_prose() -> None:
    assert _written("insert into events (id) select 1") == {"events"}
    assert _written("update recipients\nset state = 1") == {"recipients"}
    assert _written("DELETE FROM messages WHERE id = 1") == {"messages"}
    assert _written("Never update messages once written") == set()


def _written(sql: str) -> set[str]:
    return {table.lower() for table in _WRITTEN.findall(sql)}


def _texts() -> Iterator[tuple[str, str]]:
    """Every text of every module that is not a docstring; parts of f-strings are joined."""
    for package in ("relay", "inbound", "api"):
        for file in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            tree = ast.parse(file.read_text())
            yield from ((module, text) for text in _strings(tree))


def _strings(tree: ast.Module) -> Iterator[str]:
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else " x " for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def _is_in(module: str, owner: str) -> bool:
    return module == owner or module.startswith((f"{owner}.", f"{_STORE}."))
