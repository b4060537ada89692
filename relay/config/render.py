"""Print the configuration for people: config.toml with every default, and its documentation."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from relay.config.keys import KeySpec
from relay.config.load import KEYS, SECTIONS

_TOML_HEAD = """\
# Posthouse: every setting at its default. It listens on loopback only.
# Printed by `python -m relay.config toml`; explained in docs/configuration.md.
# Durations are "90s", "5m", "2h", "5d"; sizes "100KiB", "25MiB"; listeners
# "host:port", "[ip6]:port" or "fd:NAME" (a systemd socket). Paths are relative
# to this file. The environment wins: POSTHOUSE__DNS__TIMEOUT=9s
"""


_DOCS_HEAD = """\
# Configuration

<!-- Printed by `python -m relay.config docs > docs/configuration.md`; a test compares. -->

Posthouse reads one TOML file: `--config FILE`, else `$POSTHOUSE_CONFIG`, `./config.toml`,
`/etc/posthouse/config.toml`. A file that was named must exist; where none is found, the defaults
below stand. Unknown keys are errors. `posthouse config check` shows every mistake at once, with file,
line and the nearest known key (exit 78); `posthouse config show` prints what holds and who set it.

- **Environment.** `POSTHOUSE__SECTION__KEY` wins over the file: a plain text, or JSON for lists and
  tables (`POSTHOUSE__DNS__NAMESERVERS='["127.0.0.1:5353"]'`). `POSTHOUSE__SECTION__KEY__FILE` names a
  file that holds the value: made for secrets and systemd credentials.
- **Durations** are `"500ms"`, `"90s"`, `"5m"`, `"2h"`, `"5d"`; **sizes** `"512B"`, `"100KiB"`, `"25MiB"`;
  **networks** CIDR (`"10.0.0.0/8"`) or one address.
- **Listeners** are `"host:port"`, `"[::1]:25"`, or `"fd:NAME"` for the sockets of a systemd unit with
  `FileDescriptorName=NAME`.
- **Paths** are relative to the file; the SQLite file of `store.url` is relative to `server.data_dir`.
- ↻ marks what `systemctl reload posthouse` (SIGHUP) can change; everything else needs a restart.
"""


def render_toml() -> str:
    """config.toml: every key at its default, with one line of why above it."""
    parts = [_TOML_HEAD]
    for section, type_ in SECTIONS.items():
        parts.append(f"\n# {type_.__doc__}\n[{section}]\n")
        tables = []
        for spec in _keys(section):
            value = spec.write(spec.default)
            if spec.is_table:
                tables += list(_toml_tables(spec, value))
            else:
                parts.append(f"# {spec.key.why}\n{_name(spec)} = {_toml(value)}\n")
        parts += tables
    return "".join(parts)


def render_docs() -> str:
    """docs/configuration.md: one table for each section."""
    parts = [_DOCS_HEAD]
    for section, type_ in SECTIONS.items():
        parts.append(f"\n## {section}\n\n{type_.__doc__}\n\n| key | default | why |\n|---|---|---|\n")
        parts += [_docs_row(spec) for spec in _keys(section)]
    return "".join(parts)


def _keys(section: str) -> Iterator[KeySpec]:
    return (spec for name, spec in KEYS.items() if name.startswith(f"{section}."))


def _name(spec: KeySpec) -> str:
    return spec.name.partition(".")[2]


def _toml_tables(spec: KeySpec, tables: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield f"\n# {spec.key.why}\n"
    if not tables:
        yield f"[{spec.name}]\n"
    for name, table in tables.items():
        yield f"[{spec.name}.{name}]\n"
        yield from (f"{key} = {_toml(value)}\n" for key, value in table.items())


def _toml(value: Any) -> str:
    """A value in TOML; JSON writes texts, numbers, truth and lists the same way."""
    if not isinstance(value, list) or len(one_line := json.dumps(value, ensure_ascii=False)) <= 80:
        return json.dumps(value, ensure_ascii=False)
    return one_line.replace("[", "[\n    ").replace("]", ",\n]")


def _docs_row(spec: KeySpec) -> str:
    why = spec.key.why.replace("|", "\\|") + _choices(spec) + (" ↻" if spec.key.reload else "")
    default = json.dumps(spec.write(spec.default), ensure_ascii=False)
    return f"| `{spec.name}` | `{default}` | {why} |\n"


def _choices(spec: KeySpec) -> str:
    """The values of a Literal, so that nobody has to guess them."""
    options = [str(item) for item in get_args(get_args(spec.hint)[0]) if isinstance(item, str)]
    return f" ({', '.join(f'`{option}`' for option in options)})" if options else ""
