"""RSA keys from a small stock: making one takes longer than most of the tests that need one."""

from collections.abc import Callable
from itertools import cycle

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

STOCK = 4


class FewKeys:
    """Makes keys as `make` does, then hands the same ones out in turn: two in a row always differ."""

    def __init__(self, make: Callable[[int, int], RSAPrivateKey]) -> None:
        self._make = make
        self._stock: dict[tuple[int, int], list[RSAPrivateKey]] = {}
        self._turns: dict[tuple[int, int], cycle[RSAPrivateKey]] = {}

    def __call__(self, exponent: int, size: int) -> RSAPrivateKey:
        kind = (exponent, size)
        stock = self._stock.setdefault(kind, [])
        if len(stock) < STOCK:
            stock.append(self._make(exponent, size))
            return stock[-1]
        return next(self._turns.setdefault(kind, cycle(stock)))
