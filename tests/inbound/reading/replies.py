"""Answers as mail programs write them, with what is new in each."""

from typing import NamedTuple

PARENT = (
    "Hello Bob,\n\nthank you for your order of ten blue chairs. We can deliver them on Tuesday or on\n"
    "Thursday next week. Which day would suit you better?\n\nShould we take the old chairs with us?\n\n"
    "Best regards\nAnn Lee\nChairs & Co.\n"
)
PARENT_HTML = (
    "<p>Hello Bob,</p><p>thank you for your order of ten blue chairs. We can deliver them on Tuesday or on "
    "Thursday "
    "next week. Which day would suit you better?</p><p>Should we take the old chairs with us?</p>"
    "<p>Best regards<br>Ann Lee<br>Chairs &amp; Co.</p>"
)
QUOTED = "".join(f"> {line}\n" if line else ">\n" for line in PARENT.split("\n"))
ON = "On Mon, Mar 2, 2026 at 9:00 AM Ann Lee <ann@chairs.test> wrote:"


class Reply(NamedTuple):
    name: str
    text: str
    new: str
    signature: str = ""
    parent: str = PARENT
    forwarded: bool = False


def top(attribution: str, quoted: str = QUOTED) -> str:
    return f"Tuesday is fine.\n\n{attribution}\n\n{quoted}"


