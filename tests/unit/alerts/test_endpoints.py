import pytest

from alerts.errors import AddressRefused, DeliveryError
from alerts.telling.endpoints import check_endpoint
from alerts.telling.notify import LONGEST_PAUSE, pause_after


def check(url: str, *addresses: str, allow_loopback: bool = False) -> None:
    check_endpoint(url, allow_loopback=allow_loopback, resolve=lambda _host, _port: addresses)


def test_a_public_https_endpoint_is_fine() -> None:
    check("https://push.example.com/abc", "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.9", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104 - refused
     "::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "224.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::1",
     "::127.0.0.1"],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused, match="not public"):
        check("https://push.example.com/abc", address)


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(AddressRefused):
        check("https://push.example.com/abc", "93.184.216.34", "10.0.0.1")


@pytest.mark.parametrize(
    "url",
    ["http://push.example.com/abc", "ftp://push.example.com/", "https://u:p@push.example.com/", "https:///abc",
     "https://push.example.com:99999/", "nonsense"],
)  # fmt: skip
def test_anything_but_plain_https_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check(url, "93.184.216.34")


def test_loopback_is_for_the_demo_and_nothing_else_private_comes_with_it() -> None:
    check("http://127.0.0.1:9/abc", "127.0.0.1", allow_loopback=True)
    with pytest.raises(AddressRefused):
        check("http://127.0.0.1:9/abc", "127.0.0.1")
    with pytest.raises(AddressRefused):
        check("https://intranet/abc", "10.0.0.1", allow_loopback=True)
    with pytest.raises(AddressRefused):
        check("https://both/abc", "127.0.0.1", "10.0.0.1", allow_loopback=True)


@pytest.mark.parametrize("host", ["a" * 64 + ".com", "a..b.com", "xn--a.com\u3002" + "b" * 64])
def test_a_host_that_cannot_be_looked_up_is_refused(host: str) -> None:
    with pytest.raises(AddressRefused, match="push endpoint"):
        check_endpoint(f"https://{host}/", allow_loopback=False)


def test_a_host_that_is_not_found_may_be_found_later() -> None:
    with pytest.raises(DeliveryError, match="not found") as caught:
        check_endpoint("https://no-such-host.invalid/", allow_loopback=False)

    assert not isinstance(caught.value, AddressRefused)
    assert not caught.value.is_final


def test_pauses_grow_up_to_an_hour() -> None:
    pauses = [pause_after(n) for n in range(1, 40)]

    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


@pytest.mark.parametrize(
    ("address", "is_taken"),
    [("10.0.0.5", True), ("fd00::5", True), ("127.0.0.1", False), ("169.254.169.254", False)],
)
def test_what_operations_chose_may_lie_in_their_network_but_not_on_this_machine(
    address: str, is_taken: bool
) -> None:
    def check() -> list[str]:
        return check_endpoint(
            "https://dms.example/",
            allow_loopback=False,
            allow_private=True,
            resolve=lambda _host, _port: [address],
        )

    if is_taken:
        assert check() == [address]
        return
    with pytest.raises(AddressRefused, match="not public"):
        check()
