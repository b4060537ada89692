"""A few sentences of SMTP and HTTP, spoken to the daemon from beside the test's loop."""

import asyncio
import smtplib
import ssl
import urllib.error
import urllib.request

from tests.fakes.daemon import APPLICATION, Daemon

FAR_RECIPIENT = "ann@far.example"


def letter(subject: str = "Invoice 7") -> str:
    """A plain message of the application's."""
    return (
        f"From: <{APPLICATION}>\r\nTo: <{FAR_RECIPIENT}>\r\nSubject: {subject}\r\n"
        f"Message-ID: <{subject.replace(' ', '.')}@app.test>\r\n\r\nHello.\r\n"
    )


def open_session(daemon: Daemon) -> smtplib.SMTP:
    """STARTTLS with a verified certificate, and AUTH."""
    client = smtplib.SMTP("127.0.0.1", daemon.ports["submission"], local_hostname="app.test", timeout=30)
    try:
        client.starttls(context=ssl.create_default_context(cafile=str(daemon.ca_file)))
        client.login(APPLICATION, daemon.password)
    except BaseException:
        client.close()
        raise
    return client


def submit(daemon: Daemon, subject: str = "Invoice 7") -> None:
    with open_session(daemon) as client:
        client.sendmail(APPLICATION, [FAR_RECIPIENT], letter(subject))


async def sends(daemon: Daemon, subject: str = "Invoice 7") -> None:
    await asyncio.to_thread(submit, daemon, subject)


async def gets(daemon: Daemon, path: str) -> tuple[int, str]:
    """Status and text of one HTTP request."""

    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{daemon.ports['http']}{path}") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(ask)
