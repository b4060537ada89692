"""Receivers in Node.js, as the documentation of other services has them, believe our posts in their style."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from relay.clock import SystemClock
from relay.events.kinds import EventKind
from relay.webhooks.payload import compose
from relay.webhooks.signature import new_secret, styled_signature

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@needs_node
def test_receivers_that_verify_each_style_believe_it() -> None:
    """One of them signs what it has read and written anew, so our JSON must be JavaScript's to the octet."""
    clock, secret = SystemClock(), new_secret()
    data = {
        "subject": 'Grüße ✉ "quoted" \\ \u2028 \x01 \x7f </script>',
        "metadata": {"order": "7", "é": "ü"},
        "score": [1.5, 7, -0.25],
        "none": None,
        "test": True,
    }
    body = compose("evt_1", EventKind.MESSAGE_OPENED, clock.now(), data).encode()
    now = int(clock.now().timestamp())
    given = {
        "body": body.decode(),
        "secret": secret,
        "timestamped": styled_signature("timestamped", [secret], 1, now, body),
        "hex": styled_signature("hex", [secret], 1, now, body),
    }
    script = Path(__file__).with_name("verify_webhooks.js")
    asked = subprocess.run(
        ["node", str(script)], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert json.loads(asked.stdout) == [True] * 4, asked.stderr
