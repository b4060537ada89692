"""Messages that a peer could change on the way, if it were careless."""

from tests.fakes.daemon import APPLICATION

RECIPIENT = "ann@far.example"

HEADER = (
    f'From: "App, the" <{APPLICATION}>\r\n'
    f"To: Ann <{RECIPIENT}>,\r\n\tBob <bob@far.example>\r\n"
    "Subject:   odd   spacing,\r\n  and a fold\r\n"
    "Date: Mon, 02 Mar 2026 09:00:00 +0000\r\n"
    "Message-ID: <1@app.test>\r\n"
    "x-oDD-cAse:  kept \r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
)
SEVEN_BIT = (HEADER + "\r\n.dot first\r\n..two\r\n \r\nblanks at the end \t \r\n\r\n\r\n").encode()
EIGHT_BIT = (
    HEADER + "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße, привет, 🐎\r\n.\u00e9\r\n" + "ü" * 400 + "\r\n"
).encode()
LONG_LINES = (HEADER + "\r\n" + "x" * 998 + "\r\n" + "." + "y" * 900 + "\r\nthe end\r\n").encode()
NO_BODY = (HEADER + "\r\n").encode()
