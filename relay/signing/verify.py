"""Judge the signatures of a message as a receiver would, with dkimpy, against keys that are given."""

from collections.abc import Callable

import dkim

from relay.signing.keys import KeyRing


def verdicts(raw: bytes, keys: KeyRing) -> tuple[str, ...]:
    """One text for each DKIM-Signature of `raw`, such as "rsa-sha256 ours.test: pass".

    Public keys come from `keys` instead of the DNS; a signature of a domain
    that is not there fails.
    """
    found = []
    for index in range(raw.count(b"DKIM-Signature:")):
        judge = dkim.DKIM(raw)
        try:
            passes = judge.verify(idx=index, dnsfunc=_public_keys(keys))
        except dkim.DKIMException:
            passes = False
        algorithm = judge.signature_fields.get(b"a", b"?").decode()
        domain = judge.signature_fields.get(b"d", b"?").decode()
        found.append(f"{algorithm} {domain}: {'pass' if passes else 'fail'}")
    return tuple(found)


def _public_keys(keys: KeyRing) -> Callable[..., bytes | None]:
    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        wanted = name.decode().rstrip(".")
        domain = wanted.partition("._domainkey.")[2]
        records = {key.dns_name: key.dns_record for key in keys.active(domain)}
        return records[wanted].encode() if wanted in records else None

    return look_up
