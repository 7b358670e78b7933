"""Mail, gateways and webhooks, each against a real server on this machine."""

import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from alerts.errors import AddressRefused, DeliveryError, PolicyError
from alerts.telling.ack_link import AckLinks
from alerts.telling.gateways import AppriseSender, gateway_url, load_gateways
from alerts.telling.mail import MailSender
from alerts.telling.outbox_store import Delivery
from alerts.telling.signing import HEADER, verify
from alerts.telling.webhook import WebhookSender
from tests.integration.mail_server import Mailbox, running_mail
from tests.integration.webhook_server import running

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
LINKS = AckLinks(key=b"k", base_url="https://anxin.example")


def make_delivery(**overrides: Any) -> Delivery:
    facts: dict[str, Any] = {
        "delivery_id": 7,
        "channel": "email",
        "address": "li@example.com",
        "audience": "owner",
        "attempts": 0,
        "created_at": NOW,
        "is_known": True,
        "severity": "S1",
        "locale": "zh",
        "warning_id": UUID(int=5),
        "warned_at": NOW,
        "title_en": "Your rear-left tyre is losing air fast",
        "title_zh": "您的左后轮胎正在快速漏气",
        "body_en": "Stop as soon as it is safe.",
        "body_zh": "请尽快安全停车。",
        "order_id": 3,
        "vin": "LAX00000000000001",
        "plate": "沪A12345",
        "secret": "key",
    }
    return Delivery(**{**facts, **overrides})


# ------------------------------------------------------------ webhooks


def make_webhook(**overrides: Any) -> WebhookSender:
    facts: dict[str, Any] = {
        "base_url": "https://anxin.example",
        "timeout_s": 1.0,
        "allow_loopback": True,
        "allow_private": False,
        "clock": lambda: NOW,
    }
    return WebhookSender(**{**facts, **overrides})


def test_a_webhook_gets_a_signed_warning_that_its_receiver_can_verify() -> None:
    with running() as server:
        answer = make_webhook().send(make_delivery(channel="webhook", address=server.url))

    ((headers, body),) = server.heard
    assert answer == "HTTP 200"
    assert verify("key", headers[HEADER], body, now=NOW + timedelta(minutes=1)) == NOW
    (told,) = server.bodies()
    assert (told["message_id"], told["severity"], told["title"]["en"]) == (
        str(UUID(int=5)),
        "S1",
        "Your rear-left tyre is losing air fast",
    )
    assert headers["Anxin-Message-Id"] == told["warning_id"]


@pytest.mark.parametrize(("status", "is_final"), [(302, False), (400, False), (500, False), (410, True)])
def test_anything_but_2xx_is_no_delivery_and_redirects_are_not_followed(status: int, is_final: bool) -> None:
    with running(status=status) as server, pytest.raises(DeliveryError, match=f"HTTP {status}") as refused:
        make_webhook().send(make_delivery(channel="webhook", address=server.url))

    assert refused.value.is_final is is_final
    assert len(server.heard) == 1


def test_a_server_that_sends_a_byte_now_and_then_is_cut_off_in_time() -> None:
    with running(drip_s=0.05) as server:
        begun = time.monotonic()
        with pytest.raises(DeliveryError):
            make_webhook(timeout_s=0.5).send(make_delivery(channel="webhook", address=server.url))
        took_s = time.monotonic() - begun

    assert took_s < 30, "a byte each 0.05 s would go on for ever"


def test_a_server_that_is_away_is_an_error_to_try_again_after() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/"
    with pytest.raises(DeliveryError) as refused:
        make_webhook().send(make_delivery(channel="webhook", address=url))

    assert not refused.value.is_final


@pytest.mark.parametrize(("audience", "address"), [("owner", "10.0.0.5"), ("station", "169.254.169.254")])
def test_an_address_within_the_operators_network_is_not_called_for_an_owner(
    audience: str, address: str
) -> None:
    sender = make_webhook(allow_private=True, resolve=lambda _host, _port: [address])

    with pytest.raises(AddressRefused, match="not public"):
        sender.send(make_delivery(channel="webhook", address="https://dms.example/", audience=audience))


# ------------------------------------------------------------ mail


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_mail() as running_mailbox:
        yield running_mailbox


@pytest.fixture
def mail(mailbox: Mailbox) -> MailSender:
    return MailSender(
        url=mailbox.url,
        sender="Anxin <anxin@anxin.example>",
        base_url="https://anxin.example",
        timeout_s=5.0,
        links=LINKS,
        asks_for=frozenset({"S0", "S1", "S2"}),
    )


def test_a_letter_says_what_the_push_says_with_a_way_to_answer(mail: MailSender, mailbox: Mailbox) -> None:
    mail.send(make_delivery())
    mail.send(make_delivery())

    first, again = mailbox.letters
    assert first["subject"] == "您的左后轮胎正在快速漏气"
    assert first["to"] == "li@example.com"
    assert first.get_content().split() == [
        "请尽快安全停车。",
        "查看并答复：https://anxin.example/owner?order=3",
        f"我已知悉：{LINKS.url_of(UUID(int=5), NOW)}",
    ]
    assert first["message-id"] == again["message-id"] == f"<{UUID(int=5)}.7@anxin.example>"


