"""What somebody wants, guessed from the new text of a letter by rules that can be read.

A label for sorting, never a reason to act: where the words do not say one
thing clearly, or say two, there is none. English and German.
"""

import re
from enum import StrEnum

_LOOKED_AT = 2000
_SHORT = 400


class Intent(StrEnum):
    UNSUBSCRIBE = "unsubscribe"  # wants no more mail
    OUT_OF_OFFICE = "out_of_office"  # is away
    NOT_INTERESTED = "not_interested"  # says no
    MEETING = "meeting"  # wants to meet or to talk
    INTERESTED = "interested"  # says yes, or wants to hear more
    QUESTION = "question"  # asks something


def _words(*patterns: str) -> re.Pattern[str]:
    # What stands before is looked at once for all of them: most places are inside a word.
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)


_UNSUBSCRIBE = _words(
    r"(?:please|kindly|(?:want|like|wish) to|can you) unsubscribe",
    r"unsubscribe me",
    r"\A\W*unsubscribe",
    r"opt me out",
    r"(?:remove|take|delete) me (?:from|off)",
    r"(?:remove|delete) my (?:e-?mail|address)",
    r"stop (?:e-?mailing|mailing|contacting|writing|sending)",
    r"(?:do not|don['’]t) (?:e-?mail|contact|write to) me",
    r"no more e-?mails?",
    r"(?:bitte )?(?:vom|den|diesen) newsletter ab(?:melden|bestellen)",
    r"(?:tragen|melden|nehmen) sie mich (?:bitte )?(?:aus|ab|von)",
    r"aus (?:ihrem|dem|eurem) verteiler",
    r"keine (?:weiteren )?(?:e-?mails|mails|nachrichten|werbung) mehr",
    r"abbestellen",
)
_OUT_OF_OFFICE = _words(
    r"(?:i am|i['’]m|i will be) (?:currently |now )?out of (?:the )?office",
    r"(?:i am|i['’]m|i will be) (?:currently |now )?away from (?:the office|my desk)",
    r"(?:i am|i['’]m) (?:currently |now )?on (?:vacation|holiday|(?:annual |parental |sick )?leave)",
    r"(?:limited|no) access to (?:my )?e-?mails?",
    r"\A\W*(?:out of (?:the )?office|abwesenheitsnotiz)",
    r"bin (?:ich )?(?:derzeit |zurzeit |momentan |aktuell |bis .{1,40} )?"
    r"(?:nicht im b[üu]ro|im urlaub|abwesend|au(?:ß|ss)er haus|nicht erreichbar)",
)
_NOT_INTERESTED = _words(
    r"(?:not|n['’]t|no longer) (?:really |currently |at all )?interested",
    r"no,? thank(?:s| you)(?! for)",
    r"(?:we|i)(?:['’]ll| will| have to| must) pass(?: on (?:this|that|it))?(?= for now|\s*[.,!]|\s*\Z)",
    r"not (?:a|the right|a good) (?:fit|match)(?: for us)?",
    r"no (?:need for|interest in) (?:this|that|it|your)",
    r"kein(?:e|en)? (?:interesse|bedarf)",
    r"nicht interessiert",
    r"nein,? danke",
    r"kommt f[üu]r uns nicht in ?frage",
)
_MEETING = _words(
    r"(?:schedule|set up|book|arrange|hop on|jump on) a (?:quick |short |brief )?(?:call|meeting|chat|demo)",
    r"(?:let['’]?s|can we|could we|shall we|happy to) (?:meet|talk|chat|speak|have a call)",
    r"(?:are|would) you (?:be )?(?:free|available) (?:on|at|for|tomorrow|next|this)",
    r"(?:does|would|how about) (?:monday|tuesday|wednesday|thursday|friday|tomorrow|next week)",
    r"(?:einen )?(?:termin|telefontermin) (?:vereinbaren|ausmachen|finden|machen)",
    r"(?:k[öo]nnen|wollen|sollen) wir (?:uns )?(?:.{1,30} )?(?:treffen|telefonieren|sprechen)",
    r"(?:passt|h[äa]tten sie|h[äa]ttest du) (?:.{0,30} )?"
    r"(?:montag|dienstag|mittwoch|donnerstag|freitag|morgen|zeit)",
)
_INTERESTED = _words(
    r"(?:i am|i['’]m|we are|we['’]re|(?:very|definitely|quite|really)) interested",
    r"(?:sounds|looks) (?:very |really )?(?:good|great|interesting)",
    r"(?:tell me|send me|like to (?:know|learn|hear)|hear) more",
    r"(?:please|could you|can you) send (?:me |us )?(?:more|further|the) (?:information|details|offer|quote)",
    r"(?:we|i)['’]?(?:d| would) (?:love|like) to (?:try|see|order|buy|proceed|go ahead)",
    r"(?:ich bin|wir sind|w[äa]ren?|habe|haben) (?:.{1,20} )?(?:interessiert|interesse)",
    r"(?:klingt|h[öo]rt sich) (?:sehr )?(?:gut|interessant|spannend)(?: an)?",
    r"(?:gerne?|bitte) (?:.{1,20} )?(?:mehr|weitere) (?:informationen|infos|details)",
)
_SENTENCE = re.compile(r"[^.!?\n]*+(\?(?=\s|\Z))?")
_LETTER = re.compile(r"\w")
_NEGATED = re.compile(
    r"\b(?:not|n['’]t|no|never|nicht|kein\w*|nie)\b(?:(?!\b(?:but|aber)\b)[^.!?]){0,40}$", re.IGNORECASE
)


def intent_of(subject: str, text: str) -> Intent | None:
    """What the author of `text` (the new part of a letter, without quotes) wants; None when it is not clear.

    The subject counts only where it is the author's own, not our repeated one.
    Refusals come before consent, so that "not interested" is never a yes.
    """
    lines = (line.strip() for line in text[:_LOOKED_AT].splitlines() if not line.startswith(">"))
    text = " ".join(line for line in lines if line)
    if len(text) <= _SHORT and (_UNSUBSCRIBE.search(text) or _UNSUBSCRIBE.match(subject)):
        return Intent.UNSUBSCRIBE
    if _OUT_OF_OFFICE.search(text) or _OUT_OF_OFFICE.search(subject):
        return Intent.OUT_OF_OFFICE
    return _answer(text)


def _answer(text: str) -> Intent | None:
    refuses, consents = bool(_NOT_INTERESTED.search(text)), _says(_INTERESTED, text)
    if refuses:
        return None if consents else Intent.NOT_INTERESTED
    if _says(_MEETING, text):
        return Intent.MEETING
    if consents:
        return Intent.INTERESTED
    return Intent.QUESTION if _asks(text) else None


def _asks(text: str) -> bool:
    """Whether a sentence ends in a question mark; one of five characters asks nothing: "You?"."""
    return any(found[1] and _LETTER.search(found[0][:-5]) for found in _SENTENCE.finditer(text))


def _says(words: re.Pattern[str], text: str) -> bool:
    """Whether some of the words stand there without a negation in or just before them."""
    return any(not _NEGATED.search(text, 0, found.end()) for found in words.finditer(text))
