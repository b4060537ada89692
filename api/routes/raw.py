"""The octets of a message: its raw form, and its attachments, so that no browser runs what they hold."""

import re
from urllib.parse import quote

from api.call import Call
from api.mail.finding import letter_of
from api.mail.parts import part_of, raw_of
from api.operations import Operation, Reply
from inbound.reading.filenames import clean_filename
from relay.errors import NotFound

_ID = re.compile(r"att_([0-9]{1,6})\Z")
_PLAIN = re.compile(r"[^A-Za-z0-9._ -]")
# Whatever it calls itself: nothing runs, nothing is guessed, nothing is shown in our name.
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HARMLESS = re.compile(
    r"(?:image/(?:png|jpeg|gif|webp)|audio/[a-z0-9.+-]+|video/[a-z0-9.+-]+|application/pdf|text/plain|text/csv)\Z"
)


async def get_raw(call: Call) -> Reply:
    letter = await letter_of(call, await call.mailbox(call.path["inbox"]))
    octets = await raw_of(call.house, letter)
    name = f"{letter.message_id}.eml"
    return Reply(octets, headers=download_headers(name), media_type="message/rfc822")


async def get_attachment(call: Call) -> Reply:
    """The decoded octets, to be saved; the type is told only where no browser could run it."""
    letter = await letter_of(call, await call.mailbox(call.path["inbox"]))
    found = _ID.match(call.path["attachment"])
    part = int(found[1]) if found else -1
    known = next((each for each in letter.attachments if each.part == part), None)
    if known is None:
        raise NotFound(f"no attachment {call.path['attachment']} in this message")
    octets = await part_of(call.house, letter.message_id, part)
    media_type = known.content_type if _HARMLESS.match(known.content_type) else "application/octet-stream"
    return Reply(octets.content, headers=download_headers(known.filename), media_type=media_type)


def download_headers(filename: str) -> dict[str, str]:
    """Save it, under this name, and run nothing of it (RFC 6266)."""
    filename = clean_filename(filename)
    plain = _PLAIN.sub("_", filename).strip() or "attachment"
    disposition = f'attachment; filename="{plain}"'
    if plain != filename and filename:
        disposition += f"; filename*=UTF-8''{quote(filename, safe='')}"
    return {**_SAFE, "Content-Disposition": disposition}


OPERATIONS = (
    Operation(
        "GET",
        "/v1/inboxes/{inbox}/messages/{message}/raw",
        "messages:read",
        "The message as it is kept",
        get_raw,
        media_type="message/rfc822",
        answers="Received: from …\r\nFrom: Bob <bob@far.example>\r\n…",
        errors=("not_found",),
        description="Received mail is as it came, below our own Authentication-Results, Return-Path and"
        " Received. Whatever claims to be an Authentication-Results of ours is left out.",
    ),
    Operation(
        "GET",
        "/v1/inboxes/{inbox}/messages/{message}/attachments/{attachment}",
        "messages:read",
        "An attachment",
        get_attachment,
        media_type="*/*",
        answers="(octets)",
        errors=("not_found", "not_accepting"),
        description="Decoded, and always to be saved: no browser shows or runs it in our name.",
    ),
)
