"""Who has fallen silent, and who is heard again."""

from __future__ import annotations

from datetime import datetime

from alerts.orders.order_store import OrderStore
from alerts.silence import judge
from alerts.silence_store import SilenceStore
from data.db import Pool, transaction


def listen(pool: Pool, *, now: datetime) -> int:
    """Raise and clear the alerts of silent vehicles; return how many changed.

    Of any number of processes one does it. Silence orders nothing and warns no owner: operations are told.
    """
    with transaction(pool) as connection:
        store = SilenceStore(connection)
        if not store.try_lock():
            return 0
        changed = store.end_silence(now)
        for last, known in store.fetch_silent(now):
            silence = judge(last, now)
            if silence is not None and (known is None or silence.severity < known):
                changed += store.raise_silence(last, silence, now)
        orders = OrderStore(connection)
        for alert_id in changed:
            orders.tell_browsers("alert", alert_id)
    return len(changed)
