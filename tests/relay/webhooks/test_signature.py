"""What we sign, the libraries that people use believe; and nothing else."""

import base64

import pytest
import standardwebhooks
import svix

from relay.clock import SystemClock
from relay.webhooks.signature import PREFIX, new_secret, sign, signed_headers

BODY = '{"type":"message.received","data":{"subject":"grüße"}}'.encode()


def now() -> int:
    """The libraries believe only what was signed within minutes of now."""
    return int(SystemClock().now().timestamp())


def headers(*secrets: str, at: int | None = None, id_: str = "evt_1", body: bytes = BODY) -> dict[str, str]:
    return dict(signed_headers(secrets, id_, now() if at is None else at, body))


def test_both_libraries_believe_a_post() -> None:
    secret = new_secret()
    event = standardwebhooks.Webhook(secret).verify(BODY, headers(secret))
    assert event["data"]["subject"] == "grüße"
    svix.Webhook(secret).verify(BODY, headers(secret))
    with pytest.raises(svix.WebhookVerificationError):
        svix.Webhook(new_secret()).verify(BODY, headers(secret))


def test_the_headers_of_either_family_are_enough() -> None:
    secret = new_secret()
    for family in ("webhook", "svix"):
        alone = {name: value for name, value in headers(secret).items() if name.startswith(family)}
        assert len(alone) == 3
        svix.Webhook(secret).verify(BODY, alone)


def test_the_vector_of_the_specification_is_reproduced() -> None:
    signature = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_replaced_both_are_believed_and_no_third() -> None:
    old, new = new_secret(), new_secret()
    for secret in (old, new):
        standardwebhooks.Webhook(secret).verify(BODY, headers(new, old))
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(new_secret()).verify(BODY, headers(new, old))


@pytest.mark.parametrize(
    "changed",
    [{"id_": "evt_2"}, {"at": "a second later"}, {"body": BODY + b" "}],
    ids=["id", "timestamp", "body"],
)
def test_id_timestamp_and_body_are_signed(changed: dict[str, object]) -> None:
    secret = new_secret()
    if "at" in changed:
        changed = {"at": now() + 1}
    forged = headers(secret) | {
        name: value
        for name, value in headers(secret, **changed).items()  # type: ignore[arg-type]
        if not name.endswith("signature")
    }
    body = changed.get("body", BODY)
    assert isinstance(body, bytes)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret).verify(body, forged)


def test_a_post_that_is_old_is_not_believed() -> None:
    secret = new_secret()
    with pytest.raises(standardwebhooks.WebhookVerificationError, match="old"):
        standardwebhooks.Webhook(secret).verify(BODY, headers(secret, at=now() - 600))


def test_secrets_are_chance_of_the_length_that_the_specification_wants() -> None:
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert {len(base64.b64decode(secret.removeprefix(PREFIX))) for secret in secrets} == {32}


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_no base64!", "whsec_" + "A" * 200])
def test_what_is_no_secret_signs_nothing(secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        sign(secret, "evt_1", now(), BODY)