REPLIES = [
    Reply("gmail", top(ON), "Tuesday is fine."),
    Reply("gmail, attribution on two lines", top(ON.replace("<ann", "\n<ann")), "Tuesday is fine."),
    Reply("gmail, stranger's parent", top(ON), "Tuesday is fine.", parent=""),
    Reply(
        "gmail, wrapped anew",
        top(
            ON,
            "> Hello Bob,\n>\n> thank you for your order of ten\nblue chairs. We can\n> deliver them on "
            "Tuesday or on Thursday\n",
        ),
        "Tuesday is fine.",
    ),
    Reply(
        "gmail with signature",
        f"Tuesday is fine.\n\n-- \nBob Stone\nStone Ltd.\n\n{ON}\n\n{QUOTED}",
        "Tuesday is fine.",
        "-- \nBob Stone\nStone Ltd.",
    ),
    Reply(
        "outlook",
        "Tuesday is fine.\n\nBest regards,\nBob\n\n________________________________\nFrom: Ann Lee "
        "<ann@chairs.test>\n"
        f"Sent: Monday, March 2, 2026 9:00 AM\nTo: Bob Stone <bob@stone.test>\nSubject: Your order\n\n"
        f"{PARENT}",
        "Tuesday is fine.",
        "Best regards,\nBob",
    ),
    Reply(
        "outlook, stranger's parent",
        "Tuesday is fine.\n\nFrom: Ann Lee <ann@chairs.test>\nSent: Monday, March 2, 2026 9:00 AM\nTo: Bob "
        "Stone\n"
        "Subject: Your order\n\nSomething we never stored, in several words.\n",
        "Tuesday is fine.",
        parent="",
    ),
    Reply(
        "outlook, answers within",
        "See below.\n\nFrom: Ann Lee\nSent: Monday, March 2, 2026 9:00 AM\nTo: Bob Stone\nSubject: Your "
        "order\n\n"
        "Hello Bob,\n\nthank you for your order of ten blue chairs. We can deliver them on Tuesday or on "
        "Thursday next "
        "week. Which day would suit you better?\n\nBS: Tuesday, before noon please.\n\n"
        "Should we take the old chairs with us?\n\nBS: No, my neighbour wants these.\n",
        "See below.\n\nBS: Tuesday, before noon please.\n\nBS: No, my neighbour wants these.",
    ),
    Reply(
        "outlook german",
        "Dienstag passt.\n\nMit freundlichen Grüßen\nBob Stein\n\nVon: Ann Lee <ann@chairs.test>\n"
        "Gesendet: Montag, 2. März 2026 09:00\n"
        f"An: Bob Stein <bob@stone.test>\nBetreff: Ihre Bestellung\n\n{PARENT}",
        "Dienstag passt.",
        "Mit freundlichen Grüßen\nBob Stein",
    ),
    Reply(
        "outlook french",
        "Mardi, c'est parfait.\n\nDe : Ann Lee <ann@chairs.test>\nEnvoyé : lundi 2 mars 2026 09:00\n"
        f"À : Bob\nObjet : Votre commande\n\n{PARENT}",
        "Mardi, c'est parfait.",
    ),
    Reply(
        "outlook 2003",
        f"Tuesday is fine.\n\n-----Original Message-----\nFrom: Ann Lee\nSent: Monday\nSubject: x\n\n"
        f"{PARENT}",
        "Tuesday is fine.",
    ),
    Reply(
        "apple mail",
        f"Tuesday is fine.\n\n> On 2 Mar 2026, at 09:00, Ann Lee <ann@chairs.test> wrote:\n> \n{QUOTED}",
        "Tuesday is fine.",
    ),
    Reply(
        "apple mail, current",
        top("On 2 Mar 2026, at 09:00, Ann Lee <ann@chairs.test> wrote:"),
        "Tuesday is fine.",
    ),
    Reply(
        "iphone",
        f"Tuesday is fine.\n\nSent from my iPhone\n\n> On 2 Mar 2026, at 09:00, Ann Lee <ann@chairs.test> "
        f"wrote:\n> \n{QUOTED}",
        "Tuesday is fine.",
        "Sent from my iPhone",
    ),
    Reply(
        "iphone german",
        "Dienstag passt.\n\nVon meinem iPhone gesendet\n\n> Am 02.03.2026 um 09:00 schrieb Ann Lee "
        "<ann@chairs.test>:\n> \n" + QUOTED,
        "Dienstag passt.",
        "Von meinem iPhone gesendet",
    ),
    Reply(
        "outlook for android",
        "Tuesday is fine.\n\nGet Outlook for Android<https://aka.ms/x>\n________________________________\n"
        "From: Ann Lee <ann@chairs.test>\n"
        f"Sent: Monday, March 2, 2026 9:00:00 AM\nTo: Bob <bob@stone.test>\nSubject: Your order\n\n{PARENT}",
        "Tuesday is fine.",
        "Get Outlook for Android<https://aka.ms/x>",
    ),
    Reply(
        "samsung",
        "Tuesday is fine.\n\nSent from my Galaxy\n\n-------- Original message --------\nFrom: Ann Lee "
        "<ann@chairs.test>\n"
        f"Date: 02/03/2026 09:00 (GMT+00:00)\nTo: bob@stone.test\nSubject: Your order\n\n{PARENT}",
        "Tuesday is fine.",
        "Sent from my Galaxy",
    ),
    Reply("thunderbird", top("On 02/03/2026 09:00, Ann Lee wrote:"), "Tuesday is fine."),
    Reply(
        "thunderbird, answer below",
        f"On 02/03/2026 09:00, Ann Lee wrote:\n{QUOTED}\nTuesday is fine.\n\n-- \nBob\n",
        "Tuesday is fine.",
        "-- \nBob",
    ),
    Reply("thunderbird german", top("Am 02.03.26 um 09:00 schrieb Ann Lee:"), "Tuesday is fine."),
    Reply(
        "answers within",
        f"{ON}\n> Which day would suit you better?\n\nTuesday.\n\n> Should we take the old chairs with "
        f"us?\n\nNo, thank you.\n\n> Ann Lee\n",
        "Tuesday.\n\nNo, thank you.",
    ),
    Reply(
        "answers within, stranger's parent",
        f"Hi,\n\n{ON}\n> First question?\nYes.\n> Second question?\nNo.\n",
        "Hi,\n\nYes.\n\nNo.",
        parent="",
    ),
    Reply(
        "yahoo",
        "Tuesday is fine.\n\n    On Monday, March 2, 2026 at 09:00:00 AM GMT+1, Ann Lee <ann@chairs.test> "
        "wrote:  \n \n " + PARENT.replace("\n", "\n "),
        "Tuesday is fine.",
    ),
    Reply(
        "yahoo with its line",
        f"Tuesday is fine.\n\nSent from Yahoo Mail on Android\n\n  On Mon, Mar 2, 2026 at 9:00, Ann "
        f"Lee<ann@chairs.test> wrote:   {PARENT}",
        "Tuesday is fine.",
        "Sent from Yahoo Mail on Android",
    ),
    Reply(
        "gmail german",
        top("Am Mo., 2. März 2026 um 09:00 Uhr schrieb Ann Lee <ann@chairs.test>:"),
        "Tuesday is fine.",
    ),
    Reply(
        "gmx german",
        top("Ann Lee <ann@chairs.test> schrieb am Mo., 2. März 2026, 09:00:"),
        "Tuesday is fine.",
    ),
    Reply(
        "gmail french",
        top("Le lun. 2 mars 2026 à 09:00, Ann Lee <ann@chairs.test> a écrit :"),
        "Tuesday is fine.",
    ),
    Reply(
        "gmail spanish",
        top("El lun, 2 mar 2026 a las 9:00, Ann Lee (<ann@chairs.test>) escribió:"),
        "Tuesday is fine.",
    ),
    Reply(
        "gmail italian",
        top("Il giorno lun 2 mar 2026 alle ore 09:00 Ann Lee <\nann@chairs.test> ha scritto:"),
        "Tuesday is fine.",
    ),
    Reply(
        "gmail portuguese",
        top("Em seg., 2 de mar. de 2026 às 09:00, Ann Lee <ann@chairs.test> escreveu:"),
        "Tuesday is fine.",
    ),
    Reply(
        "gmail dutch", top("Op ma 2 mrt 2026 om 09:00 schreef Ann Lee <ann@chairs.test>:"), "Tuesday is fine."
    ),
    Reply(
        "gmail swedish",
        top("Den mån 2 mars 2026 kl 09:00 skrev Ann Lee <ann@chairs.test>:"),
        "Tuesday is fine.",
    ),
    Reply(
        "gmail polish",
        top("pon., 2 mar 2026 o 09:00 Ann Lee <ann@chairs.test> napisał(a):"),
        "Tuesday is fine.",
    ),
    Reply("gmail russian", top("пн, 2 мар. 2026 г. в 09:00, Ann Lee <ann@chairs.test>:"), "Tuesday is fine."),
    Reply(
        "gmail japanese",
        f"火曜日でお願いします。\n\n2026年3月2日(月) 9:00 Ann Lee <ann@chairs.test>:\n\n{QUOTED}",
        "火曜日でお願いします。",
    ),
    Reply(
        "iphone japanese",
        f"火曜日でお願いします。\n\niPhoneから送信\n\n"
        f"2026/03/02 9:00、Ann Lee <ann@chairs.test>のメール:\n\n{PARENT}",
        "火曜日でお願いします。",
        "iPhoneから送信",
    ),
    Reply(
        "gmail chinese", top("Ann Lee <ann@chairs.test> 于2026年3月2日周一 09:00写道："), "Tuesday is fine."
    ),
    Reply(
        "qq chinese",
        f'星期二可以。\n\n------------------ 原始邮件 ------------------\n发件人: "Ann"\n{PARENT}',
        "星期二可以。",
    ),
    Reply(
        "proton",
        "Tuesday is fine.\n\nSent with Proton Mail secure email.\n\n------- Original Message -------\n"
        f"On Monday, March 2nd, 2026 at 09:00, Ann Lee <ann@chairs.test> wrote:\n\n{QUOTED}",
        "Tuesday is fine.",
        "Sent with Proton Mail secure email.",
    ),
    Reply("no attribution at all", f"Tuesday is fine.\n\n{PARENT}", "Tuesday is fine."),
    Reply("unmarked quote above the answer", f"{PARENT}\nTuesday is fine.\n", "Tuesday is fine."),
    Reply("a short parent", "Yes.\n\nAre you there?\n", "Yes.", parent="Are you there?\n"),
    Reply(
        "no quote", "Tuesday is fine.\nBring the red ones too.\n", "Tuesday is fine.\nBring the red ones too."
    ),
    Reply("only a quote", QUOTED.strip(), QUOTED.strip()),
    Reply(
        "a forward",
        "FYI\n\n---------- Forwarded message ---------\nFrom: Ann Lee <ann@chairs.test>\nDate: Mon, Mar 2, "
        "2026 at 9:00 AM\n"
        "Subject: Your order\nTo: Bob\n\nHello Bob,\n\n> older\n",
        "FYI\n\n---------- Forwarded message ---------\nFrom: Ann Lee <ann@chairs.test>\nDate: Mon, Mar 2, "
        "2026 at 9:00 AM\n"
        "Subject: Your order\nTo: Bob\n\nHello Bob,\n\n> older",
    ),
    Reply(
        "an outlook forward",
        "FYI\n\nFrom: Ann Lee <ann@chairs.test>\nSent: Monday, March 2, 2026 9:00 AM\nTo: Bob\nSubject: "
        "Your order\n\nHello Bob\n",
        "FYI\n\nFrom: Ann Lee <ann@chairs.test>\nSent: Monday, March 2, 2026 9:00 AM\nTo: Bob\nSubject: "
        "Your order\n\nHello Bob",
        forwarded=True,
    ),
    Reply(
        "words that look like a quote's head",
        "On Tuesday I wrote:\nyou never answered.\n\nFrom: Berlin\nTo: Munich\nDate: Monday\n\nThe film is "
        "called 10:30.\nAs you wrote on 2026-03-02 at 9:00:\nno.\n",
        "On Tuesday I wrote:\nyou never answered.\n\nFrom: Berlin\nTo: Munich\nDate: Monday\n\nThe film is "
        "called 10:30.\nAs you wrote on 2026-03-02 at 9:00:\nno.",
    ),
    Reply(
        "thanks within the text is no signature",
        "Thanks,\nplease send the invoice number 45 to Ann as well.\nAnd the red chairs?\n",
        "Thanks,\nplease send the invoice number 45 to Ann as well.\nAnd the red chairs?",
    ),
    Reply(
        "a list behind thanks is no signature",
        "Thanks,\n\nTwo more things\n- one\n- two\n",
        "Thanks,\n\nTwo more things\n- one\n- two",
    ),
    Reply(
        "a company's signature",
        "Tuesday is fine.\n\nKind regards,\n\nBob Stone\nHead of Sales | Stone Ltd.\nTel: +44 1 234\n\n"
        f"{ON}\n\n{QUOTED}",
        "Tuesday is fine.",
        "Kind regards,\n\nBob Stone\nHead of Sales | Stone Ltd.\nTel: +44 1 234",
    ),
    Reply("a list is no signature", "I need\n- one\n- two\n", "I need\n- one\n- two"),
    Reply(
        "a mailbox file's From", ">From here on it is easy.\nReally.\n", ">From here on it is easy.\nReally."
    ),
]
