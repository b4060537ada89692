"""Made-up things to say by mail, of every kind that once broke a composer or a reader."""

import random
from dataclasses import replace

from relay.message.composition import ComposedAttachment, Composition
from relay.message.person import Person

_NAMES = [
    *("", "Ann", "Ann Bee", "Bee, Ann", 'Ann "the bee" Bee', "Ann (home)", "bob@near.example", "A.B. Cee"),
    *("Änne Bäh", "見積 太郎", "Zoë 🚀 Rocket", "🐝" * 30, "O'Neil; Ltd. <not an address>", "back\\slash"),
    *("=?utf-8?q?no_word?=", "a" * 190, "é" * 150, "Ünïcödé, Ltd."),
]
_DOMAINS = ["far.example", "xn--bcher-kva.example", "mail.xn--fiqs8s", "a.very.long." + "x" * 60 + ".example"]
_LOCAL_PARTS = ["ann", "a.b+tag", "o'neil", "x" * 60, "!#$%&'*+-/=?^_`{|}~"]
_SUBJECTS = [
    *("", "Plain", "Grüße aus Köln", "🚀🐝 " * 40, "a" * 900, "word " * 180, "見積書" * 100),
    *("=?utf-8?q?looks_like_one?=", "tab\tinside", "  spaces  around  ", "مرحبا بالعالم", "Re: [x] (y) <z>"),
]
_TEXTS = [
    *(
        None,
        "",
        "plain\n",
        "Grüße\n",
        "From the start\n.dot\n..dots\n",
        "l" * 2000,
        "trailing blanks   \nend",
    ),
    *("🚀" * 500, "\n\n\n", "-- \nsignature\n", "=3D=20\n--boundary--\n", "ends without a line end"),
]
_HTMLS = [
    *(None, "<p>plain</p>", "<p>Grüße 🚀</p>\n", "<p>" + "x" * 5000 + "</p>", '<img src="cid:logo@ours">'),
    *("<!--[if mso]><b>=3D</b><![endif]-->\n<p>.</p>\n.\n",),
]
_FILES = [
    ("a.txt", "text/plain; charset=utf-8", b"some text\r\n"),
    ("Grüße 2026.pdf", "application/pdf", b"%PDF-1.7\n" + bytes(range(256)) * 9),
    ("見積書.xlsx", "application/vnd.ms-excel", b"PK\x03\x04" + bytes(500)),
    ("a\"b;c=d'e%.csv", "text/csv; charset=utf-8", "ä;ö\r\n".encode()),
    ("empty", "application/octet-stream", b""),
    ("🐝" * 20 + ".png", "image/png", b"\x89PNG\r\n\x1a\n\0"),
    ("x" * 240 + ".bin", "application/octet-stream", b"\0\r\n\n\r"),
]
NESTED = (
    b"From: inner@far.example\r\nTo: x@far.example\r\nSubject: within\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="i"\r\n\r\n--i\r\n\r\ninner text\r\n'
    b"--i\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--i--\r\n"
)


class Maker:
    """The seed makes the same ones each time."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self) -> Composition:
        chance, pick = self._random.random, self._random.choice
        said = Composition(
            sender=Person("app@example.com", pick(_NAMES)),
            to=self._people(4),
            cc=self._people(3),
            reply_to=self._people(2),
            subject=pick(_SUBJECTS),
            text=pick(_TEXTS),
            html=pick(_HTMLS),
            message_id=f"<{self._random.getrandbits(64):x}@example.com>",
            headers=self._headers(),
            references=self._ids(pick([0, 0, 1, 5, 100])),
            attachments=self._files(),
        )
        return replace(said, in_reply_to=said.references[-1] if said.references and chance() < 0.8 else None)

    def _people(self, most: int) -> tuple[Person, ...]:
        return tuple(
            Person(
                f"{self._random.choice(_LOCAL_PARTS)}@{self._random.choice(_DOMAINS)}",
                self._random.choice(_NAMES),
            )
            for _ in range(self._random.randrange(most + 1))
        )

    def _ids(self, count: int) -> tuple[str, ...]:
        return tuple(f"<{self._random.getrandbits(200):x}.{place}@far.example>" for place in range(count))

    def _headers(self) -> tuple[tuple[str, str], ...]:
        links = ", ".join(f"<https://example.com/u/{place}/{'t' * 180}>" for place in range(24))
        some = [
            ("List-Unsubscribe", f"<mailto:u@example.com?subject=u>, {links}"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
            ("List-Id", "News <news.example.com>"),
            ("X-Campaign", "Frühling 🌷"),
            ("X-Long", "word " * 1000 + "end"),
            ("X-Unbroken", "y" * 900),
            ("Feedback-ID", "a:b:c:d"),
        ]
        return tuple(self._random.sample(some, self._random.randrange(len(some) + 1)))

    def _files(self) -> tuple[ComposedAttachment, ...]:
        files = [ComposedAttachment(*file) for file in self._random.sample(_FILES, self._random.randrange(4))]
        if self._random.random() < 0.2:
            files.append(ComposedAttachment("within.eml", "message/rfc822", NESTED))
        if self._random.random() < 0.3:
            logo = b"\x89PNG\r\n\x1a\n" + self._random.randbytes(3000)
            files.append(ComposedAttachment("logo.png", "image/png", logo, "inline", "logo@ours"))
        self._random.shuffle(files)
        return tuple(files)
