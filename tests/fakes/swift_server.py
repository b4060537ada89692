"""OpenStack Swift with its S3 API, in one process: objects in memory, listings in a directory.

Run by the Python for which Debian installs `python3-swift`, with a directory, an access key
(`account:user`), a secret key and the name of a bucket. Prints the port of the S3 API when it serves, and
ends with its standard input.
"""

import array
import sys
from pathlib import Path
from typing import Any

import eventlet

eventlet.monkey_patch()

from eventlet import tpool, wsgi  # noqa: E402
from swift.common import storage_policy, utils  # noqa: E402
from swift.common.ring import RingData  # noqa: E402

_HASH = "[swift-hash]\nswift_hash_path_suffix = test\nswift_hash_path_prefix = test\n"
_FILTERS = ("catch_errors", "gatekeeper", "listing_formats", "s3api", "tempauth", "bulk", "slo", "dlo")
_OPTIONS = {"s3api": "s3_acl = false\nmin_segment_size = 1\n"}


class Cache:
    """What Swift would ask memcached for."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def get(self, key: str, **other: Any) -> Any:
        return self.kept.get(key)

    def set(self, key: str, value: Any, **other: Any) -> None:
        self.kept[key] = value

    def delete(self, key: str, **other: Any) -> None:
        self.kept.pop(key, None)


def main(directory: str, access_key: str, secret_key: str, bucket: str) -> None:
    home = Path(directory)
    (home / "swift.conf").write_text(_HASH)
    utils.SWIFT_CONF_FILE = str(home / "swift.conf")
    utils.HASH_PATH_SUFFIX = utils.HASH_PATH_PREFIX = b"test"
    storage_policy.reload_storage_policies()
    _serve_storage(home)
    proxy = _proxy(home, access_key, secret_key)
    _make_bucket(home, access_key.partition(":")[0], bucket)
    cache = Cache()

    def front(environ: dict[str, Any], start_response: Any) -> Any:
        environ["swift.cache"] = cache
        return proxy(environ, start_response)

    print(_listen(front), flush=True)  # noqa: T201
    tpool.execute(sys.stdin.read)


def _serve_storage(home: Path) -> None:
    """Accounts and containers on disk, objects in memory; the rings know one of each."""
    from swift.account.server import AccountController
    from swift.container.server import ContainerController
    from swift.obj.mem_server import ObjectController

    (home / "devices" / "sda").mkdir(parents=True)
    settings = {
        "devices": str(home / "devices"),
        "swift_dir": str(home),
        "mount_check": "false",
        "fallocate_reserve": "0",
    }
    servers = {"account": AccountController, "container": ContainerController, "object": ObjectController}
    for name, server in servers.items():
        device = {
            "id": 0,
            "region": 1,
            "zone": 0,
            "device": "sda",
            "ip": "127.0.0.1",
            "port": _listen(server(settings, _logger())),
            "weight": 1,
            "meta": "",
        }
        RingData([array.array("H", [0, 0])], [device], 31).save(str(home / f"{name}.ring.gz"))


def _proxy(home: Path, access_key: str, secret_key: str) -> Any:
    from swift.common.wsgi import loadapp

    options = {**_OPTIONS, "tempauth": f"user_{access_key.replace(':', '_')} = {secret_key} .admin\n"}
    filters = [f"[filter:{name}]\nuse = egg:swift#{name}\n{options.get(name, '')}" for name in _FILTERS]
    (home / "proxy.conf").write_text(
        f"[DEFAULT]\nswift_dir = {home}\nlog_level = CRITICAL\n"
        f"[pipeline:main]\npipeline = {' '.join(_FILTERS)} proxy-server\n"
        "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n" + "".join(filters)
    )
    return loadapp(str(home / "proxy.conf"))


def _make_bucket(home: Path, account: str, bucket: str) -> None:
    from swift.common.swob import Request
    from swift.proxy.server import Application

    inner = Application({"swift_dir": str(home), "allow_account_management": "true"}, logger=_logger())
    for path in (f"/v1/AUTH_{account}", f"/v1/AUTH_{account}/{bucket}"):
        made = Request.blank(path, environ={"REQUEST_METHOD": "PUT"}).get_response(inner)
        assert made.is_success, made.status


def _listen(application: Any) -> int:
    listener = eventlet.listen(("127.0.0.1", 0))
    eventlet.spawn(wsgi.server, listener, application, log_output=False)
    port: int = listener.getsockname()[1]
    return port


def _logger() -> Any:
    return utils.get_logger({"log_level": "CRITICAL"}, "swift")


if __name__ == "__main__":
    main(*sys.argv[1:])
