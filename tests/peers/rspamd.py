"""An rspamd of the test's own: one worker, one rule, no network, its files in the test's directory."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fakes.ports import free_port

needs_rspamd = pytest.mark.skipif(shutil.which("rspamd") is None, reason="rspamd is not installed")

# The rule fires when it was told of the session what the test tells.
_RULES = """
rspamd_config:register_symbol({name = "TOLD_OF_THE_SESSION", score = 7.0, callback = function(task)
  local from, to = task:get_from("smtp"), task:get_recipients("smtp")
  return tostring(task:get_ip()) == "198.51.100.7" and task:get_helo() == "mx.far.example"
    and from[1].addr == "ann@far.example" and #to == 2 and to[2].addr == "bob@ours.test"
end})
"""
_CONFIGURATION = """
options {{
  pidfile = "{directory}/rspamd.pid"; history_file = "{directory}/history"; url_tld = "{directory}/tld";
  filters = ""; disable_hyperscan = true; local_addrs = [];
  dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }}
}}
logging {{ type = "console"; level = "info"; }}
lua = "{directory}/rules.lua";
actions {{ reject = 15; add_header = 6; greylist = null; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
"""


@asynccontextmanager
async def run_rspamd(directory: Path) -> AsyncIterator[str]:
    """The URL of a worker that answers as long as the block lasts."""
    port = free_port()
    (directory / "rules.lua").write_text(_RULES)
    (directory / "tld").write_text("test\nexample\n")
    configuration = directory / "rspamd.conf"
    configuration.write_text(_CONFIGURATION.format(directory=directory, port=port))
    process = await asyncio.create_subprocess_exec(
        *("rspamd", "--no-fork", "--insecure", "--config", configuration, f"--var=DBDIR={directory}"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    log = asyncio.create_task(_read(process.stderr, ready := asyncio.Event()))
    try:
        await asyncio.wait([log, waiting := asyncio.create_task(ready.wait())], return_when="FIRST_COMPLETED")
        assert waiting.done(), await log
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await log


async def _read(stream: asyncio.StreamReader, ready: asyncio.Event) -> str:
    """All that it says; a worker speaks once it has the socket."""
    said = []
    async for line in stream:
        said.append(line.decode(errors="replace"))
        if "(normal)" in said[-1]:
            ready.set()
    return "".join(said)
