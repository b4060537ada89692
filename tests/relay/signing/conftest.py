"""One pair of keys for all tests of this directory: RSA keys are slow to make."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from relay.signing.keys import KeyRing
from relay.signing.signer import Signer


@pytest.fixture(scope="session")
def signing_ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    directory: Path = tmp_path_factory.mktemp("keys") / "dkim_keys"
    ring = KeyRing(directory)
    ring.generate("example.com", datetime(2026, 3, 2, tzinfo=UTC))
    return ring


@pytest.fixture
def signer(signing_ring: KeyRing) -> Iterator[Signer]:
    signer = Signer(signing_ring)
    yield signer
    signer.close()
