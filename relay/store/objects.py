"""Objects in a bucket of S3-compatible storage: put, fetch, remove and list them.

Everything blocks, and is called from threads: obstore's own asynchronous
interface may abort a process that ends soon after it was used.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from relay.config import StoreConfig
from relay.errors import StoreUnavailable
from relay.store.bodies import BodyBytes

if TYPE_CHECKING:
    from obstore.store import S3Config

T = TypeVar("T")

# What one transfer holds in memory: a part at a time.
_PART: Final = 5 << 20
_READ: Final = 1 << 20


class Objects:
    """The objects of one house: below `<prefix of store.bodies>/<house>/` in its bucket.

    No house sees another's, so none sweeps away what it does not know. Each
    method raises StoreUnavailable when the storage cannot be had.
    """

    def __init__(self, store: StoreConfig, house: str) -> None:
        bucket, _, prefix = store.bodies.removeprefix("s3://").partition("/")
        self.where = "/".join(part for part in (prefix, house) if part)
        self._store = S3Store(
            bucket,
            config=_manners(store),
            client_options={
                "connect_timeout": timedelta(seconds=5),
                "timeout": timedelta(seconds=60),
                "allow_http": store.bodies_endpoint.startswith("http:"),
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
        )

    def put(self, name: str, body: BodyBytes) -> None:
        """When this returns, the storage has said that it has the object."""
        source = body.data if body.data is not None else body.file
        assert source is not None
        self._asked(
            lambda: obstore.put(
                self._store, self._key(name), source, chunk_size=_PART, max_concurrency=1, use_multipart=None
            )
        )

    def fetch(self, name: str, place: Path) -> bool:
        """Its octets into a new file, a part at a time; False when there is no such object."""
        try:
            found = self._asked(lambda: obstore.get(self._store, self._key(name)), may_be_missing=True)
        except FileNotFoundError:
            return False
        parts = iter(found.stream(min_chunk_size=_READ))
        with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            while part := self._asked(lambda: next(parts, None)):
                file.write(part)
        return True

    def delete(self, name: str) -> None:
        """One that is gone already is fine."""
        with contextlib.suppress(FileNotFoundError):
            self._asked(lambda: obstore.delete(self._store, self._key(name)), may_be_missing=True)

    def listed(self) -> Iterator[tuple[str, int, float]]:
        """Of each object its name, its octets, and when it was written, in seconds since the epoch."""
        pages = iter(obstore.list(self._store, self.where))
        while page := self._asked(lambda: next(pages, None)):
            for meta in page:
                yield (
                    meta["path"].removeprefix(f"{self.where}/"),
                    meta["size"],
                    meta["last_modified"].timestamp(),
                )

    def _key(self, name: str) -> str:
        return f"{self.where}/{name}"

    def _asked(self, ask: Callable[[], T], *, may_be_missing: bool = False) -> T:
        try:
            return ask()
        except FileNotFoundError as error:
            if may_be_missing:
                raise
            raise _trouble(error) from error
        except BaseError as error:
            raise _trouble(error) from error


def _manners(store: StoreConfig) -> "S3Config":
    """What is not said here obstore takes from the environment and the machine's role."""
    manners: S3Config = {"region": store.bodies_region, "virtual_hosted_style_request": False}
    if store.bodies_endpoint:
        manners["endpoint"] = store.bodies_endpoint
    if store.bodies_access_key:
        manners["access_key_id"] = store.bodies_access_key
        manners["secret_access_key"] = str(store.bodies_secret_key)
    return manners


def _trouble(error: Exception) -> StoreUnavailable:
    """What follows the first line are the library's structures."""
    return StoreUnavailable(f"object storage: {str(error).partition(chr(10))[0]}")
