"""The nameserver must answer, say no when it means no, and may validate."""

from typing import Self

import dns.flags
import dns.message

from relay.doctor.finding import Finding, Grade
from relay.doctor.nameserver import BOGUS, NOWHERE, check_nameserver
from relay.resolver import Resolver
from tests.fakes.dns_server import FakeDns


class ValidatingDns(FakeDns):
    """Says AD to whoever asks for it."""

    async def respond(self, wire: bytes, *, tcp: bool) -> bytes | None:
        answer = await super().respond(wire, tcp=tcp)
        if answer is None or not dns.message.from_wire(wire).flags & dns.flags.AD:
            return answer
        message = dns.message.from_wire(answer)
        message.flags |= dns.flags.AD
        return message.to_wire()

    @classmethod
    async def with_root(cls) -> Self:
        self = await cls.start()
        self.add("", "NS", "a.root.test.")
        return self


async def look(server: FakeDns) -> dict[str, Finding]:
    found = await check_nameserver(Resolver([server.nameserver]))
    return {finding.what: finding for finding in found}


async def test_one_that_does_not_answer_is_a_problem(dns: FakeDns) -> None:
    dns.fails("")
    found = await look(dns)
    assert found.keys() == {"nameserver"}
    assert found["nameserver"].grade is Grade.PROBLEM
    assert "dns.nameservers" in found["nameserver"].advice


async def test_one_that_does_not_validate_is_a_warning(dns: FakeDns) -> None:
    dns.add("", "NS", "a.root.test.")
    found = await look(dns)
    assert found["nameserver"].grade is Grade.OK
    assert found["nameserver says no"].grade is Grade.OK
    assert found["DNSSEC"].grade is Grade.WARNING


async def test_one_that_validates_here_is_well() -> None:
    server = await ValidatingDns.with_root()
    server.fails(BOGUS)
    try:
        found = await look(server)
    finally:
        await server.stop()
    assert {finding.grade for finding in found.values()} == {Grade.OK}
    assert found["DNSSEC"].found == "validated here"


async def test_one_that_passes_what_is_wrongly_signed_is_not_believed() -> None:
    server = await ValidatingDns.with_root()
    server.address(BOGUS, "192.0.2.1")
    try:
        found = await look(server)
    finally:
        await server.stop()
    assert found["DNSSEC"].grade is Grade.WARNING


async def test_one_that_invents_answers_is_a_problem(dns: FakeDns) -> None:
    dns.add("", "NS", "a.root.test.")
    dns.address(NOWHERE, "192.0.2.80")
    finding = (await look(dns))["nameserver says no"]
    assert finding.grade is Grade.PROBLEM
    assert "192.0.2.80" in finding.found


async def test_one_that_fails_where_it_should_say_no_is_a_warning(dns: FakeDns) -> None:
    dns.add("", "NS", "a.root.test.")
    dns.fails(NOWHERE)
    assert (await look(dns))["nameserver says no"].grade is Grade.WARNING


async def test_only_who_asks_for_it_learns_of_validation() -> None:
    server = await ValidatingDns.with_root()
    try:
        resolver = Resolver([server.nameserver])
        assert await resolver.is_validated(".", "NS")
        assert await resolver.nameservers(".") == ("a.root.test",)
        assert len(server.asked) == 2
    finally:
        await server.stop()
