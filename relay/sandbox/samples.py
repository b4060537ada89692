"""What each kind of event says, as it would say it by itself: for events that are raised by hand."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from relay.clock import Clock, span_us, to_us
from relay.events.kinds import EventKind
from relay.sandbox.house_samples import ABOUT_THE_HOUSE

_ATTEMPT: Final[Mapping[str, Any]] = {
    "attempt": 1,
    "scope": "recipient",
    "reason": "unknown",
    "reply": "250 2.0.0 Ok",
    "mx": "mx.far.example",
    "ip": "192.0.2.25",
    "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
}
_ACCEPTED: Final[Mapping[str, Any]] = {
    "source": "api",
    "login": None,
    "client": None,
    "helo": None,
    "protocol": "HTTP",
    "tls": None,
    "session": None,
    "reverse_path": "shop@ours.example",
    "recipients": 1,
    "size": 2048,
    "tags": [],
    "metadata": {},
    "line_ends_fixed": 0,
    "signing_domain": "ours.example",
    "allowance_day": None,
    "allowance": "exempt: a trial, sent to nobody",
}
_BROWSER: Final[Mapping[str, Any]] = {
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
    "address": "192.0.2.80",
    "machine": False,
    "machine_kind": None,
}
_RECEIVED: Final[Mapping[str, Any]] = {
    "reverse_path": "ann@far.example",
    "recipient": "shop@ours.example",
    "from": "Ann <ann@far.example>",
    "subject": "Re: Your order",
    "thread_id": "thr_01hw3k9v8g2e4r6t8y0a2s4d",
    "kind": "new",
    "automatic": False,
    "match": None,
    "authentic": True,
    "spf": "pass",
    "dkim": ["pass"],
    "dmarc": "pass",
    "client": "192.0.2.25",
    "helo": "mx.far.example",
    "attachments": 0,
    "flags": [],
    "size": 2048,
}
_USAGE: Final[Mapping[str, Any]] = {
    "address": "shop@ours.example",
    "day": "2026-03-02",
    "cap": 75,
    "used": 60,
    "percent": 80,
    "resets_at": "2026-03-03T00:00:00Z",
    "warmup": False,
}
_SOON = span_us(timedelta(minutes=5))

# Without the recipient, which stands before these where the event is about one.
_ABOUT_RECIPIENTS: Final[Mapping[EventKind, Mapping[str, Any]]] = {
    EventKind.MESSAGE_SENT: {"attempt": 1, "mx": "mx.far.example"},
    EventKind.MESSAGE_DELIVERED: _ATTEMPT,
    EventKind.MESSAGE_DEFERRED: {
        **_ATTEMPT,
        "reason": "policy",
        "reply": "451 4.7.1 Greylisted, please try again later",
    },
    EventKind.MESSAGE_BOUNCED: {
        **_ATTEMPT,
        "reason": "no_such_mailbox",
        "reply": "550 5.1.1 No such mailbox here",
    },
    EventKind.MESSAGE_EXPIRED: {**_ATTEMPT, "reply": "451 4.4.1 No answer from the host"},
    EventKind.MESSAGE_SUPPRESSED: {"reason": "bounce"},
    EventKind.MESSAGE_CANCELED: {"by": "api", "key": "key_01hw3k9v8g2e4r6t8y0a2s4d"},
    EventKind.MESSAGE_HELD: {"reason": "operator"},
    EventKind.MESSAGE_COMPLAINED: {"source": "arf", "feedback_type": "abuse", "user_agent": "FBL/1.0"},
    EventKind.MESSAGE_OPENED: _BROWSER,
    EventKind.MESSAGE_CLICKED: {**_BROWSER, "link": "https://shop.example/orders/7"},
    EventKind.MESSAGE_UNSUBSCRIBED: {"source": "one-click", "stream": None},
    EventKind.MESSAGE_RELEASED: {},
}
_ABOUT_OTHERS: Final[Mapping[EventKind, Mapping[str, Any]]] = {
    EventKind.MESSAGE_ACCEPTED: _ACCEPTED,
    EventKind.MESSAGE_RECEIVED: _RECEIVED,
    EventKind.MESSAGE_BLOCKED: _RECEIVED,
    EventKind.MESSAGE_QUARANTINED: _RECEIVED,
    EventKind.MESSAGE_REPLIED: {
        "reply": "msg_01hw3k9v8g2e4r6t8y0a2s4e",
        "thread_id": "thr_01hw3k9v8g2e4r6t8y0a2s4d",
        "from": "ann@far.example",
        "subject": "Re: Your order",
        "intent": None,
        "authentic": True,
    },
    EventKind.MAILBOX_CAP_REACHED: {**_USAGE, "used": 75, "percent": 100},
    EventKind.USAGE_THRESHOLD: _USAGE,
    EventKind.BATCH_COMPLETED: {
        "batch_id": "bat_01hw3k9v8g2e4r6t8y0a2s4d",
        "total": 2,
        "accepted": 2,
        "refused": 0,
    },
    **ABOUT_THE_HOUSE,
}


def sample(kind: EventKind, clock: Clock, recipient: str) -> dict[str, Any]:
    """The data of such an event."""
    about_one = _ABOUT_RECIPIENTS.get(kind)
    if kind is EventKind.MESSAGE_SCHEDULED:
        return {"release_at": to_us(clock.now()) + _SOON, "why": "exempt: a trial, sent to nobody"}
    if about_one is None:
        return dict(_ABOUT_OTHERS.get(kind, {}))
    data = {"recipient": recipient, **about_one}
    if kind is EventKind.MESSAGE_DEFERRED:
        data["next_attempt_at"] = to_us(clock.now()) + _SOON
    return data
