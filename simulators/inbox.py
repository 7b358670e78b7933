"""What the server tells a vehicle: messages to send again, readings to tell, warnings to show. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from data import topics
from simulators.encode import event_payload
from simulators.errors import DownError
from simulators.outbox import Outbox

#: Messages a vehicle remembers to send again.
MOST_REPEATS = 50_000


def read_down(outbox: Outbox, topic: str, payload: bytes, *, now_ms: int) -> Mapping[str, Any] | None:
    """Act on one downward message.

    A request for messages queues repeats; one for readings queues their answer, once and until it expires; a
    warning seen for the first time queues its receipt.

    Returns:
        The warning when it is new, else None.

    Raises:
        DownError: The payload is not of the contract.
    """
    try:
        body = json.loads(payload)
        if topic.endswith(f"/{topics.Down.RESEND}"):
            boot = str(body["boot"])
            for first, last in [(int(a), int(b)) for a, b in body["ranges"]]:
                outbox.ask(boot, first, last, limit=MOST_REPEATS)
            return None
        if topic.endswith(f"/{topics.Down.READ}"):
            _answer(outbox, str(body["id"]), [str(s) for s in body["s"]], int(body["until"]), now_ms)
            return None
        if not topic.endswith(f"/{topics.Down.WARNING}"):
            return None
        warning_id = str(body["warning_id"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DownError(f"{topic.rsplit('/', 1)[-1]}: {type(error).__name__} {str(error)[:100]}") from error
    if warning_id in outbox.seen_warnings:
        return None
    outbox.seen_warnings.add(warning_id)
    receipt = partial(event_payload, time_ms=now_ms, kind="warning_receipt", data={"warning_id": warning_id})
    outbox.add(topics.Up.EVENT, receipt, sent_ms=now_ms, is_hist=False)
    seen: Mapping[str, Any] = body
    return seen


def _answer(outbox: Outbox, request_id: str, signals: Sequence[str], until_ms: int, now_ms: int) -> None:
    if request_id in outbox.answered or now_ms > until_ms:
        return
    outbox.answered.add(request_id)
    newest = {alias: outbox.newest[alias] for alias in signals if alias in outbox.newest}
    told = {alias: {"t": reading.time_ms, "v": reading.value} for alias, reading in newest.items()}
    answer = partial(event_payload, time_ms=now_ms, kind="answer", data={"code": request_id, "s": told})
    outbox.add(topics.Up.EVENT, answer, sent_ms=now_ms, is_hist=False)
