"""Authentication-Results: what we found, and nothing that others say in our name (RFC 8601).

Whoever reads the field downstream believes it because of the name at its
front. So every field that bears our name on arrival is a forgery and goes
(§5), however the name is spelled, and no stranger's word breaks out of ours.
"""

import re

from inbound.authenticate.results import ArcResult, Authentication, DkimResult, DmarcResult, SpfResult
from relay.address import InvalidAddress, parse_domain
from relay.message.headers import Header, fold

_NAME = "Authentication-Results"
_FIELD_NAME = _NAME.lower()
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~@-]+\Z")
_NOT_QUOTABLE = re.compile(r"[^ !#-\[\]-~]")
_COMMENT_PART = re.compile(r"[^()\\]+|\\.|[()]|\\", re.DOTALL)
_LONGEST_VALUE = 255


def authentication_results(auth: Authentication, authserv_id: str) -> bytes:
    """The field with its folds and CRLF, to be put at the top."""
    dkim = [_of_dkim(one) for one in auth.dkim] or ["dkim=none"]
    results = [_of_spf(auth.spf), *dkim, _of_dmarc(auth.dmarc), _of_arc(auth.arc)]
    return fold(_NAME, "; ".join([authserv_id, *results]))


def without_forged(header: Header, authserv_id: str) -> Header:
    """The same block but for every Authentication-Results that claims to be ours."""
    return Header(
        field
        for field in header.fields
        if field.name_lower != _FIELD_NAME or not _claims(field.value, authserv_id)
    )


def _of_spf(spf: SpfResult) -> str:
    name = "smtp.mailfrom" if spf.scope == "mfrom" else "smtp.helo"
    return _result("spf", spf.verdict, "" if spf.verdict == "pass" else spf.reason, {name: spf.domain})


def _of_dkim(dkim: DkimResult) -> str:
    properties = {
        "header.d": dkim.domain,
        "header.s": dkim.selector,
        "header.a": dkim.algorithm,
        "header.i": dkim.identity,
    }
    return _result("dkim", dkim.verdict, dkim.reason, properties)


def _of_dmarc(dmarc: DmarcResult) -> str:
    properties = {"header.from": dmarc.domain, "policy.dmarc": dmarc.policy}
    return _result("dmarc", dmarc.verdict, dmarc.reason, properties)


def _of_arc(arc: ArcResult) -> str:
    return _result("arc", arc.verdict, arc.reason, {})


def _result(method: str, verdict: str, reason: str, properties: dict[str, str]) -> str:
    words = [f"{method}={verdict}"]
    if reason:
        words.append(f"reason={_quoted(reason)}")
    words += [f"{name}={_value(value)}" for name, value in properties.items() if value]
    return " ".join(words)


def _value(text: str) -> str:
    text = text[:_LONGEST_VALUE]
    return text if _TOKEN.match(text) else _quoted(text.replace(" ", "_"))


def _quoted(text: str) -> str:
    return f'"{_NOT_QUOTABLE.sub("_", text[:_LONGEST_VALUE])}"'


def _claims(value: str, authserv_id: str) -> bool:
    """Whether a reader could take the field for ours: version, quotes, comments, a last dot aside."""
    ours = authserv_id.lower()
    bare, is_closed = _without_comments(value)
    if not is_closed:
        return ours in value.lower()
    words = re.sub(r'["\\]', "", bare.partition(";")[0]).lower().replace("/", " ").split()
    spellings = {words[0] if words else "", "".join(words), "".join(words[:-1])}
    return ours in {_spelled(text) for text in spellings}


def _spelled(text: str) -> str:
    try:
        return parse_domain(text.rstrip("."))
    except InvalidAddress:
        return text.rstrip(".")


def _without_comments(value: str) -> tuple[str, bool]:
    """What stands outside of comments, and whether each is closed."""
    kept: list[str] = []
    depth = 0
    for part in _COMMENT_PART.findall(value):
        if part in "()":
            depth += 1 if part == "(" else -1
        elif not depth:
            kept.append(part)
        if depth < 0:
            return value, False
    return "".join(kept), not depth
