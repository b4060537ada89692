"""Clients as people have them, unmodified: each hands in a message by each door, and it arrives as sent."""

import asyncio
import json
import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.daemon import APPLICATION, Daemon, MakeDaemon, run_program
from tests.fakes.dns_server import FakeDns
from tests.fakes.far_mx import FarMx, Received
from tests.peers.messages import EIGHT_BIT, RECIPIENT, SEVEN_BIT

BOB = "bob@far.example"
DOORS = ["starttls", "tls", "trusted"]


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def has_nodemailer() -> bool:
    if shutil.which("node") is None:
        return False
    asked = subprocess.run(["node", "-e", "require.resolve('nodemailer')"], capture_output=True, check=False)
    return asked.returncode == 0


def has_git_send_email() -> bool:
    if shutil.which("git") is None or shutil.which("perl") is None:
        return False
    programs = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=False)
    modules = ["perl", "-MAuthen::SASL", "-MIO::Socket::SSL", "-MNet::SMTP", "-e", "1"]
    perl = subprocess.run(modules, capture_output=True, check=False)
    return Path(programs.stdout.strip(), "git-send-email").exists() and perl.returncode == 0


needs_nodemailer = pytest.mark.skipif(
    not has_nodemailer(), reason="nodemailer (npm) is not installed, or NODE_PATH does not name it"
)
needs_git = pytest.mark.skipif(
    not has_git_send_email(),
    reason="git-email, libauthen-sasl-perl or libio-socket-ssl-perl is not installed",
)


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """STARTTLS with AUTH, implicit TLS with AUTH, or a trusted network with neither."""
    name: str = request.param
    return name


@pytest.fixture
async def daemon(make_daemon: MakeDaemon, dns: FakeDns, mx: FarMx, door: str) -> Daemon:
    dns.mx("far.example", (10, "mx.far.example"))
    dns.address("mx.far.example", "127.0.0.1")
    trusted = ["127.0.0.0/8"] if door == "trusted" else []
    settings = {
        "dns.nameservers": [dns.nameserver],
        "delivery.port": mx.port,
        "submission.trusted_networks": trusted,
    }
    daemon = await make_daemon(settings)
    await daemon.start()
    return daemon


def port(daemon: Daemon, door: str) -> int:
    return daemon.ports["submissions" if door == "tls" else "submission"]


async def arrived(mx: FarMx, daemon: Daemon, door: str, content: bytes) -> Received:
    """The message at the far side: nothing but what we prepend stands before it."""
    (message,) = await mx.messages_arrive()
    assert message.content.endswith(content)
    before = message.content.removesuffix(content)
    names = [line.partition(b":")[0] for line in before.split(b"\r\n") if line[:1] not in (b" ", b"\t", b"")]
    assert set(names) == {b"DKIM-Signature", b"Received"}
    keyword = b"with ESMTP\r\n" if door == "trusted" else b"with ESMTPSA"
    assert keyword.split(b"\r\n")[0] in before
    assert message.reverse_path == APPLICATION
    return message


@needs("swaks")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_swaks(daemon: Daemon, mx: FarMx, door: str, mechanism: str, tmp_path: Path) -> None:
    # It adds a line end of its own.
    (tmp_path / "message").write_bytes(SEVEN_BIT.removesuffix(b"\r\n"))
    command: list[str | Path] = ["swaks", "--server", "127.0.0.1", "--port", str(port(daemon, door))]
    command += ["--ehlo", "app.test", "--from", APPLICATION, "--to", f"{RECIPIENT},{BOB}"]
    command += ["--data", f"@{tmp_path / 'message'}"]
    if door != "trusted":
        command += ["--tlsc" if door == "tls" else "--tls", "--tls-verify", "--tls-ca-path", daemon.ca_file]
        command += ["--auth", mechanism, "--auth-user", APPLICATION, "--auth-password", daemon.password]
    assert "250 2.0.0 queued as msg_" in await run_program(*command)
    message = await arrived(mx, daemon, door, SEVEN_BIT)
    assert message.recipients == [RECIPIENT, BOB]


@needs("msmtp")
async def test_msmtp(daemon: Daemon, mx: FarMx, door: str, tmp_path: Path) -> None:
    lines = ["account default", "host 127.0.0.1", f"port {port(daemon, door)}", "domain app.test"]
    lines += ["set_from_header off", "set_date_header off"]
    if door != "trusted":
        lines += ["auth on", f"user {APPLICATION}", f"password {daemon.password}", "tls on"]
        lines += [f"tls_starttls {'off' if door == 'tls' else 'on'}", f"tls_trust_file {daemon.ca_file}"]
    config = tmp_path / "msmtprc"
    config.touch(mode=0o600)
    config.write_text("\n".join(lines) + "\n")
    stdin = EIGHT_BIT.replace(b"\r\n", b"\n")
    await run_program("msmtp", "-C", config, "-f", APPLICATION, "--", RECIPIENT, BOB, stdin=stdin)
    message = await arrived(mx, daemon, door, EIGHT_BIT)
    assert message.recipients == [RECIPIENT, BOB]


