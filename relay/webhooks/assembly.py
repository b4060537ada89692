"""Put the webhooks together around a station."""

import random
import ssl
from functools import lru_cache

from relay.station import Station
from relay.webhooks.outbox import Outbox
from relay.webhooks.post import Poster, verifying_context
from relay.webhooks.sender import Sender
from relay.webhooks.settling import Carrier


def build_carrier(station: Station) -> Carrier:
    """What posts once; the HTTP door tries endpoints with one of its own."""
    webhooks = station.config.webhooks
    poster = Poster(
        station.resolver,
        station.clock,
        timeout=webhooks.timeout,
        allow_private_networks=webhooks.allow_private_networks,
        tls=_system_tls(),
    )
    return Carrier(station.db, station.clock, poster, random.Random())


@lru_cache(maxsize=1)
def _system_tls() -> ssl.SSLContext:
    """Reading all authorities takes a while, so once."""
    return verifying_context()


def build_sender(station: Station) -> Sender:
    """What follows the log and posts; `run` starts it."""
    outbox = Outbox(station.db, station.clock)
    return Sender(station.db, station.clock, outbox, build_carrier(station), station.metrics)
