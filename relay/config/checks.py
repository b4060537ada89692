"""What must hold between keys that are each well written."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain

from relay.address import InvalidAddress, parse_domain
from relay.config.sections import Config
from relay.config.values import InheritedListener, Listener


def check_together(config: Config) -> Iterator[tuple[str, str]]:
    """Problems as (key, text); none when the configuration can be served."""
    yield from _check_tls(config)
    yield from _check_delivery(config)
    yield from _check_durations(config)
    yield from _check_listeners(config)


def _check_tls(config: Config) -> Iterator[tuple[str, str]]:
    tls = config.tls
    if tls.certificate is None and tls.private_key is not None:
        yield "tls.certificate", "a private key is set, so its certificate is needed"
    if tls.certificate is not None and tls.private_key is None:
        yield "tls.private_key", "a certificate is set, so its private key is needed"
    if config.submission.listen_tls and tls.certificate is None:
        yield "submission.listen_tls", "implicit TLS needs tls.certificate and tls.private_key"


def _check_delivery(config: Config) -> Iterator[tuple[str, str]]:
    delivery = config.delivery
    if not delivery.retry_schedule:
        yield "delivery.retry_schedule", "at least one wait is needed"
    elif min(delivery.retry_schedule) < timedelta(seconds=1):
        yield "delivery.retry_schedule", "no wait may be shorter than a second"
    for name in delivery.destinations:
        try:
            if parse_domain(name) != name:
                yield "delivery.destinations", f"{name!r} is written {parse_domain(name)!r}"
        except InvalidAddress as error:
            yield "delivery.destinations", f"{name!r} is not a domain: {error}"
    if delivery.delay_notice_after >= delivery.expire_after:
        yield "delivery.delay_notice_after", "must be shorter than delivery.expire_after"


def _check_durations(config: Config) -> Iterator[tuple[str, str]]:
    for key, span in (
        ("dns.timeout", config.dns.timeout),
        ("delivery.lease", config.delivery.lease),
        ("delivery.site_lease", config.delivery.site_lease),
        ("delivery.expire_after", config.delivery.expire_after),
        ("webhooks.timeout", config.webhooks.timeout),
        ("limits.command_timeout", config.limits.command_timeout),
        ("limits.data_timeout", config.limits.data_timeout),
        ("limits.session_time", config.limits.session_time),
    ):
        if not span:
            yield key, "must be longer than nothing"


def _check_listeners(config: Config) -> Iterator[tuple[str, str]]:
    seen: dict[Listener | InheritedListener, str] = {}
    doors = {
        "submission.listen": config.submission.listen,
        "submission.listen_tls": config.submission.listen_tls,
        "inbound.listen": config.inbound.listen,
        "api.listen": config.api.listen,
    }
    for key, listener in chain.from_iterable(((k, item) for item in v) for k, v in doors.items()):
        is_any_port = isinstance(listener, Listener) and listener.port == 0
        if listener in seen and not is_any_port:
            yield key, f"{listener} is taken by {seen[listener]}"
        seen.setdefault(listener, key)
