"""One message and one thread, as the documentation shows them."""

from typing import Any

INBOX = "inb_01hw3k9v8g2e4r6t8y0a2s4d"
MESSAGE = "msg_01hw3k9v8g2e4r6t8y0a2s4d"
THREAD = "thr_01hw3k9v8g2e4r6t8y0a2s4d"

LISTED: dict[str, Any] = {
    "id": MESSAGE,
    "inbox_id": INBOX,
    "thread_id": THREAD,
    "direction": "in",
    "message_id": "<b7@far.example>",
    "in_reply_to": "<a1@ours.example>",
    "references": ["<a1@ours.example>"],
    "from": {"address": "bob@far.example", "name": "Bob"},
    "to": [{"address": "ann@ours.example", "name": "Ann"}],
    "cc": [],
    "bcc": [],
    "reply_to": [],
    "subject": "Re: Your order",
    "preview": "Tuesday suits us.",
    "attachments": [
        {
            "id": "att_1",
            "filename": "map.pdf",
            "content_type": "application/pdf",
            "disposition": "attachment",
            "content_id": None,
            "size": 40213,
        }
    ],
    "labels": ["open"],
    "tags": [],
    "metadata": {},
    "size": 58120,
    "status": "received",
    "recipients": [],
    "classification": "reply",
    "automatic": False,
    "intent": None,
    "standing": "accepted",
    "match": {"method": "in_reply_to", "evidence": "<a1@ours.example>"},
    "evidence": [],
    "flags": [],
    "authentication": {
        "spf": {
            "verdict": "pass",
            "domain": "far.example",
            "scope": "mfrom",
            "reason": "",
            "explanation": "",
        },
        "dkim": [
            {
                "verdict": "pass",
                "domain": "far.example",
                "selector": "s1",
                "algorithm": "rsa-sha256",
                "identity": "@far.example",
                "reason": "",
            }
        ],
        "dmarc": {
            "verdict": "pass",
            "domain": "far.example",
            "record_domain": "far.example",
            "policy": "reject",
            "aligned": "dkim",
            "reason": "",
        },
        "arc": {"verdict": "none", "sealers": [], "reason": ""},
        "from_domain": "far.example",
    },
    "screening": None,
    "test": False,
    "send_at": None,
    "created_at": "2026-03-02T09:00:00Z",
}

WHOLE: dict[str, Any] = {
    **LISTED,
    "text": "Tuesday suits us.\n\nOn Mon, 02 Mar 2026, Ann wrote:\n> Shall we say Tuesday?\n",
    "html": None,
    "extracted_text": "Tuesday suits us.",
    "extracted_html": None,
    "visible_text": "Tuesday suits us.",
    "hidden_text": "",
    "signature": "",
}

SENT: dict[str, Any] = {
    **WHOLE,
    "direction": "out",
    "from": {"address": "ann@ours.example", "name": "Ann"},
    "to": [{"address": "bob@far.example", "name": "Bob"}],
    "in_reply_to": None,
    "references": [],
    "subject": "Your order",
    "preview": "Shall we say Tuesday?",
    "text": "Shall we say Tuesday?",
    "extracted_text": "Shall we say Tuesday?",
    "visible_text": "Shall we say Tuesday?",
    "attachments": [],
    "status": "queued",
    "classification": "sent",
    "match": {"method": "new", "evidence": ""},
    "authentication": None,
    "recipients": [
        {
            "address": "bob@far.example",
            "status": "queued",
            "reason": None,
            "mx": None,
            "reply": None,
            "attempts": 0,
            "next_attempt_at": "2026-03-02T09:00:00Z",
        }
    ],
}

LISTED_THREAD: dict[str, Any] = {
    "id": THREAD,
    "inbox_id": INBOX,
    "subject": "Your order",
    "message_count": 2,
    "labels": [],
    "started_at": "2026-03-02T08:00:00Z",
    "last_message_at": "2026-03-02T09:00:00Z",
}

WHOLE_THREAD: dict[str, Any] = {**LISTED_THREAD, "messages": [WHOLE]}


def paged(entry: dict[str, Any]) -> dict[str, Any]:
    """A page with one entry."""
    return {"data": [entry], "has_more": False, "next_cursor": None}
