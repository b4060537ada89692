"""A nameserver of the test's own."""

from tests.fakes.fixtures import dns

__all__ = ["dns"]
