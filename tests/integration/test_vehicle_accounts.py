"""A vehicle with a password of its own: let in without a new start of the broker, to its own branch only."""

from __future__ import annotations

import threading
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from data.broker import find_mosquitto, hash_password
from data.embedded import EmbeddedBroker
from data.errors import FleetError
from data.records import Vin
from data.vehicle_accounts import issue_account, put_into_password_file
from tests.installed import eventually

VIN = Vin("LSVAA4187E2000001")


def is_let_in(port: int, user: str, password: str) -> bool:
    answered, codes = threading.Event(), []
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(user, password)

    def on_connect(
        _client: object, _userdata: object, _flags: object, reason: mqtt.ReasonCode, _p: object
    ) -> None:
        codes.append(reason.is_failure)
        answered.set()

    client.on_connect = on_connect
    client.connect("127.0.0.1", port)
    client.loop_start()
    answered.wait(5)
    client.disconnect()
    client.loop_stop()
    return codes[:1] == [False]


@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_an_account_counts_without_a_new_start(server_home: Path) -> None:
    home = server_home / "broker-accounts"
    with EmbeddedBroker(home, kind="mosquitto") as broker:
        pid = broker.pid
        assert not broker.refresh_accounts()

        user, password = issue_account(home / "broker", tenant="demo", vin=VIN)

        assert user == f"demo/{VIN}"
        assert broker.refresh_accounts()
        assert not broker.refresh_accounts()
        eventually(lambda: is_let_in(broker.port, user, password))
        assert not is_let_in(broker.port, user, "guessed")
        assert broker.pid == pid


def test_a_password_file_keeps_its_other_lines(tmp_path: Path) -> None:
    file = tmp_path / "mosquitto.passwd"
    file.write_text(f"ingest:$7$x\ndemo/{VIN}:$7$old\n", "utf-8")
    file.chmod(0o640)

    put_into_password_file(file, tenant="demo", vin=VIN, hashed=hash_password("p"), password="p")

    lines = file.read_text("utf-8").splitlines()
    assert lines[0] == "ingest:$7$x"
    assert len(lines) == 2
    assert lines[1].startswith(f"demo/{VIN}:$7$101$")
    assert file.stat().st_mode & 0o777 == 0o640


def test_without_an_embedded_broker_the_way_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="give --password-file"):
        issue_account(tmp_path / "none", tenant="demo", vin=VIN)
