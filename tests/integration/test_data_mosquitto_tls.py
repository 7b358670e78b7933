"""The shipped Mosquitto configuration lets a vehicle reach its own branch, by certificate, and no other."""

from __future__ import annotations

import datetime as dt
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import product
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from data.broker import ROLES, access_rules, find_mosquitto, hash_password

CONNECT = Path(__file__).resolve().parents[2] / "CONNECT.md"
OWN, OTHER = "demo/LSVAA000000000001", "demo/LSVAA000000000002"


@dataclass(frozen=True)
class Fleet:
    """A running broker and the directory of its certificates."""

    directory: Path
    tls_port: int
    role_port: int


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    program = find_mosquitto()
    if program is None:
        pytest.skip("mosquitto is not installed")
    directory = tmp_path_factory.mktemp("fleet")
    authority = _issue(directory, "ca", "Anxin test authority", None)
    _issue(directory, "server", "localhost", authority)
    _issue(directory, "own", OWN, authority)
    _issue(directory, "stranger", OWN, None)
    (directory / "mosquitto.passwd").write_text(
        "".join(f"{name}:{hash_password('secret')}\n" for name in ("ingest", "alice", "shuttle"))
    )
    rules = resources.files("data").joinpath("mosquitto/mosquitto.acl").read_text("utf-8")
    (added,) = re.findall(r"^```acl\n(.*?)^```$", CONNECT.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (directory / "mosquitto.acl").write_text(f"{rules}\n{added}")
    tls_port, role_port = _free_port(), _free_port()
    text = resources.files("data").joinpath("mosquitto/mosquitto.conf").read_text("utf-8")
    for shipped, here in (
        ("/mosquitto/data/", f"{directory}/"),
        ("/mosquitto/secrets/", f"{directory}/"),
        ("/mosquitto/config/mosquitto.acl", f"{directory}/mosquitto.acl"),
        ("listener 8883", f"listener {tls_port} 127.0.0.1"),
        ("listener 1883", f"listener {role_port} 127.0.0.1"),
    ):
        assert shipped in text
        text = text.replace(shipped, here)
    if os.geteuid() == 0:
        text += "user root\n"
    (directory / "mosquitto.conf").write_text(text)
    log = (directory / "log").open("w")
    process = subprocess.Popen([program, "-c", str(directory / "mosquitto.conf")], stderr=log, stdout=log)
    try:
        deadline = time.monotonic() + 10
        while not _is_open(role_port):
            assert process.poll() is None, (directory / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield Fleet(directory, tls_port, role_port)
    finally:
        process.terminate()
        process.wait(10)
        log.close()


def test_the_shipped_access_rules_are_those_of_the_embedded_brokers() -> None:
    shipped = resources.files("data").joinpath("mosquitto/mosquitto.acl").read_text("utf-8")

    assert shipped == access_rules(ROLES)


def test_a_vehicle_is_heard_on_its_own_branch_and_on_no_other(fleet: Fleet) -> None:
    ingest, heard = _ingest(fleet)
    for branch in (OTHER, OWN):
        vehicle, _ = _vehicle(fleet, "own")
        vehicle.publish(f"anxin/v1/{branch}/up/tele", branch.encode(), qos=1)
        time.sleep(0.3)
        _close(vehicle)
    _close(ingest)

    assert heard == [OWN.encode()]


def test_a_vehicle_hears_its_own_commands_only(fleet: Fleet) -> None:
    ingest, _ = _ingest(fleet)
    vehicle, heard = _vehicle(fleet, "own")
    for topic in ("anxin/v1/+/+/down/#", f"anxin/v1/{OWN}/down/#"):
        vehicle.subscribe(topic, qos=1)
    time.sleep(0.3)
    for branch in (OTHER, OWN):
        ingest.publish(f"anxin/v1/{branch}/down/resend", branch.encode(), qos=1)
    deadline = time.monotonic() + 5
    while not heard and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    _close(vehicle)
    _close(ingest)

    assert set(heard) == {OWN.encode()}


def test_the_rules_of_the_connect_page_let_ingest_read_what_each_device_may_write(fleet: Fleet) -> None:
    ingest, heard = _ingest(fleet)
    ingest.subscribe([("ovms/#", 1), ("teslamate/#", 1), ("fleet/#", 1)])
    time.sleep(0.3)
    said = ("ovms/alice/leaf/metric/v/b/soc", "ovms/bob/leaf/metric/v/b/soc", "fleet/bus-7/state")
    for name, topic in product(("alice", "shuttle"), (*said, f"anxin/v1/{OWN}/up/tele")):
        device = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=name
        )  # a refusal may end a connection
        device.username_pw_set(name, "secret")
        _run(device, fleet.role_port)
        device.publish(topic, f"{name} {topic}".encode(), qos=1)
        time.sleep(0.1)
        _close(device)
    time.sleep(0.3)
    _close(ingest)

    assert heard == [f"alice {said[0]}".encode(), f"shuttle {said[2]}".encode()]


@pytest.mark.parametrize("certificate", ["stranger", None])
def test_without_a_certificate_of_the_authority_nobody_gets_in(fleet: Fleet, certificate: str | None) -> None:
    context = ssl.create_default_context(cafile=str(fleet.directory / "ca.crt"))
    context.check_hostname = False
    if certificate:
        context.load_cert_chain(
            fleet.directory / f"{certificate}.crt", fleet.directory / f"{certificate}.key"
        )

    with pytest.raises((ssl.SSLError, ConnectionError)):
        _connect_over(context, fleet.tls_port)


def _connect_over(context: ssl.SSLContext, port: int) -> None:
    """Send CONNECT and read the answer; TLS 1.3 tells of a refused certificate at the first read only."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain) as secured,
    ):
        secured.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x")
        if secured.recv(4) == b"":
            raise ConnectionResetError


def _vehicle(fleet: Fleet, name: str) -> tuple[mqtt.Client, list[bytes]]:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name)
    client.tls_set(
        str(fleet.directory / "ca.crt"),
        str(fleet.directory / f"{name}.crt"),
        str(fleet.directory / f"{name}.key"),
    )
    client.tls_insecure_set(True)
    return client, _run(client, fleet.tls_port)


def _ingest(fleet: Fleet) -> tuple[mqtt.Client, list[bytes]]:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="ingest-0")
    client.username_pw_set("ingest", "secret")
    heard = _run(client, fleet.role_port)
    is_subscribed = threading.Event()
    client.on_subscribe = lambda *_: is_subscribed.set()
    client.subscribe("anxin/v1/+/+/up/#", qos=1)
    assert is_subscribed.wait(5)
    return client, heard


def _run(client: mqtt.Client, port: int) -> list[bytes]:
    heard: list[bytes] = []
    is_connected = threading.Event()
    client.on_connect = lambda *_: is_connected.set()
    client.on_message = lambda _c, _u, message: heard.append(message.payload)
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert is_connected.wait(5)
    return heard


def _close(client: mqtt.Client) -> None:
    client.disconnect()
    client.loop_stop()


def _issue(
    directory: Path, file: str, name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Write a certificate and its key; self-signed authority without an issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    (directory / f"{file}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / f"{file}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, key


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
