"""Send by e-mail: SMTP (RFC 5321) to the operator's own server."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from urllib.parse import unquote, urlsplit

from alerts.errors import DeliveryError
from alerts.telling.ack_link import AckLinks
from alerts.telling.endpoints import is_local
from alerts.telling.messages import message_of
from alerts.telling.outbox_store import Delivery

_MORE = {"en": "See and answer: ", "zh": "查看并答复："}
_SEEN = {"en": "I have read this: ", "zh": "我已知悉："}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSender:
    """Hands messages to one SMTP server; a connection for each, as they are few."""

    url: str  #: ``smtp[s]://user:password@host:port``
    sender: str  #: ``Anxin <service@example.com>``
    base_url: str
    timeout_s: float
    links: AckLinks  #: where a person says that they have read it
    asks_for: frozenset[str]  #: classes whose warnings go on until a person says so

    def send(self, delivery: Delivery) -> str:
        """Hand the message to the server.

        Raises:
            DeliveryError: Not taken; final where the server refuses this receiver or message for good (5xx).
        """
        parts = urlsplit(self.url)
        host, is_tls = parts.hostname or "", parts.scheme == "smtps"
        port = parts.port or (465 if is_tls else 587)
        try:
            with self._connect(host, port, is_tls=is_tls) as server:
                if not is_tls and (server.has_extn("starttls") or not is_local(self.url)):
                    server.starttls(context=ssl.create_default_context())
                if parts.username:
                    server.login(unquote(parts.username), unquote(parts.password or ""))
                server.send_message(self._letter(delivery))
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            raise _refusal(code, text) from error
        except smtplib.SMTPAuthenticationError as error:
            raise DeliveryError(f"mail server {host}: it does not take our login") from error
        except smtplib.SMTPResponseException as error:
            raise _refusal(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryError(f"mail server {host}: {type(error).__name__}: {str(error)[:160]}") from error
        return "250"

    def _connect(self, host: str, port: int, *, is_tls: bool) -> smtplib.SMTP:
        if is_tls:
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(host, port, timeout=self.timeout_s, context=context)
        return smtplib.SMTP(host, port, timeout=self.timeout_s)

    def _letter(self, delivery: Delivery) -> EmailMessage:
        """Return the letter; its id stays the same, so that mailboxes can collapse repeats."""
        message = message_of(delivery, self.base_url)
        domain = parseaddr(self.sender)[1].rpartition("@")[2] or "localhost"
        about = delivery.warning_id or f"delivery-{delivery.delivery_id}"
        letter = EmailMessage()
        letter["From"] = self.sender
        letter["To"] = delivery.address
        letter["Subject"] = message.title
        letter["Date"] = format_datetime(delivery.created_at)
        letter["Message-ID"] = f"<{about}.{delivery.delivery_id}@{domain}>"
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notices in return
        if delivery.severity in ("S0", "S1"):
            letter["Importance"] = "high"
        lines = [message.body]
        if message.url:
            lines += ["", _MORE[delivery.locale] + message.url, *self._acknowledgement(delivery)]
        letter.set_content("\n".join(lines) + "\n")
        return letter

    def _acknowledgement(self, delivery: Delivery) -> list[str]:
        """Return the line with the link of the owner's own letter; nobody else can speak for them."""
        is_asked = delivery.audience == "owner" and delivery.severity in self.asks_for
        if not is_asked or delivery.warning_id is None or delivery.warned_at is None:
            return []
        return [_SEEN[delivery.locale] + self.links.url_of(delivery.warning_id, delivery.warned_at)]


def _refusal(code: int, text: bytes | str) -> DeliveryError:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    refused = DeliveryError(f"SMTP {code}: {said[:160]}")
    refused.is_final = 500 <= code < 600
    return refused
