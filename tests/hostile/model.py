"""RFC 5321's states of one session, in a few lines: what may answer a sentence, and what that changes."""

from dataclasses import dataclass

from tests.hostile.sentences import LARGEST, ME, OURS, Sentence

# Of ours, not the client's: nothing that a client says may lead to it.
FAULTS = (b"451 4.3.0", b"451-4.3.0", b"421 4.3.0", b"554 5.3.0", b"452 4.3.1")
ERRORS, COMMANDS = 20, 100
_ALL = frozenset(range(200, 600))
_OF_DSN = (b" RET=", b" ENVID=", b" NOTIFY=", b" ORCPT=")
_HERE = frozenset({ME, ME.upper(), f"app+tag@{OURS}", f"postmaster@{OURS}", "Postmaster", f'"app"@{OURS}'})


@dataclass(slots=True)
class Model:
    """What the client has reached. `is_mx`: nobody logs in, and only our own recipients are known."""

    is_mx: bool
    has_tls: bool
    hello: bool = False
    esmtp: bool = False
    login: bool = False
    sender: str | None = None
    recipients: int = 0
    errors: int = 0
    commands: int = 0

    def reset(self) -> None:
        self.sender, self.recipients = None, 0

    def codes(self, said: Sentence) -> frozenset[int]:
        """The codes that may answer it now."""
        if said.kind == "damaged":
            return _ALL - {451, 452}
        if said.kind == "wrong":
            return frozenset({500, 501, 502, 503, 504, 530, 538, 552, 553, 555})
        return frozenset(self._codes(said))

    def _codes(self, said: Sentence) -> set[int]:
        verb = said.verb
        if verb in ("EHLO", "HELO", "RSET", "NOOP"):
            return {250}
        if verb == "MAIL":
            return self._of_mail(said)
        if verb == "RCPT":
            return self._of_rcpt(said)
        if verb == "DATA":
            return {354} if self.recipients else {554} if self.sender is not None else {503}
        if verb == "STARTTLS":
            return {503} if self.has_tls else {220}
        if verb == "AUTH":
            return self._of_auth()
        return {"VRFY": {252}, "EXPN": {502}, "HELP": {214}, "QUIT": {221}}[verb]

    def _of_mail(self, said: Sentence) -> set[int]:
        if not self.hello:
            return {503}
        if not self.is_mx and not self.login:
            return {530}
        if self.sender is not None:
            return {503}
        if self._wishes_reports(said):
            return {555}
        size = said.line.upper().partition(b"SIZE=")[2].split()
        return {552} if size and int(size[0]) > LARGEST else {250}

    def _of_rcpt(self, said: Sentence) -> set[int]:
        if self.sender is None:
            return {503}
        if self._wishes_reports(said):
            return {555}
        address = said.address.strip("<>").rpartition(":")[2]
        if address in _HERE:
            return {250, 452} if self.sender == "<>" else {250}
        return {550} if self.is_mx else {250, 550, 553}

    def _wishes_reports(self, said: Sentence) -> bool:
        """DSN (RFC 3461) is offered to our own clients alone."""
        return self.is_mx and any(word in said.line.upper() for word in _OF_DSN)

    def _of_auth(self) -> set[int]:
        if self.is_mx:
            return {502}
        if not self.esmtp or self.login or self.sender is not None:
            return {503}
        return {235} if self.has_tls else {538}

    def hears(self, said: Sentence, code: int) -> None:
        """What the answer changes."""
        self.errors += code >= 500
        self.commands += said.verb not in ("RCPT", "DATA")
        if code >= 300:
            return
        verb = said.verb
        if verb in ("EHLO", "HELO"):
            self.reset()
            self.hello, self.esmtp = True, verb == "EHLO"
        elif verb == "RSET":
            self.reset()
        elif verb == "MAIL":
            self.sender = said.address or "<?>"
        elif verb == "RCPT":
            self.recipients += 1
        elif verb == "AUTH":
            self.login = True

    def starts_tls(self) -> None:
        """Nothing that was said before counts (RFC 3207 §4.2)."""
        self.reset()
        self.has_tls, self.hello, self.esmtp, self.login = True, False, False, False

    def may_be_closed(self) -> bool:
        """Whether there were so many errors or commands that 421 is fair."""
        return self.errors >= ERRORS or self.commands > COMMANDS
