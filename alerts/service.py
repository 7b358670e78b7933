"""The two services of alerts: route decides, notify tells."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg
import structlog

from alerts.alarm_router import follow_events, retry_events
from alerts.desk import terms_of
from alerts.ending import end_repaired
from alerts.errors import AlertError
from alerts.listening import listen
from alerts.orders.assigner import assign_batches
from alerts.orders.concerns import watch_orders
from alerts.orders.replanning import make_room, replan_upset, replan_waiting
from alerts.orders.visits import offer_with_visits
from alerts.router import Routed, route_waiting
from alerts.rules import load_policy
from alerts.setbacks import Setbacks
from alerts.telling.ack_link import PURPOSE, AckLinks
from alerts.telling.gateways import AppriseSender, load_gateways
from alerts.telling.mail import MailSender
from alerts.telling.notify import Sender, deliver_next, take_receipts, take_step
from alerts.telling.outbox_store import OutboxStore
from alerts.telling.vehicle_link import VehicleLink
from alerts.telling.warning_store import WarningStore
from alerts.telling.webhook import WebhookSender
from alerts.telling.webpush import PushSender
from alerts.wakeup import Wakeup
from alerts.work.succession import follow_owners
from alerts.work.supplied import go_on_supplied
from data.db import CHANNEL_BATCHES, CHANNEL_OUTBOX, CHANNEL_PREDICTIONS, Pool, open_pool, transaction
from data.errors import DatabaseAway, DatabaseError
from data.exposition import Exposition, Vitals
from data.heartbeat import Heartbeat
from data.keys import load_push_keys
from data.settings import Settings

_log = structlog.get_logger("alerts")
_REPLAN_EVERY_S = 20.0
_LISTEN_EVERY_S = 300.0
_IDLE_S = 5.0
_LONGEST_BACK_OFF_S = 10.0
#: Batches come by the dozen; what a few of them bring is taken together.
_GATHER_S = 0.1
#: Push services are slow one by one; more than one is asked at a time.
_PUSH_SENDERS = 2
#: Webhooks that are slow hold one each; those beyond wait for the next free one.
_WEBHOOK_SENDERS = 3


def run_route(settings: Settings, *, stop: threading.Event) -> None:
    """Turn predictions and alarms into alerts and orders until ``stop`` is set.

    Survives a database that goes away. Any number may run; each vehicle is decided by one at a time.
    """
    terms = terms_of(settings)
    wakeup = Wakeup(settings.database_url, (CHANNEL_PREDICTIONS, CHANNEL_BATCHES), name="anxin-route")
    replanned_at = listened_at = _now()
    setbacks = Setbacks()

    def work(pool: Pool) -> None:
        nonlocal replanned_at, listened_at
        looked_at = time.monotonic()
        done = follow_events(pool, terms, now=_now())
        routed = route_waiting(pool, terms, now=_now(), setbacks=setbacks)
        assign_batches(pool, terms, now=_now(), is_due=not routed.predictions)
        done += routed
        if (_now() - replanned_at).total_seconds() >= _REPLAN_EVERY_S:
            replanned_at = _now()
            end_repaired(pool, now=replanned_at)
            done += retry_events(pool, terms, now=replanned_at)
            placed = replan_waiting(pool, terms, now=replanned_at)
            placed += go_on_supplied(pool, terms, now=replanned_at)
            moved = replan_upset(pool, terms, now=replanned_at) + make_room(pool, terms, now=replanned_at)
            moved += follow_owners(pool, terms, now=replanned_at)
            if looked_at_visits := offer_with_visits(pool, terms, now=replanned_at):
                _log.info("findings offered with visits", action="visits", visits=looked_at_visits)
            if placed or moved:
                _log.info("planned anew", action="replan", placed=placed, moved=moved)
            watched = watch_orders(pool, terms.policy, now=replanned_at)
            if watched.raised:
                _log.warning("orders need a person", action="concerns", raised=watched.raised)
        if (_now() - listened_at).total_seconds() >= _LISTEN_EVERY_S:
            listened_at = _now()
            if changed := listen(pool, now=listened_at):
                _log.info("silent vehicles", action="listen", changed=changed)
        if done != Routed():
            _log.info(
                "routed",
                action="route",
                predictions=done.predictions,
                raised=done.raised,
                orders=done.orders,
                lost=done.lost,
            )
        if not done.predictions:
            wakeup.wait(_IDLE_S, stop)
            stop.wait(_GATHER_S - (time.monotonic() - looked_at))  # who has waited long enough acts at once

    try:
        vitals = Vitals()
        beat = Heartbeat(settings.database_url, "route", is_ready=lambda: vitals.is_ready)
        with Exposition(settings, "route", vitals), beat:
            _keep_working(settings, work, vitals, stop=stop, name="anxin-route")
    finally:
        wakeup.close()


def run_notify(settings: Settings, *, stop: threading.Event) -> None:
    """Deliver warnings and messages to stations, and take vehicles' receipts until ``stop`` is set.

    Survives database, broker and all other services that go away; each channel has threads of its own, so
    that one that is away delays only itself. Any number may run.

    Raises:
        KeysError: The push key file is damaged.
        PolicyError: The file of gateways breaks a rule.
    """
    keys, telling = load_push_keys(settings.home_path), load_policy().telling
    push = PushSender(
        keys=keys,
        subject=settings.push_subject,
        base_url=settings.base_url,
        timeout_s=settings.push_timeout_s,
        allow_loopback=settings.push_allow_loopback,
    )
    webhook = WebhookSender(
        base_url=settings.base_url,
        timeout_s=settings.webhook_timeout_s,
        allow_loopback=settings.push_allow_loopback,
        allow_private=settings.webhook_allow_private,
        clock=_now,
    )
    gateways = load_gateways(settings.gateways)
    link = VehicleLink(settings.mqtt_url)
    link.start()
    vitals = Vitals(lambda: link.is_connected)
    jobs: list[Callable[[], None]] = [lambda: _deliver(settings, {"mqtt": link}, link, stop, vitals)]
    jobs += [lambda: _deliver(settings, {"webpush": push}, None, stop, vitals)] * _PUSH_SENDERS
    jobs += [
        lambda: _deliver(
            settings, {"webhook": webhook, "station": webhook}, None, stop, vitals, by_address=True
        )
    ] * _WEBHOOK_SENDERS
    if settings.smtp_url:
        mail = MailSender(
            url=settings.smtp_url,
            sender=settings.mail_from,
            base_url=settings.base_url,
            timeout_s=settings.webhook_timeout_s,
            links=AckLinks(key=keys.derive(PURPOSE), base_url=settings.base_url),
            asks_for=frozenset(s for s, rule in telling.escalation.items() if rule.needs_person),
        )
        jobs.append(lambda: _deliver(settings, {"email": mail}, None, stop, vitals))
    if gateways:
        others = AppriseSender(
            gateways=gateways, base_url=settings.base_url, timeout_s=settings.webhook_timeout_s
        )
        jobs.append(lambda: _deliver(settings, {"apprise": others}, None, stop, vitals))
    jobs.append(lambda: _receive(settings, stop, vitals))
    jobs.append(lambda: _go_on(settings, stop, vitals))
    threads = [threading.Thread(target=job, name=f"anxin-notify-{n}") for n, job in enumerate(jobs)]
    beat = Heartbeat(settings.database_url, "notify", is_ready=lambda: vitals.is_ready)
    with Exposition(settings, "notify", vitals), beat:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    link.stop()


def _deliver(
    settings: Settings,
    senders: dict[str, Sender],
    link: VehicleLink | None,
    stop: threading.Event,
    vitals: Vitals,
    *,
    by_address: bool = False,
) -> None:
    wakeup = Wakeup(settings.database_url, (CHANNEL_OUTBOX,), name="anxin-notify")

    def work(pool: Pool) -> None:
        if link is not None and not link.is_connected:
            stop.wait(0.2)
            return
        outcome = deliver_next(pool, senders, now=_now(), by_address=by_address)
        if outcome is not None:
            _log.info("delivered", action="deliver", channel=next(iter(senders)), outcome=outcome)
            return
        with transaction(pool) as connection:
            pause_s = OutboxStore(connection).seconds_to_next(_now(), list(senders))
        wakeup.wait(_IDLE_S if pause_s is None else min(_IDLE_S, max(0.1, pause_s)), stop)

    try:
        _keep_working(settings, work, vitals, stop=stop, name="anxin-notify", size=1)
    finally:
        wakeup.close()


def _go_on(settings: Settings, stop: threading.Event, vitals: Vitals) -> None:
    """Tell the next ones of warnings that nobody has acknowledged, and what quiet hours held back."""
    wakeup = Wakeup(settings.database_url, (CHANNEL_OUTBOX,), name="anxin-notify")

    def work(pool: Pool) -> None:
        if take_step(pool, now=_now()):
            return
        with transaction(pool) as connection:
            pause_s = WarningStore(connection).seconds_to_next(_now())
        wakeup.wait(_IDLE_S if pause_s is None else min(_IDLE_S, max(0.1, pause_s)), stop)

    try:
        _keep_working(settings, work, vitals, stop=stop, name="anxin-notify", size=1)
    finally:
        wakeup.close()


def _receive(settings: Settings, stop: threading.Event, vitals: Vitals) -> None:
    wakeup = Wakeup(settings.database_url, (CHANNEL_BATCHES,), name="anxin-notify")

    def work(pool: Pool) -> None:
        settled = take_receipts(pool, now=_now())
        if settled:
            _log.info("received", action="receipts", deliveries=settled)
        wakeup.wait(_IDLE_S, stop)
        stop.wait(_GATHER_S)

    try:
        _keep_working(settings, work, vitals, stop=stop, name="anxin-notify", size=1)
    finally:
        wakeup.close()


def _keep_working(
    settings: Settings,
    work: Callable[[Pool], None],
    vitals: Vitals,
    *,
    stop: threading.Event,
    name: str,
    size: int | None = None,
) -> None:
    """Repeat a piece of work; where it fails, wait longer each time; say once that the database is away."""
    pool: Pool | None = None
    back_off_s = 0.0
    loop = threading.current_thread().name
    vitals.become(loop, is_well=False)
    try:
        while not stop.is_set():
            vitals.move(loop)
            try:
                if pool is None:
                    pool = open_pool(
                        settings.database_url, size=size or settings.db_pool_size, name=name, timeout_s=5.0
                    )
                    vitals.become(loop, is_well=True)
                work(pool)
                vitals.become(loop, is_well=True)
                if back_off_s:
                    _log.info("going on", action="resume", service=name)
                back_off_s = 0.0
            except (DatabaseError, AlertError, psycopg.errors.IntegrityError) as error:
                if not back_off_s:
                    is_away = isinstance(error, DatabaseAway)
                    _log.warning(
                        "waiting", action="wait", service=name, is_away=is_away, error=str(error)[:300]
                    )
                vitals.become(loop, is_well=False)
                back_off_s = _longer(back_off_s)
                stop.wait(back_off_s)
            except Exception:
                # a thread that ended here would take its channel with it, unseen
                _log.exception("failed", action="wait", service=name)
                vitals.become(loop, is_well=False)
                back_off_s = _longer(back_off_s)
                stop.wait(back_off_s)
    finally:
        if pool is not None:
            pool.close()


def _longer(back_off_s: float) -> float:
    return min(_LONGEST_BACK_OFF_S, max(0.25, back_off_s * 2))


def _now() -> datetime:
    return datetime.now(UTC)
