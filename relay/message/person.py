"""A person as header fields name one: what is shown, and where mail for them goes."""

import msgspec


class Person(msgspec.Struct, frozen=True):
    """`name` is decoded text without control characters, empty where none is given.

    `address` is as it was written (`local@domain`), for people and for replies;
    empty where what was written is no address.
    """

    address: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address
