"""Read the arguments of MAIL and RCPT: a path, then ESMTP parameters, strictly.

SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), AUTH (RFC 4954 §5) and
the DSN wishes RET, ENVID, NOTIFY, ORCPT (RFC 3461 §4). Values keep their
case. What is not understood is refused, never passed over.
"""

import re
from collections.abc import Iterable

from relay.address import (
    POSTMASTER,
    Address,
    InvalidAddress,
    ReversePath,
    parse_path,
    parse_reverse_path,
)
from relay.errors import Refusal
from relay.message.envelope import Envelope, EnvelopeRecipient
from relay.replies import SmtpReply

_ARGUMENT = re.compile(r" *(<[^<>]*>)(?: +(.*))?\Z")
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^ ]+))?\Z")
_SIZE = re.compile(r"[0-9]{1,20}\Z")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")
_UTF8_XTEXT = re.compile(r"(?:[!-*,-<>-~]|[^\x00-\xa0\u2028\u2029]|\+[0-9A-F]{2})*\Z")
_CONTROL_IN_XTEXT = re.compile(r"\+(?:[01][0-9A-F]|7F)")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*\Z")
_NOTIFY = frozenset({"SUCCESS", "FAILURE", "DELAY"})

LONGEST_ENVID = 100
LONGEST_ORCPT = 500

MAIL_PARAMETERS = frozenset({"SIZE", "BODY", "SMTPUTF8", "AUTH"})
MAIL_DSN_PARAMETERS = frozenset({"RET", "ENVID"})
RCPT_DSN_PARAMETERS = frozenset({"NOTIFY", "ORCPT"})


class BadArgument(Refusal):
    """The argument of a command is wrong; `reply` says where."""

    reply = SmtpReply(501, "5.5.4", "Syntax error in parameters")


def read_mail(argument: bytes, *, offers_dsn: bool) -> Envelope:
    """The envelope that `MAIL FROM:` + `argument` opens; raises BadArgument."""
    path, parameters = _split(argument, "5.1.7")
    wanted = _read_parameters(parameters, MAIL_PARAMETERS | (MAIL_DSN_PARAMETERS if offers_dsn else set()))
    smtputf8 = _read_flag(wanted, "SMTPUTF8")
    _check_auth(wanted.get("AUTH", "<>"))
    return Envelope(
        reverse_path=_read_reverse_path(path, smtputf8),
        declared_size=_read_size(wanted),
        is_8bit=_read_body(wanted),
        smtputf8=smtputf8,
        ret=_read_ret(wanted),
        envid=_read_envid(wanted),
    )


def read_rcpt(argument: bytes, *, smtputf8: bool, offers_dsn: bool) -> EnvelopeRecipient:
    """The recipient that `RCPT TO:` + `argument` names; raises BadArgument."""
    path, parameters = _split(argument, "5.1.3")
    wanted = _read_parameters(parameters, RCPT_DSN_PARAMETERS if offers_dsn else frozenset())
    return EnvelopeRecipient(
        _read_recipient(path, smtputf8), notify=_read_notify(wanted), orcpt=_read_orcpt(wanted, smtputf8)
    )


def _split(argument: bytes, enhanced: str) -> tuple[str, list[str]]:
    try:
        text = argument.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadArgument("not UTF-8", SmtpReply(501, "5.5.2", "Argument is not UTF-8")) from error
    found = _ARGUMENT.match(text)
    if found is None:
        reply = SmtpReply(501, enhanced, "Syntax: an address between < and >, then parameters")
        raise BadArgument("no path", reply)
    return found[1], [part for part in (found[2] or "").split(" ") if part]


