"""What the server itself answers; doors have answers of their own."""

from relay.replies import SmtpReply

OK = SmtpReply(250, "2.0.0", "OK")
SENDER_OK = SmtpReply(250, "2.1.0", "Sender OK")
RECIPIENT_OK = SmtpReply(250, "2.1.5", "Recipient OK")
BYE = SmtpReply(221, "2.0.0", "Bye")
HELP = SmtpReply(214, "2.0.0", "See RFC 5321")
CANNOT_VERIFY = SmtpReply(252, "2.5.0", "Cannot verify, but will take mail for a recipient and try")
AUTHENTICATED = SmtpReply(235, "2.7.0", "Authentication successful")
READY_FOR_TLS = SmtpReply(220, "2.0.0", "Ready to start TLS")

NO_SPACE = SmtpReply(452, "4.3.1", "Not enough room to store mail now")
TOO_MANY_RECIPIENTS = SmtpReply(452, "4.5.3", "Too many recipients in one transaction")
SHUTTING_DOWN = SmtpReply(421, "4.3.2", "Service is shutting down, try again later")
TIMED_OUT = SmtpReply(421, "4.4.2", "Timeout, closing the connection")
SESSION_OVER = SmtpReply(421, "4.4.2", "Session has lasted too long")
TOO_SLOW = SmtpReply(421, "4.4.2", "Data comes in too slowly")
TOO_MANY_CONNECTIONS = SmtpReply(421, "4.7.0", "Too many connections from your address")
TOO_MANY_ERRORS = SmtpReply(421, "4.7.0", "Too many errors")
TOO_MANY_COMMANDS = SmtpReply(421, "4.7.0", "Too many commands without mail")

UNKNOWN_COMMAND = SmtpReply(500, "5.5.1", "Command not recognized")
NOT_SMTP = SmtpReply(500, "5.5.1", "This is an SMTP server")
BAD_CHARACTERS = SmtpReply(500, "5.5.2", "Control character in a command")
NO_ARGUMENT_WANTED = SmtpReply(501, "5.5.4", "This command takes no argument")
BAD_HELLO = SmtpReply(501, "5.5.4", "Syntax: HELO or EHLO, then your host name")
BAD_MAIL = SmtpReply(501, "5.5.4", "Syntax: MAIL FROM:<address>")
BAD_RCPT = SmtpReply(501, "5.5.4", "Syntax: RCPT TO:<address>")
BAD_AUTH = SmtpReply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
BAD_BASE64 = SmtpReply(501, "5.5.2", "Cannot decode this response")
AUTH_CANCELED = SmtpReply(501, "5.7.0", "Authentication canceled")
NOT_OFFERED = SmtpReply(502, "5.5.1", "Command is not offered here")
SAY_HELLO_FIRST = SmtpReply(503, "5.5.1", "Send HELO or EHLO first")
SAY_EHLO_FIRST = SmtpReply(503, "5.5.1", "Send EHLO first")
MAIL_FIRST = SmtpReply(503, "5.5.1", "Send MAIL first")
RCPT_FIRST = SmtpReply(503, "5.5.1", "Send RCPT first")
MAIL_TWICE = SmtpReply(503, "5.5.1", "MAIL was given already")
NOT_IN_TRANSACTION = SmtpReply(503, "5.5.1", "Not within a mail transaction")
TLS_ALREADY = SmtpReply(503, "5.5.1", "TLS is active already")
AUTHENTICATED_ALREADY = SmtpReply(503, "5.5.1", "Authenticated already")
UNKNOWN_MECHANISM = SmtpReply(504, "5.5.4", "Mechanism is not offered; PLAIN and LOGIN are")
AUTH_REQUIRED = SmtpReply(530, "5.7.0", "Authentication required")
TLS_REQUIRED = SmtpReply(530, "5.7.0", "Send STARTTLS first, then authenticate")
WRONG_LOGIN = SmtpReply(535, "5.7.8", "Authentication credentials invalid")
ENCRYPTION_REQUIRED = SmtpReply(538, "5.7.11", "Encryption required for authentication")
NO_VALID_RECIPIENTS = SmtpReply(554, "5.5.1", "No valid recipients")


def fault(session_id: str) -> SmtpReply:
    """Trouble on our side: temporary, and nothing of it shown but where to look it up."""
    return SmtpReply(451, "4.3.0", f"Temporary failure on our side, please try again; id={session_id}")
