"""Type a command and read what it says."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from relay.cli.main import build


@dataclass(frozen=True)
class Line:
    """Commands with one configuration, through the real entry point."""

    config: Path

    @property
    def data_dir(self) -> Path:
        return self.config.parent / "data"

    def types(self, *words: str, stdin: str = "") -> Result:
        """Whatever comes of it."""
        return CliRunner().invoke(
            build(), ["--config", str(self.config), *words], prog_name="posthouse", input=stdin
        )

    def does(self, *words: str, stdin: str = "") -> str:
        """What a command that succeeds prints."""
        result = self.types(*words, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words: str, stdin: str = "") -> Any:
        """The document that it prints with --json."""
        return json.loads(self.does(*words, "--json", stdin=stdin))

    def fails(self, *words: str, code: int = 1, stdin: str = "") -> str:
        """What a command that fails says on stderr; nothing stands on stdout."""
        result = self.types(*words, stdin=stdin)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        assert result.stdout == ""
        return result.stderr
