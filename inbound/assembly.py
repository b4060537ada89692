"""Put the way in together on an opened station."""

from dataclasses import dataclass
from functools import partial

from inbound.authenticate.judge import Judge
from inbound.filing import Filing
from inbound.forgetting import LetterMemory
from inbound.letters import records
from inbound.onlooking import Onlooking
from inbound.opening import Opener, Reading
from inbound.reader import Reader
from inbound.reading.bench import ReadingBench
from inbound.receive import Receiver
from inbound.recipients import Recipients
from inbound.screener import Screener
from inbound.sent import SentMail
from inbound.standing import Doorkeeper
from inbound.threading import Threading
from relay.events.turns import Turn
from relay.station import Station


@dataclass(frozen=True, slots=True)
class WayIn:
    """Everything between the far server and the letter in its thread."""

    receiver: Receiver
    reader: Reader
    judge: Judge
    doorkeeper: Doorkeeper
    screener: Screener
    bench: ReadingBench
    memory: LetterMemory


def build_way_in(station: Station, bench: ReadingBench) -> WayIn:
    """Receiver and reader, wired to wake one another; whoever made the bench closes it."""
    config, db = station.config, station.db
    receiver = Receiver(
        db,
        station.clock,
        config.server.hostname,
        Recipients(
            db,
            station.directory,
            station.bounce_secret,
            station.link_secret,
            config.inbound.postmaster,
        ),
        station.shelf,
        config.limits.received_hops,
    )
    judge = Judge(station.resolver, bench.verify, clock=station.clock, hostname=config.server.hostname)
    doorkeeper = Doorkeeper(db, config.inbound)
    reading = Reading(bench, station.shelf)
    filing = Filing(station.clock, station.bounce_secret, station.link_secret)
    sent = SentMail(db, reading, filing, Threading(db, station.bounce_secret, partial(records.find, db)))
    threading = Threading(db, station.bounce_secret, sent.letter_of)
    opener = Opener(reading, judge, threading, doorkeeper, station.link_secret)
    reader = Reader(db, opener, filing, sent, Turn(db, station.clock, "reading"))
    receiver.listen(reader.wake)
    station.onlooker.serve(Onlooking(db, station.shelf, bench))
    screener = Screener.from_config(config, station.resolver)
    return WayIn(receiver, reader, judge, doorkeeper, screener, bench, LetterMemory())
