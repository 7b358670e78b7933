"""What ingest asks a broker for, as packets."""

from __future__ import annotations

from dataclasses import dataclass

from data.topics import PREFIX, Up
from ingest import mqtt_packets as packets

#: The broker keeps our session, and what it queued, as long as vehicles keep their messages.
SESSION_EXPIRY_S = 7 * 86_400
KEEPALIVE_S = 30
STATUS_FILTER = f"{PREFIX}/+/+/up/{Up.STATUS}"
_SUBSCRIBE_ID, _UNSUBSCRIBE_ID = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A session at the broker and the messages that are to come in it."""

    client_id: str  #: the broker keeps the session under it
    share: str  #: group of the shared subscription (MQTT 5); empty: a plain one
    filters: tuple[str, ...]  #: on MQTT 5 each within the group
    window: int  #: messages that may be unacknowledged
    user: str | None
    password: str | None
    is_draining: bool  #: unsubscribe instead, and take what the session still holds

    def is_shared(self, *, is_v5: bool) -> bool:
        """Tell whether several processes share the messages."""
        return bool(self.share) and is_v5

    def connect(self, *, is_v5: bool, is_clean: bool) -> bytes:
        """Return the packet that opens the session, or ends it with a clean start."""
        return packets.encode_connect(
            self.client_id,
            is_v5=is_v5,
            keepalive_s=KEEPALIVE_S,
            user=self.user,
            password=self.password,
            is_clean=is_clean,
            session_expiry_s=0 if is_clean else SESSION_EXPIRY_S,
            receive_maximum=self.window,
        )

    def begin(self, *, is_v5: bool) -> bytes:
        """Return the packet that asks for the messages, or for no more of them.

        A shared subscription is never given retained messages: states of vehicles are asked for beside it.
        """
        if self.is_shared(is_v5=is_v5):
            filters = [f"$share/{self.share}/{f}" for f in self.filters] + [STATUS_FILTER]
        else:
            filters = list(self.filters)
        if self.is_draining:
            return packets.encode_unsubscribe(_UNSUBSCRIBE_ID, filters, is_v5=is_v5)
        return packets.encode_subscribe(_SUBSCRIBE_ID, filters, is_v5=is_v5)

    def end_of_retained(self, *, is_v5: bool) -> bytes:
        """Return the packet that ends asking for retained states; empty where that was never done."""
        if not self.is_shared(is_v5=is_v5) or self.is_draining:
            return b""
        return packets.encode_unsubscribe(_UNSUBSCRIBE_ID, [STATUS_FILTER], is_v5=is_v5)
