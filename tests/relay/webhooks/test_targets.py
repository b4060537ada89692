"""Nobody can point us at our own network, however the address is spelled or wrapped."""

import ipaddress

import pytest

from relay.errors import InvalidInput
from relay.webhooks.targets import check_literal, is_allowed, is_public, read_url

# What is wrong can be said without asking the DNS.
REFUSED = """
http://127.0.0.1/
http://127.1/
http://127.0.1/
http://0/
http://0.0.0.0/
http://2130706433/
http://017700000001/
http://0177.0.0.1/
http://0177.0.0.01/
http://0x7f000001/
http://0x7f.0.0.1/
http://0x7f.1/
http://0X7F.0.0.1/
http://127.0.0.1./
http://127.0.0.0x1/
http://256.256.256.256/
http://1.2.3.4.5/
http://127.0.0.1:8025/v1/keys
http://127.255.255.254/
http://10.0.0.1/
http://172.16.0.1/
http://172.31.255.255/
http://192.168.1.1/
http://100.64.0.1/
http://100.100.100.200/
http://169.254.169.254/latest/meta-data/
http://192.0.0.8/
http://192.0.0.192/
http://192.0.2.1/
http://192.88.99.1/
http://198.18.0.1/
http://198.51.100.7/
http://203.0.113.7/
http://224.0.0.1/
http://239.255.255.250/
http://240.0.0.1/
http://255.255.255.255/
http://168.63.129.16/
http://[::]/
http://[::1]/
http://[0:0:0:0:0:0:0:1]/
http://[::127.0.0.1]/
http://[::8.8.8.8]/
http://[::ffff:127.0.0.1]/
http://[::ffff:7f00:1]/
http://[::ffff:10.0.0.1]/
http://[::ffff:0:127.0.0.1]/
http://[64:ff9b::127.0.0.1]/
http://[64:ff9b::a9fe:a9fe]/
http://[64:ff9b:1::1]/
http://[64:ff9b:1::8.8.8.8]/
http://[2002:7f00:1::]/
http://[2002:a9fe:a9fe::1]/
http://[2001:0:7f00:1::]/
http://[2001:0:808:808::f7f7:f7f7]/
http://[2001:db8::1]/
http://[3fff::1]/
http://[5f00::1]/
http://[100::1]/
http://[fc00::1]/
http://[fd00:ec2::254]/
http://[fe80::1]/
http://[fe80::1%25eth0]/
http://[fe80::1%eth0]/
http://[fec0::1]/
http://[ff02::1]/
http://[ff0e::1]/
http://[::1
http://[::1]x/
http://[::1]:port/
http://[127.0.0.1]/
http://localhost/
http://LOCALHOST/
http://localhost./
http://sub.localhost/
http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/
http://１２７.0.0.1/
http://127。0。0。1/
https://user@hooks.example/
https://user:password@hooks.example/
https://@hooks.example/
https://hooks.example@127.0.0.1/
https://hooks.example:443@127.0.0.1/
https://127.0.0.1\\@hooks.example/
https://hooks.example\\.evil.example/
https://hooks.example%2f@127.0.0.1/
https://%31%32%37.0.0.1/
https://hooks.example%00/
https://hooks.example#@127.0.0.1/
https://hooks.example/#fragment
https:///path
https:/hooks.example/
https:hooks.example
//hooks.example/
hooks.example/hook
ftp://hooks.example/
file:///etc/passwd
gopher://hooks.example/
javascript:alert(1)
unix:///run/posthouse.sock
https://hooks.example:22/
https://hooks.example:25/
https://hooks.example:587/
http://hooks.example:6379/
http://hooks.example:5432/
http://hooks.example:11211/
http://hooks.example:0/
http://hooks.example:65536/
http://hooks.example:-1/
http://hooks.example:+80/
http://hooks.example:8_0/
http://hooks.example:８０/
http://hooks..example/
http://-hooks.example/
http://hooks .example/
http://hooks.example/a b
http://hooks.example/grüße
""".strip().splitlines()


@pytest.mark.parametrize(
    "url", [*REFUSED, "", "http://a\r\nHost: b/", "http://a/\tb", "https://h.example/\0"]
)
def test_a_url_that_leads_home_or_astray_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        check_literal(read_url(url), allow_private_networks=False)


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len(set(REFUSED)) >= 100


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://hooks.example", "hooks.example", 443, "/", "hooks.example"),
        ("https://Hooks.EXAMPLE./a?b=c", "hooks.example", 443, "/a?b=c", "hooks.example"),
        ("http://hooks.example:8080/a", "hooks.example", 8080, "/a", "hooks.example:8080"),
        ("https://hooks.example:443/", "hooks.example", 443, "/", "hooks.example"),
        ("https://bücher.example/x", "xn--bcher-kva.example", 443, "/x", "xn--bcher-kva.example"),
        ("https://8.8.8.8/x", "8.8.8.8", 443, "/x", "8.8.8.8"),
        ("https://[2606:4700::1111]:8443/", "2606:4700::1111", 8443, "/", "[2606:4700::1111]:8443"),
        ("https://hooks.example?token=@x", "hooks.example", 443, "/?token=@x", "hooks.example"),
        (
            "HTTPS://hooks.example/%C3%BC;a=(1)!$'*",
            "hooks.example",
            443,
            "/%C3%BC;a=(1)!$'*",
            "hooks.example",
        ),
    ],
)
def test_an_ordinary_url_is_taken_apart(url: str, host: str, port: int, path: str, authority: str) -> None:
    target = read_url(url)
    check_literal(target, allow_private_networks=False)
    assert (target.host, target.port, target.path, target.authority) == (host, port, path, authority)


def test_a_url_has_a_longest_length() -> None:
    with pytest.raises(InvalidInput, match="2048"):
        read_url("https://hooks.example/" + "a" * 2048)


@pytest.mark.parametrize(
    "ip",
    ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"],
)
def test_an_address_is_as_public_as_what_it_carries(ip: str) -> None:
    assert is_public(ipaddress.ip_address(ip))


@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.1", "::1", "fd00::1", "::ffff:192.168.0.1"])
def test_private_networks_can_be_allowed(ip: str) -> None:
    assert is_allowed(ipaddress.ip_address(ip), allow_private_networks=True)
    assert not is_allowed(ipaddress.ip_address(ip), allow_private_networks=False)


@pytest.mark.parametrize("ip", ["169.254.169.254", "fe80::1", "::ffff:169.254.1.1", "168.63.129.16"])
def test_what_only_the_machines_provider_answers_is_never_allowed(ip: str) -> None:
    assert not is_allowed(ipaddress.ip_address(ip), allow_private_networks=True)


@pytest.mark.parametrize("ip", ["0.0.0.0", "255.255.255.255", "224.0.0.1", "::", "ff02::1", "::ffff:0.0.0.0"])
def test_what_is_no_single_host_is_never_allowed(ip: str) -> None:
    assert not is_allowed(ipaddress.ip_address(ip), allow_private_networks=True)
