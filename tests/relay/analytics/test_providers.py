"""Large providers are known by their domains in every country; who only sounds like one is somebody else."""

import pytest

from relay.analytics.providers import PROVIDERS, provider_of


@pytest.mark.parametrize(
    ("address", "provider"),
    [
        ("ann@gmail.com", "gmail"),
        ("ann@GoogleMail.com", "gmail"),
        ("ann@yahoo.co.jp", "yahoo"),
        ("ann@yahoo.fr", "yahoo"),
        ("ann@outlook.com.br", "outlook"),
        ("ann@hotmail.co.uk", "outlook"),
        ("ann@me.com", "icloud"),
        ('"a@b"@web.de', "gmx"),
        ("ann@yahoo.example.com", "other"),
        ("ann@live.evil.de", "other"),
        ("ann@outlook", "other"),
        ("ann@mygmail.com", "other"),
        ("ann@[192.0.2.1]", "other"),
        ("ann", "other"),
    ],
)
def test_a_recipient_belongs_to_its_provider(address: str, provider: str) -> None:
    assert provider_of(address) == provider
    assert provider in PROVIDERS
