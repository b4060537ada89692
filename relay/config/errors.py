"""What can be wrong with a configuration, said so that it can be found and mended."""

from collections.abc import Sequence
from dataclasses import dataclass

from relay.errors import PosthouseError


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint. `where` is a file or the name of an environment variable."""

    text: str
    key: str | None = None
    where: str | None = None
    line: int | None = None
    nearest: str | None = None

    def __str__(self) -> str:
        place = f"{self.where}:{self.line}" if self.where and self.line else self.where
        told = ": ".join(part for part in (place, self.key, self.text) if part)
        return f"{told}; did you mean {self.nearest}?" if self.nearest else told


class ConfigError(PosthouseError):
    """The configuration cannot be used; every problem that was found, one line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
