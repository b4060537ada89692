"""From which addresses besides its own a mailbox may send: `*@example.com`, `app-*@example.com`.

One star, in the local part, stands for any characters or none; without a
star the pattern is one address. The domain is always written out.
"""

from dataclasses import dataclass

from relay.address import Address, InvalidAddress, parse_address
from relay.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class SenderPattern:
    """`suffix` is None when the pattern is one address, whose local part is `prefix`. Lower case."""

    prefix: str
    suffix: str | None
    domain: str

    @classmethod
    def parse(cls, text: str) -> "SenderPattern":
        """Read a pattern; raises InvalidInput with the reason."""
        local, _, domain = text.strip().rpartition("@")
        prefix, star, suffix = local.partition("*")
        if "*" in suffix or (star and '"' in local):
            raise InvalidInput(f"{text!r}: a pattern has one star, without quotes")
        try:
            example = parse_address(f"{prefix}x{suffix}@{domain}" if star else f"{local}@{domain}")
        except InvalidAddress as error:
            raise InvalidInput(f"{text!r} is no sender pattern: {error}") from error
        if not star:
            return cls(example.local_part.lower(), None, example.domain)
        return cls(prefix.lower(), suffix.lower(), example.domain)

    def matches(self, address: Address) -> bool:
        """Whether `address` is one of those meant, in any case of letters."""
        local = address.local_part.lower()
        if address.domain != self.domain:
            return False
        if self.suffix is None:
            return local == self.prefix
        return (
            len(local) >= len(self.prefix) + len(self.suffix)
            and local.startswith(self.prefix)
            and local.endswith(self.suffix)
        )

    def __str__(self) -> str:
        if self.suffix is None:
            return str(Address(self.prefix, self.domain))
        return f"{self.prefix}*{self.suffix}@{self.domain}"
