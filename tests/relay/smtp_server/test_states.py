"""Whatever a client says, in whatever order, a session is where RFC 5321 says that it is.

A model of a few lines against a real listener; what the door was handed is
held against it too, so that nothing of one transaction, login or TLS session
is found in the next.
"""

import asyncio
import base64
import ssl
import tempfile
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from relay.smtp_server import SmtpListener, SmtpManners, listen
from relay.smtp_server.session import SmtpSession
from tests.relay.smtp_server.client import Client
from tests.relay.smtp_server.recording_door import RecordingDoor

T = TypeVar("T")
ERRORS, COMMANDS, RECIPIENTS = 8, 30, 3
PEOPLE = ("bob@example.test", "eve@example.test", "nobody@example.test")


class Session(RuleBasedStateMachine):
    """One client after the other at one listener; `needs_login` tells submission from an MX."""

    tls: tuple[ssl.SSLContext, ssl.SSLContext]
    needs_login: bool

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.door = RecordingDoor()
        self.directory = tempfile.TemporaryDirectory()
        self.listener: SmtpListener = self.runner.run(self._listen())
        self.taken = 0
        self._arrive()

    async def _listen(self) -> SmtpListener:
        def may_log_in(session: SmtpSession) -> bool:
            return session.tls is not None

        submission: dict[str, Any] = {
            "offers_auth": may_log_in,
            "requires_auth": lambda session: True,
        }
        manners = SmtpManners(
            hostname="mx.example.test",
            spool=Path(self.directory.name),
            tls_context=self.tls[0],
            errors_allowed=ERRORS,
            commands_without_mail=COMMANDS,
            recipients_per_message=RECIPIENTS,
            auth_failure_delay=timedelta(0),
            **(submission if self.needs_login else {}),
        )
        return await listen(("127.0.0.1", 0), self.door, manners)

    def _arrive(self) -> None:
        self.client = self._run(Client.open(self.listener.port))
        assert self.client.greeting.startswith("220 ")
        self.hello = self.esmtp = self.has_tls = False
        self.login: str | None = None
        self.sender: str | None = None
        self.recipients: list[str] = []
        self.errors = self.commands = 0

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Where the model waits for what never comes, that is a fault too."""
        return self.runner.run(asyncio.wait_for(work, 30))

    def _say(self, line: str, code: int) -> None:
        reply = self._run(self.client.say(line))
        assert reply[:3] == str(code), (line, reply)
        self._count(line.partition(" ")[0], code)

    def _count(self, verb: str, code: int) -> None:
        # Who has logged in may name any number of recipients that are not there.
        self.errors += code >= 500 and not (verb == "RCPT" and self.login is not None)
        self.commands += verb not in ("RCPT", "DATA")
        if self.errors >= ERRORS or self.commands > COMMANDS:
            assert self._run(self.client.hear()).startswith("421 4.7.0")
            self._leave()

    def _leave(self) -> None:
        assert self._run(self.client.is_closed())
        self._run(self.client.close())
        self._arrive()

    def _forget(self) -> None:
        self.sender, self.recipients = None, []

    @rule(verb=st.sampled_from(["EHLO", "HELO"]))
    def says_hello(self, verb: str) -> None:
        self.hello, self.esmtp = True, verb == "EHLO"
        self._forget()
        self._say(f"{verb} client.example", 250)

    @rule(steps=st.integers(1, 3), again=st.booleans())
    def gets_on(self, steps: int, again: bool) -> None:
        """What an honest client would do next, so that the others come in every place."""
        if not self.hello or (self.needs_login and not self.esmtp):
            self.says_hello("EHLO")
        if self.needs_login and not self.has_tls:
            self.starttls()
            self.says_hello("EHLO")
        if self.needs_login and self.login is None and self.sender is None:
            self.auth("right", "PLAIN")
        if self.sender is None:
            self.mail("ann@example.test")
        for name in PEOPLE[: steps - 1]:
            self.rcpt(name)
        if steps == 3 and again:
            self.data("good")

    @rule(steps=st.integers(1, 3))
    def gets_on_once_more(self, steps: int) -> None:
        self.gets_on(steps, False)

    @rule(sender=st.sampled_from(["ann@example.test", "", "<bad"]))
    def mail(self, sender: str) -> None:
        line = f"MAIL FROM:<{sender}>"
        if not self.hello:
            self._say(line, 503)
        elif self.needs_login and self.login is None:
            self._say(line, 530)
        elif self.sender is not None:
            self._say(line, 503)
        elif sender == "<bad":
            self._say(line, 501)
        else:
            self.sender = sender
            self._say(line, 250)

    @rule(recipient=st.sampled_from(PEOPLE))
    def rcpt(self, recipient: str) -> None:
        line = f"RCPT TO:<{recipient}>"
        if self.sender is None:
            self._say(line, 503)
        elif len(self.recipients) >= RECIPIENTS:
            self._say(line, 452)
        elif recipient.startswith("nobody"):
            self._say(line, 550)
        else:
            self.recipients.append(recipient)
            self._say(line, 250)

    @rule(content=st.sampled_from(["good", "bare CR", "closed"]))
    def data(self, content: str) -> None:
        if not self.recipients:
            self._say("DATA", 503 if self.sender is None else 554)
            return
        assert self._run(self.client.say("DATA")).startswith("354")
        sender, recipients = self.sender or "", self.recipients
        self._forget()
        if content == "closed":
            self.client.send(b"half of")
            self._run(self.client.close())
            self._arrive()
            return
        self.client.send(b"Subject: x\r\n\r\nx\r\n.\r\n" if content == "good" else b"a\rb\r\n.\r\n")
        reply = self._run(self.client.hear())
        if content == "good":
            assert reply.startswith("250"), reply
            self.taken += 1
            self._check_handed(sender, recipients)
            self.errors = self.commands = 0
        else:
            assert reply.startswith("554 5.6.0"), reply
        self._count("DATA", int(reply[:3]))

    @rule()
    def rset(self) -> None:
        self._forget()
        self._say("RSET", 250)

    @rule(
        said=st.sampled_from([("NOOP", 250), ("VRFY x", 252), ("EXPN x", 502), ("XX", 500), ("DATA x", 501)])
    )
    def something_else(self, said: tuple[str, int]) -> None:
        """It changes nothing."""
        self._say(*said)

    @rule()
    def starttls(self) -> None:
        if self.has_tls:
            self._say("STARTTLS", 503)
            return
        # What is sent ahead of the handshake must never be heard (RFC 3207 §5).
        self.client.send(b"STARTTLS\r\n")
        assert self._run(self.client.hear()).startswith("220")
        self._run(self.client.start_tls(self.tls[1]))
        self.has_tls, self.hello, self.esmtp, self.login = True, False, False, None
        self._forget()

    @rule(password=st.sampled_from(["right", "wrong"]), mechanism=st.sampled_from(["PLAIN", "LOGIN", "XX"]))
    def auth(self, password: str, mechanism: str) -> None:
        expected = self._answer_to_auth(mechanism, password)
        plain = base64.b64encode(f"\0ann@example.test\0{password}".encode()).decode()
        login, word = (base64.b64encode(text.encode()).decode() for text in ("ann@example.test", password))
        if mechanism == "LOGIN" and expected in (235, 535):
            assert self._run(self.client.say(f"AUTH LOGIN {login}")).startswith("334")
            self._say(word, expected)
        else:
            self._say(f"AUTH {mechanism} {plain}", expected)
        if expected == 235:
            self.login = "ann@example.test"

    def _answer_to_auth(self, mechanism: str, password: str) -> int:
        if not self.needs_login:
            return 502
        if not self.esmtp or self.login is not None or self.sender is not None:
            return 503
        if not self.has_tls:
            return 538
        if mechanism == "XX":
            return 504
        return 235 if password == "right" else 535

    @precondition(lambda self: self.hello)
    @rule()
    def quit(self) -> None:
        assert self._run(self.client.say("QUIT")).startswith("221")
        self._leave()

    def _check_handed(self, sender: str, recipients: list[str]) -> None:
        """The door has this message, of this login, and nothing of another."""
        last = self.door.taken[-1]
        assert str(last.envelope.reverse_path).strip("<>") == sender
        assert [str(each.address) for each in last.envelope.recipients] == recipients
        assert (last.session.login, last.session.tls is not None) == (self.login, self.has_tls)

    @invariant()
    def nothing_else_was_handed_over(self) -> None:
        assert len(self.door.taken) == self.taken

    def teardown(self) -> None:
        self._run(self.client.close())
        self.runner.run(self.listener.drain(timedelta(seconds=5)))
        self.runner.close()
        self.directory.cleanup()


@pytest.mark.parametrize("needs_login", [True, False], ids=["submission", "MX"])
def test_a_session_is_where_the_model_says(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, needs_login: bool
) -> None:
    machine = type("Here", (Session,), {"tls": (server_tls, client_tls), "needs_login": needs_login})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=50,
            database=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
