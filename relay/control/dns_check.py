"""Look from where the mail is: verify a domain's records, examine the installation.

Both run in the daemon when there is one: its resolver, its networks and its
user are those that mail meets.
"""

from typing import Any

from relay.control.context import Context
from relay.control.operations.domains import NamedDomain
from relay.control.registry import Arguments, operation
from relay.doctor import Patient, examine
from relay.doctor.port25 import read_exchanger
from relay.estate import domains as estate


class Examine(Arguments, frozen=True):
    """`exchangers` are "host" or "host:port": servers to knock at instead of the known receivers'."""

    exchangers: tuple[str, ...] = ()


@operation("domain.verify", NamedDomain)
async def verify(context: Context, wanted: NamedDomain) -> dict[str, Any]:
    """Every record expected against found, asked afresh, and the domain's standing afterwards.

    Trouble with the DNS changes no standing. Raises NotFound.
    """
    return (await estate.verify(context.station, context.tenant_id, wanted.name)).as_dict()


@operation("doctor.examine", Examine)
async def doctor(context: Context, wanted: Examine) -> list[dict[str, Any]]:
    """The findings from inside, most of them about DNS; within half a minute."""
    patient = Patient(
        context.station.config,
        context.clock,
        context.station,
        exchangers=[read_exchanger(text) for text in wanted.exchangers],
    )
    return [finding.as_dict() for finding in await examine(patient)]