def test_only_the_owners_letter_about_what_goes_on_until_a_person_knows_has_a_link_to_say_so(
    mail: MailSender, mailbox: Mailbox
) -> None:
    mail.send(make_delivery(severity="S3"))
    mail.send(make_delivery(audience="emergency"))

    assert all("/seen/" not in letter.get_content() for letter in mailbox.letters)


def test_the_emergency_contact_is_told_why_they_hear_of_it(mail: MailSender, mailbox: Mailbox) -> None:
    mail.send(make_delivery(audience="emergency", locale="en"))

    assert " ".join(mailbox.letters[0].get_content().split()) == (
        "You are the emergency contact for the car 沪A12345. Its owner has not answered this warning;"
        " please get in touch with them: Stop as soon as it is safe."
    )


def test_a_code_says_nothing_but_itself(mail: MailSender, mailbox: Mailbox) -> None:
    mail.send(make_delivery(warning_id=None, code="123456", locale="en", title_en="", body_en=""))

    assert " ".join(mailbox.letters[0].get_content().split()) == (
        "Your code is 123456. It is valid for 15 minutes."
    )


@pytest.mark.parametrize(
    ("answer", "is_final"), [("550 no such mailbox", True), ("451 try again later", False)]
)
def test_a_refusal_for_good_is_told_from_one_for_now(
    mail: MailSender, mailbox: Mailbox, answer: str, is_final: bool
) -> None:
    mailbox.refusal = answer

    with pytest.raises(DeliveryError, match=answer[4:]) as refused:
        mail.send(make_delivery())

    assert refused.value.is_final is is_final


def test_a_mail_server_that_is_away_is_an_error_to_try_again_after() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    sender = MailSender(
        url=f"smtp://127.0.0.1:{port}",
        sender="a@b.example",
        base_url="",
        timeout_s=1.0,
        links=LINKS,
        asks_for=frozenset(),
    )

    with pytest.raises(DeliveryError) as refused:
        sender.send(make_delivery())

    assert not refused.value.is_final


# ------------------------------------------------------------ gateways


def write_gateways(tmp_path: Path, url: str) -> str:
    path = tmp_path / "gateways.toml"
    path.write_text(f"[sms]\nurl = \"{url}\"\npattern = '\\+[1-9][0-9]{{7,14}}'\n")
    return str(path)


#: What apprise imports on the oldest Python.
OLD_IMPORTS = pytest.mark.filterwarnings("ignore:'(imghdr|cgi|telnetlib)' is deprecated:DeprecationWarning")


@OLD_IMPORTS
def test_a_gateway_is_reached_through_apprise(tmp_path: Path) -> None:
    pytest.importorskip("apprise")
    with running() as server:
        path = write_gateways(tmp_path, server.url.replace("http://", "json://") + "?to={address}")
        sender = AppriseSender(gateways=load_gateways(path), base_url="https://anxin.example", timeout_s=5.0)
        sender.send(make_delivery(channel="apprise", address="sms:+8613800000000"))

    (told,) = server.bodies()
    assert told["title"] == "您的左后轮胎正在快速漏气"
    assert "请尽快安全停车。" in told["message"]


@OLD_IMPORTS
def test_a_gateway_that_is_away_is_an_error_to_try_again_after(tmp_path: Path) -> None:
    pytest.importorskip("apprise")
    path = write_gateways(tmp_path, "json://127.0.0.1:9/?to={address}")
    sender = AppriseSender(gateways=load_gateways(path), base_url="", timeout_s=5.0)

    with pytest.raises(DeliveryError) as refused:
        sender.send(make_delivery(channel="apprise", address="sms:+8613800000000"))

    assert not refused.value.is_final


@pytest.mark.parametrize("address", ["sms:localhost", "sms:+86138/../", "wechat:+8613800000000", "sms"])
def test_an_owner_gives_a_number_and_never_a_server(tmp_path: Path, address: str) -> None:
    gateways = load_gateways(write_gateways(tmp_path, "json://127.0.0.1/{address}"))

    with pytest.raises(AddressRefused, match="gateway"):
        gateway_url(gateways, address)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[sms]\nurl = 'json://x'\npattern = '.'", "address"),
        ("[sms]\nurl = 'json://x/{address}'", "url and pattern"),
        ("[SMS]\nurl = 'json://x/{address}'\npattern = '.'", "SMS"),
        ("[sms]\nurl = 'json://x/{address}'\npattern = '('", "pattern"),
        ("sms", "gateways.toml"),
    ],
)
def test_a_file_of_gateways_that_breaks_a_rule_is_refused_by_name(
    tmp_path: Path, text: str, named: str
) -> None:
    path = tmp_path / "gateways.toml"
    path.write_text(text)

    with pytest.raises(PolicyError, match=named):
        load_gateways(str(path))