async def test_smtplib(daemon: Daemon, mx: FarMx, door: str) -> None:
    context = ssl.create_default_context(cafile=str(daemon.ca_file))

    def open_session() -> smtplib.SMTP:
        if door == "tls":
            return smtplib.SMTP_SSL("127.0.0.1", port(daemon, door), "app.test", context=context)
        return smtplib.SMTP("127.0.0.1", port(daemon, door), "app.test")

    def talk() -> None:
        with open_session() as client:
            if door == "starttls":
                client.starttls(context=context)
            if door != "trusted":
                client.login(APPLICATION, daemon.password)
            options = ["BODY=8BITMIME", "RET=FULL", "ENVID=a+2Bb"]
            client.sendmail(APPLICATION, [RECIPIENT, BOB], EIGHT_BIT, options, ["NOTIFY=DELAY,FAILURE"])

    mx.offers("DSN")
    await asyncio.to_thread(talk)
    message = await arrived(mx, daemon, door, EIGHT_BIT)
    assert {"BODY=8BITMIME", "RET=FULL", "ENVID=a+2Bb"} <= set(message.parameters)
    assert "NOTIFY=DELAY,FAILURE" in message.recipient_parameters[BOB]


@needs_nodemailer
async def test_nodemailer(daemon: Daemon, mx: FarMx, door: str, tmp_path: Path) -> None:
    (tmp_path / "message").write_bytes(EIGHT_BIT)
    transport: dict[str, Any] = {"host": "127.0.0.1", "port": port(daemon, door), "name": "app.test"}
    if door == "trusted":
        transport["ignoreTLS"] = True
    else:
        transport |= {"secure": door == "tls", "requireTLS": door == "starttls"}
        transport["auth"] = {"user": APPLICATION, "pass": daemon.password}
    wanted = {
        "transport": transport,
        "ca": str(daemon.ca_file),
        "envelope": {"from": APPLICATION, "to": [RECIPIENT, BOB]},
        "raw": str(tmp_path / "message"),
    }
    script = Path(__file__).with_name("send_with_nodemailer.js")
    assert "250 2.0.0 queued as msg_" in await run_program("node", script, json.dumps(wanted))
    message = await arrived(mx, daemon, door, EIGHT_BIT)
    assert message.recipients == [RECIPIENT, BOB]


@needs_git
async def test_git_send_email(daemon: Daemon, mx: FarMx, door: str, tmp_path: Path) -> None:
    git = repository(tmp_path)
    await git("format-patch", "-1", "-o", str(tmp_path))
    options = ["--smtp-server=127.0.0.1", f"--smtp-server-port={port(daemon, door)}", "--confirm=never"]
    options += ["--smtp-domain=app.test", f"--from=App <{APPLICATION}>", f"--to={RECIPIENT}", f"--cc={BOB}"]
    if door != "trusted":
        options += [f"--smtp-encryption={'ssl' if door == 'tls' else 'tls'}"]
        options += [f"--smtp-ssl-cert-path={daemon.ca_file}"]
        options += [f"--smtp-user={APPLICATION}", f"--smtp-pass={daemon.password}"]
    (patch,) = tmp_path.glob("*.patch")
    assert "250" in await git("send-email", *options, str(patch))
    (message,) = await mx.messages_arrive()
    text = patch.read_bytes().partition(b"\n\n")[2].replace(b"\n", b"\r\n")
    assert message.content.endswith(text)
    assert "Grüße".encode() in message.content
    assert sorted(message.recipients) == [RECIPIENT, BOB]


def repository(directory: Path) -> Callable[..., Awaitable[str]]:
    """Runs git in a fresh repository that holds one commit, without the settings of this machine."""
    work = directory / "work"
    work.mkdir()
    environ = {
        "HOME": str(directory),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "App",
        "GIT_AUTHOR_EMAIL": APPLICATION,
        "GIT_COMMITTER_NAME": "App",
        "GIT_COMMITTER_EMAIL": APPLICATION,
        "LANG": "C.UTF-8",
    }
    commands: list[list[str]] = [["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "Say Grüße"]]
    (work / "file").write_text("Grüße\n.\n..dots\n")
    for command in commands:
        subprocess.run(["git", *command], cwd=work, env={"PATH": "/usr/bin:/bin", **environ}, check=True)

    async def git(*arguments: str) -> str:
        return await run_program("git", *arguments, environ=environ, directory=work)

    return git
