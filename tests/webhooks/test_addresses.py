"""Where webhooks may go: addresses as people and attackers write them."""

from __future__ import annotations

import pytest

from ffsweb.webhooks.addresses import BadAddress, Destination, is_allowed, parse, refusal


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://hooks.example.org", Destination(True, "hooks.example.org", 443, "/")),
        ("https://HOOKS.example.org:8443/a?b=c", Destination(True, "hooks.example.org", 8443, "/a?b=c")),
        ("http://192.0.2.1/x", Destination(False, "192.0.2.1", 80, "/x")),
        ("https://[2001:db8::1]/x", Destination(True, "2001:db8::1", 443, "/x")),
        ("https://bücher.example/", Destination(True, "xn--bcher-kva.example", 443, "/")),
    ],
)
def test_an_address_is_taken_apart(text: str, wanted: Destination) -> None:
    assert parse(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hooks.example.org",
        "ftp://hooks.example.org/",
        "https://",
        "https:///path",
        "https://user:secret@hooks.example.org/",
        "https://hooks.example.org/#part",
        "https://hooks.example.org:0/",
        "https://hooks.example.org:70000/",
        "https://hooks.example.org/a b",
        "https://hooks.example.org/a\r\nHost: other",
        "https://hooks.example.org/ü",
        "https://127.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://a..b/",
        "https://exa mple.org/",
        "https://[::1",
        "https://hooks.example.org/" + "a" * 500,
    ],
)
def test_what_is_no_address_or_hides_another_one_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        parse(text)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
        *("169.254.169.254", "169.254.1.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::", "2001:0:7f00:1::", "none"),
    ],
)
def test_what_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert refusal(address, ())


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_the_public_internet_is_not(address: str) -> None:
    assert refusal(address, ()) == ""


def test_networks_that_are_named_may_be_reached_and_no_others() -> None:
    allowed = ("10.1.0.0/16", "fd00::/8")
    for address in ("10.1.2.3", "fd00::1", "::ffff:10.1.2.3"):
        assert refusal(address, allowed) == "" and is_allowed(address, allowed)
    for address in ("10.2.0.1", "127.0.0.1", "::1", "169.254.169.254"):
        assert refusal(address, allowed) and not is_allowed(address, allowed)
