"""The fakes as processes, as tests of the real daemon use them."""

import asyncio
import json
import sys
from pathlib import Path

from relay.resolver import MxRecord, Resolver

_ROOT = Path(__file__).parents[2]


async def start(*arguments: str) -> tuple[asyncio.subprocess.Process, str]:
    """The process, and the address that it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, stdout=asyncio.subprocess.PIPE, cwd=_ROOT
    )
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().strip()


async def test_a_nameserver_can_be_a_process(tmp_path: Path) -> None:
    zone = tmp_path / "zone.json"
    zone.write_text(json.dumps({"example.net": {"MX": ["10 mx.example.net."]}, "broken.test": "servfail"}))
    process, nameserver = await start("tests.fakes.dns_server", str(zone))
    try:
        assert await Resolver([nameserver]).mx("example.net") == (MxRecord(10, "mx.example.net"),)
    finally:
        process.kill()
        await process.wait()


async def test_a_far_exchanger_can_be_a_process() -> None:
    process, address = await start("tests.fakes.far_mx")
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"EHLO a\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n..x\r\n.\r\nQUIT\r\n")
    assert (await reader.read()).endswith(b"221 2.0.0 bye\r\n")
    assert process.stdout is not None
    message = json.loads(await process.stdout.readline())
    assert message["recipients"] == ["c@d.test"]
    assert message["content"] == ".x\r\n"
    writer.close()
    process.kill()
    await process.wait()
