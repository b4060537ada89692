"""Imports go one way, and each library has one home."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]

# A home is a module or a package; only there may the library be imported.
HOMES: Mapping[str, set[str]] = {
    "aiosmtpd": {"relay.smtp_server"},
    "aiosmtplib": {"relay.delivery.dialogue", "relay.delivery.protocol"},
    "argon2": {"relay.tenants"},
    "asyncpg": {"relay.store.postgres"},
    "click": {"relay.cli"},
    "css_inline": {"relay.templates.markup"},
    "dkim": {"relay.signing", "inbound.authenticate"},
    "dns": {"relay.resolver"},
    "email": {"inbound.reading"},
    "flufl": {"inbound.reading"},
    "h11": {"inbound.spam_filter", "relay.daemon.http", "relay.webhooks"},
    "liquid": {"relay.templates"},
    "mailparser_reply": {"inbound.reading"},
    "mjml": {"relay.templates.markup"},
    "obstore": {"relay.store.objects"},
    "prometheus_client": {"relay.telemetry"},
    "sqlite3": {"relay.store"},
    "sqlite_utils": {"relay.store.sqlite", "relay.store.backup", "relay.store.migrations"},
    "starlette": {"api"},
    "tomllib": {"relay.config"},
    "uvicorn": {"relay.daemon"},
    "uvloop": {"relay.daemon", "relay.cli", "relay.delivery.processes"},
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("relay", "inbound", "api", include_external_packages=True)


def test_the_layers_hold() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_imported_in_its_home_only(library: str, graph: grimp.ImportGraph) -> None:
    found = graph.find_modules_that_directly_import(library) if library in graph.modules else set()
    strangers = {module for module in found if not _is_in(module, HOMES[library])}
    assert not strangers


@pytest.mark.parametrize(
    ("process", "library"),
    [
        ("relay.cli.main", "liquid"),
        ("relay.delivery.processes.child", "prometheus_client"),
        ("relay.delivery.processes.child", "sqlite_utils"),
    ],
)
def test_a_process_has_no_library_in_memory_that_others_use(
    process: str, library: str, graph: grimp.ImportGraph
) -> None:
    assert library in graph.modules
    assert not graph.chain_exists(importer=process, imported=library)


def test_a_module_is_known_by_its_own_name_or_by_its_package() -> None:
    assert _is_in("relay.store.sqlite", {"relay.store"})
    assert not _is_in("relay.storefront", {"relay.store"})


def _is_in(module: str, homes: set[str]) -> bool:
    return any(module == home or module.startswith(f"{home}.") for home in homes)
