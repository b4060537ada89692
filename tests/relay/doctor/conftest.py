"""A nameserver of the test's own, and a resolver that asks it."""

import pytest

from relay.resolver import Resolver
from tests.fakes.dns_server import FakeDns
from tests.fakes.fixtures import dns, mx

__all__ = ["dns", "mx"]


@pytest.fixture
def resolver(dns: FakeDns) -> Resolver:
    return Resolver([dns.nameserver])
