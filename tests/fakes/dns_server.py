"""A real DNS server on loopback that answers what a test tells it to.

    dns = await FakeDns.start()
    dns.mx("example.net", (10, "mx1.example.net"))
    dns.address("mx1.example.net", "192.0.2.1", "2001:db8::1")
    dns.fails("broken.test")              # SERVFAIL
    Resolver([dns.nameserver])

A name that nobody mentioned does not exist (NXDOMAIN). UDP and TCP listen on
the same port. `python -m tests.fakes.dns_server ZONE.json` runs one as a
process: the file maps names to {"MX": ["10 mx.test."], "A": [...]} or to
"servfail" and the like; the nameserver's "ip:port" is the first line printed.
"""

import asyncio
import ipaddress
import json
import sys
from pathlib import Path
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset

_MOODS = {"servfail": dns.rcode.SERVFAIL, "refused": dns.rcode.REFUSED, "nxdomain": dns.rcode.NXDOMAIN}
_LONGEST_CHAIN = 40


class FakeDns:
    """One nameserver. `asked` lists every question as ("example.net", "MX")."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.asked_by_tcp: list[tuple[str, str]] = []
        self.first_question = asyncio.Event()
        self.nameserver = ""
        self._records: dict[str, dict[str, list[str]]] = {}
        self._ttls: dict[str, int] = {}
        self._moods: dict[tuple[str, str | None], str] = {}
        self._truncating: dict[str, bool] = {}
        self._gates: dict[str, asyncio.Event] = {}
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def start(cls, host: str = "127.0.0.1") -> Self:
        self = cls()
        self._tcp = await asyncio.start_server(self._serve_tcp, host, 0)
        port = self._tcp.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), (host, port))
        self.nameserver = f"{host}:{port}"
        return self

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()

    def add(self, name: str, record_type: str, *values: str, ttl: int = 300) -> None:
        """Records in zone-file text; names in it end with a dot. No values: the name exists, empty."""
        types = self._records.setdefault(_key(name), {})
        types.setdefault(record_type, []).extend(values)
        self._ttls[_key(name)] = ttl

    def mx(self, domain: str, *exchangers: tuple[int, str]) -> None:
        self.add(domain, "MX", *(f"{preference} {host.rstrip('.')}." for preference, host in exchangers))

    def null_mx(self, domain: str) -> None:
        self.add(domain, "MX", "0 .")

    def address(self, host: str, *ips: str) -> None:
        for ip in ips:
            self.add(host, "AAAA" if ":" in ip else "A", ip)

    def txt(self, name: str, *texts: str) -> None:
        for text in texts:
            pieces = [text[start : start + 255] for start in range(0, len(text), 255)] or [""]
            self.add(name, "TXT", " ".join(json.dumps(piece) for piece in pieces))

    def cname(self, name: str, target: str) -> None:
        self.add(name, "CNAME", f"{target.rstrip('.')}.")

    def ptr(self, ip: str, *names: str) -> None:
        reverse = dns.reversename.from_address(str(ipaddress.ip_address(ip))).to_text()
        self.add(reverse, "PTR", *(f"{name.rstrip('.')}." for name in names))

    def exists(self, name: str) -> None:
        """The name is there, without any record."""
        self.add(name, "TYPE65400")

    def forget(self, name: str) -> None:
        """As if nobody had mentioned the name."""
        self._records.pop(_key(name), None)
        self._truncating.pop(_key(name), None)
        self._moods = {key: mood for key, mood in self._moods.items() if key[0] != _key(name)}

    def fails(self, name: str, record_type: str | None = None) -> None:
        """SERVFAIL, for one type or for all."""
        self._moods[_key(name), record_type] = "servfail"

    def refuses(self, name: str, record_type: str | None = None) -> None:
        self._moods[_key(name), record_type] = "refused"

    def stays_silent(self, name: str, record_type: str | None = None) -> None:
        self._moods[_key(name), record_type] = "silent"

    def is_lame(self, name: str, record_type: str | None = None) -> None:
        """Answers with a referral, as a server that does not serve the zone."""
        self._moods[_key(name), record_type] = "lame"

    def is_truncated(self, name: str, *, tcp_works: bool = True) -> None:
        """UDP answers have TC set and no records; TCP gives them, or hangs up."""
        self._truncating[_key(name)] = tcp_works

    def waits(self, name: str) -> asyncio.Event:
        """Answers about this name come only after the returned event is set."""
        return self._gates.setdefault(_key(name), asyncio.Event())

    def load(self, path: Path) -> None:
        for name, entry in json.loads(path.read_text()).items():
            if isinstance(entry, str):
                self._moods[_key(name), None] = entry
                continue
            for record_type, values in entry.items():
                self.add(name, record_type, *values)

    async def respond(self, wire: bytes, *, tcp: bool) -> bytes | None:
        """The answer's bytes, or None for silence."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        question = query.question[0]
        name, record_type = _key(question.name.to_text()), dns.rdatatype.to_text(question.rdtype)
        (self.asked_by_tcp if tcp else self.asked).append((name, record_type))
        self.first_question.set()
        if gate := self._gates.get(name):
            await gate.wait()
        if name in self._truncating and not self._truncating[name] and tcp:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if name in self._truncating and not tcp:
            response.flags |= dns.flags.TC
            return response.to_wire()
        mood = self._moods.get((name, record_type)) or self._moods.get((name, None))
        if mood == "silent":
            return None
        if mood == "lame":
            response.flags &= ~dns.flags.RA
            response.authority.append(_rrset(f"{name}.", 60, "NS", ["ns.elsewhere.test."]))
        elif mood:
            response.set_rcode(_MOODS[mood])
        else:
            self._fill(response, name, record_type)
        limit = 65535 if tcp else max(query.payload, 512)
        return response.to_wire(max_size=limit, prefer_truncation=True)

    def _fill(self, response: dns.message.Message, name: str, record_type: str) -> None:
        for _ in range(_LONGEST_CHAIN):
            types = self._records.get(name)
            if types is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                break
            ttl = self._ttls[name]
            if "CNAME" in types and record_type != "CNAME":
                response.answer.append(_rrset(f"{name}.", ttl, "CNAME", types["CNAME"]))
                name = _key(types["CNAME"][0])
                continue
            if types.get(record_type):
                response.answer.append(_rrset(f"{name}.", ttl, record_type, types[record_type]))
                return
            break
        soa = "ns.invalid. hostmaster.invalid. 1 3600 600 86400 3600"
        response.authority.append(_rrset("test.", 3600, "SOA", [soa]))

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                answer = await self.respond(await reader.readexactly(length), tcp=True)
                if answer is None:
                    break
                writer.write(len(answer).to_bytes(2, "big") + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self._tasks.discard(task)
            writer.close()

    def answer_datagram(self, wire: bytes, address: tuple[str, int]) -> None:
        async def answer() -> None:
            response = await self.respond(wire, tcp=False)
            if response is not None and self._udp is not None:
                self._udp.sendto(response, address)

        task = asyncio.create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: FakeDns) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.answer_datagram(data, addr)


def _key(name: str) -> str:
    return name.lower().rstrip(".")


def _rrset(name: str, ttl: int, record_type: str, values: list[str]) -> dns.rrset.RRset:
    return dns.rrset.from_text(name, ttl, dns.rdataclass.IN, record_type, *values)


async def _main(zone: Path) -> None:
    server = await FakeDns.start()
    server.load(zone)
    sys.stdout.write(f"{server.nameserver}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
