"""A far server takes the mail and reports later that it could not: the submitter hears, the address rests."""

from inbound.bounces import ReportedFailure, record_bounce
from relay.address import parse_address
from relay.message.refusals import Reason
from relay.queue.state import State
from relay.store.database import Transaction
from tests.flows.house import FAR, OURS, House, Sent

ANN = f"ann@{FAR}"
GONE = ReportedFailure(
    permanent=True,
    final=(parse_address(ANN),),
    status="5.1.1",
    diagnostic="550 5.1.1 User unknown",
    remote_mta=f"inner.{FAR}",
    reason=Reason.NO_SUCH_MAILBOX,
)


async def report(house: House, sent: Sent, failure: ReportedFailure) -> None:
    message = await sent.stored()

    async def work(tx: Transaction) -> None:
        await record_bounce(tx, house.clock, message, [failure])

    await house.station.db.transact(work)
    await house.run_until_idle()


async def test_the_submitter_hears_of_a_late_bounce_once_and_in_the_far_servers_words(house: House) -> None:
    sent = await house.submit(to=ANN)
    await house.run_until_idle()
    assert await sent.state() is State.DELIVERED

    await report(house, sent, GONE)
    await report(house, sent, GONE)

    assert await sent.state() is State.BOUNCED
    (notice,) = await house.notices(f"app@{OURS}")
    (about,) = notice.recipients
    assert (about["Action"], about["Status"]) == ("failed", "5.1.1")
    assert about["Remote-MTA"] == f"dns; inner.{FAR}"
    assert about["Diagnostic-Code"] == "smtp; 550 5.1.1 User unknown"


async def test_who_is_gone_is_not_written_to_again(house: House) -> None:
    sent = await house.submit(to=ANN)
    await house.run_until_idle()
    await report(house, sent, GONE)

    again = await house.submit(to=ANN)

    assert await again.state() is State.SUPPRESSED
    assert len(house.mx.received) == 1
