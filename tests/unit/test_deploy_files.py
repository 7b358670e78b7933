"""Files for other people's servers name only what those servers and our services know."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from data.exposition import Exposition, Vitals
from data.installation import EXPOSED
from data.settings import Settings
from ingest.meters import IngestCollector
from ingest.progress import Flush, Progress
from ingest.upkeep import UpkeepCounts

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
#: docs.emqx.com, MQTT, listener and authorization configuration of EMQX 5.
EMQX_KEYS = {
    "mqtt": {
        "shared_subscription_strategy", "max_mqueue_len", "mqueue_store_qos0", "max_inflight",
        "session_expiry_interval", "retry_interval", "max_packet_size", "peer_cert_as_username",
    },
    "listeners.ssl.default": {"bind"},
    "listeners.ssl.default.ssl_options": {
        "cacertfile", "certfile", "keyfile", "verify", "fail_if_no_peer_cert",
    },
    "listeners.tcp.default": {"bind"},
    "authorization": {"no_match", "deny_action"},
}  # fmt: skip
#: The example files of HiveMQ Community Edition.
HIVEMQ_PATHS = {
    "listeners/tcp-listener/port", "listeners/tcp-listener/bind-address", "listeners/tls-tcp-listener/port",
    "listeners/tls-tcp-listener/bind-address", "listeners/tls-tcp-listener/tls/keystore/path",
    "listeners/tls-tcp-listener/tls/keystore/password",
    "listeners/tls-tcp-listener/tls/keystore/private-key-password",
    "listeners/tls-tcp-listener/tls/truststore/path", "listeners/tls-tcp-listener/tls/truststore/password",
    "listeners/tls-tcp-listener/tls/client-authentication-mode", "mqtt/queued-messages/max-queue-size",
    "mqtt/queued-messages/strategy", "mqtt/session-expiry/max-interval", "mqtt/packets/max-packet-size",
    "mqtt/receive-maximum/server-receive-maximum", "mqtt/shared-subscriptions/enabled",
    "mqtt/retained-messages/enabled",
}  # fmt: skip


def collector() -> IngestCollector:
    progress = Progress()
    meters = IngestCollector(
        progress,
        UpkeepCounts(asked_messages=7),
        window_messages=100,
        window_bytes=1000,
        connection=lambda: (1, 0, True),
        is_storing=lambda: True,
    )
    progress.rejects["malformed"] += 2
    progress.count_masked({"speed:range": 3, "can.7AA:unknown_id": 1, "soc:range": 1})
    for n in range(60):
        progress.rows[f"family{n}"] += n
    progress.count_flush(Flush(messages=5, rows=10, payload_bytes=50, seconds=0.02, oldest_wait_s=0.3))
    return meters


def exported() -> str:
    text = Exposition(Settings(), "ingest", Vitals(), (collector(),)).answer("/metrics")[2]
    return text.decode()


def test_every_metric_of_an_alarm_is_exported() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text("utf-8"))["groups"][0]["rules"]
    names = set(re.findall(r"^(\w+)(?:{[^}]*})? ", exported(), re.M))

    assert len(rules) >= 10
    for rule in rules:
        asked = re.findall(r"\banxin_\w+", rule["expr"])
        assert asked or rule["expr"].startswith("up{"), rule["alert"]
        assert set(asked) <= names, rule["alert"]
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in {"page", "ticket"}


def test_prometheus_scrapes_services_that_expose_themselves() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    (job,) = config["scrape_configs"]
    compose = yaml.safe_load((DEPLOY.parent / "compose.yaml").read_text("utf-8"))["services"]

    for target in job["static_configs"][0]["targets"]:
        service, _, port = target.partition(":")
        assert service in EXPOSED
        assert compose[service]["environment"]["ANXIN_METRICS_PORT"] == port
    assert all((DEPLOY / "prometheus" / file).is_file() for file in config["rule_files"])


def test_numbers_are_bounded_whatever_vehicles_send() -> None:
    text = exported()

    assert 'anxin_ingest_masked_total{reason="range"} 4.0' in text
    assert 'anxin_ingest_rejects_total{reason="malformed"} 2.0' in text
    assert "anxin_ingest_repair_asked_messages_total 7.0" in text
    assert "anxin_ingest_flush_seconds_count 1.0" in text
    assert len(re.findall(r"^anxin_ingest_rows_total{", text, re.M)) == 41
    assert 'anxin_ingest_rows_total{family="other"} 190.0' in text
    registry = CollectorRegistry()
    registry.register(collector())
    assert generate_latest(registry)


def test_emqx_is_told_what_it_knows() -> None:
    found: dict[str, set[str]] = {}
    path: list[str] = []
    for line in (DEPLOY / "emqx.conf").read_text("utf-8").splitlines():
        text = line.partition("##")[0].strip()
        if text.endswith("{"):
            path.append(text[:-1].strip())
        elif text == "}":
            path.pop()
        elif text:
            name, equals, value = text.partition(" = ")
            assert equals, line
            assert value, line
            found.setdefault(".".join(path), set()).add(name)

    assert path == []
    assert found == EMQX_KEYS


def test_hivemq_is_told_what_it_knows() -> None:
    def leaves(element: Any, path: tuple[str, ...] = ()) -> set[str]:
        if not len(element):
            assert (element.text or "").strip()
            return {"/".join(path)}
        return set().union(*(leaves(child, (*path, child.tag)) for child in element))

    root = ET.parse(DEPLOY / "hivemq.xml").getroot()  # noqa: S314  # our own file

    assert root.tag == "hivemq"
    assert leaves(root) == HIVEMQ_PATHS


@pytest.mark.parametrize("service", ["ingest", "watch", "score", "route", "notify", "api"])
def test_a_container_is_restarted_for_being_stuck_and_not_for_waiting(service: str) -> None:
    compose = yaml.safe_load((DEPLOY.parent / "compose.yaml").read_text("utf-8"))["services"]

    assert "/health/live" in " ".join(compose[service]["healthcheck"]["test"])