def _read_parameters(parts: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for part in parts:
        found = _PARAMETER.match(part)
        if found is None:
            raise BadArgument(f"not a parameter: {part!r}")
        keyword = found[1].upper()
        if keyword not in known:
            reply = SmtpReply(555, "5.5.4", f"Parameter {keyword[:40]} is not offered here")
            raise BadArgument(f"unknown parameter {keyword}", reply)
        if keyword in wanted:
            raise BadArgument(f"{keyword} twice", SmtpReply(501, "5.5.4", f"Parameter {keyword} given twice"))
        wanted[keyword] = found[2] or ""
    return wanted


def _bad_value(keyword: str) -> BadArgument:
    return BadArgument(f"bad {keyword}", SmtpReply(501, "5.5.4", f"Bad value of parameter {keyword}"))


def _read_reverse_path(path: str, smtputf8: bool) -> ReversePath:
    try:
        return parse_reverse_path(path, allow_utf8=smtputf8)
    except InvalidAddress as error:
        raise _bad_path(path, smtputf8, error, "5.1.7") from error


def _read_recipient(path: str, smtputf8: bool) -> Address:
    if path.lower() == "<postmaster>":  # RFC 5321 §4.1.1.3: alone, without a domain
        return POSTMASTER
    try:
        return parse_path(path, allow_utf8=smtputf8)
    except InvalidAddress as error:
        raise _bad_path(path, smtputf8, error, "5.1.3") from error


def _bad_path(path: str, smtputf8: bool, error: InvalidAddress, enhanced: str) -> BadArgument:
    if not path.isascii() and not smtputf8:
        return BadArgument("UTF-8", SmtpReply(553, "5.6.7", "An address in UTF-8 needs SMTPUTF8"))
    return BadArgument(str(error), SmtpReply(501, enhanced, "Bad address syntax"))


def _read_flag(wanted: dict[str, str], keyword: str) -> bool:
    if wanted.get(keyword):
        raise _bad_value(keyword)
    return keyword in wanted


def _read_size(wanted: dict[str, str]) -> int | None:
    if "SIZE" not in wanted:
        return None
    if not _SIZE.match(wanted["SIZE"]):
        raise _bad_value("SIZE")
    return int(wanted["SIZE"])


def _read_body(wanted: dict[str, str]) -> bool:
    body = wanted.get("BODY", "7BIT").upper()
    if body not in ("7BIT", "8BITMIME"):
        raise _bad_value("BODY")
    return body == "8BITMIME"


def _check_auth(value: str) -> None:
    """RFC 4954 §5 wants the parameter taken; what it claims binds us to nothing."""
    if value != "<>" and not (value and _is_xtext(value)):
        raise _bad_value("AUTH")


def _read_ret(wanted: dict[str, str]) -> str | None:
    ret = wanted.get("RET")
    if ret is not None and ret.upper() not in ("FULL", "HDRS"):
        raise _bad_value("RET")
    return ret and ret.upper()


def _read_envid(wanted: dict[str, str]) -> str | None:
    envid = wanted.get("ENVID")
    if envid is not None and not (0 < len(envid) <= LONGEST_ENVID and _is_xtext(envid)):
        raise _bad_value("ENVID")
    return envid


def _read_notify(wanted: dict[str, str]) -> str | None:
    if "NOTIFY" not in wanted:
        return None
    notify = wanted["NOTIFY"].upper()
    words = notify.split(",")
    if notify != "NEVER" and (not _NOTIFY.issuperset(words) or len(set(words)) != len(words)):
        raise _bad_value("NOTIFY")
    return notify


def _read_orcpt(wanted: dict[str, str], smtputf8: bool) -> str | None:
    if "ORCPT" not in wanted:
        return None
    orcpt = wanted["ORCPT"]
    kind, _, address = orcpt.partition(";")
    may_be_utf8 = smtputf8 and kind.lower() == "utf-8"  # RFC 6533 §3
    is_text = _is_xtext(address, _UTF8_XTEXT if may_be_utf8 else _XTEXT)
    if not (_ADDRESS_TYPE.match(kind) and address and is_text and len(orcpt) <= LONGEST_ORCPT):
        raise _bad_value("ORCPT")
    return orcpt


def _is_xtext(value: str, pattern: re.Pattern[str] = _XTEXT) -> bool:
    """RFC 3461 §4, less the control characters that it could carry into a header of ours."""
    return bool(pattern.match(value)) and not _CONTROL_IN_XTEXT.search(value)
