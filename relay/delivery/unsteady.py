"""Remember which servers offer PIPELINING and cannot do it, so that each is waited for once."""

from relay.resolver import IpAddress


class Unsteady:
    """Servers that lost step with several commands at once: the last `most` of them, until we restart."""

    def __init__(self, most: int = 1000) -> None:
        self._addresses: dict[IpAddress, None] = {}
        self._most = most

    def __contains__(self, address: IpAddress) -> bool:
        return address in self._addresses

    def add(self, address: IpAddress) -> None:
        self._addresses[address] = None
        if len(self._addresses) > self._most:
            del self._addresses[next(iter(self._addresses))]
