"""The commands that bring a fleet in, as an operator types them."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import anxin
from api.access import Accounts
from api.errors import Unauthenticated
from data.db import Pool, connect
from data.health_sessions import check_sessions
from data.reference import load_reference

VIN, OTHER = "LSVAA4187E2000001", "LSVAA4187E2000002"
MODEL = "anxin-sedan-96-ncm"
PASSWORD = "correct horse battery"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process against this test's database; ``typed`` is its standard input."""
    with connect(database_url) as connection:
        load_reference(connection, tenant="demo")
    for name in [name for name in os.environ if name.startswith("ANXIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ANXIN_DATABASE_URL", database_url)

    def call(*arguments: object, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["anxin", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            anxin.main()
        out, err = capsys.readouterr()
        return ended.value.code if isinstance(ended.value.code, int) else 0, out, err

    return call


def told(run: Run, *arguments: object, typed: str = "", code: int = 0) -> dict[str, Any]:
    ended, out, err = run(*arguments, "--json", typed=typed)
    assert ended == code, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_fleet_goes_in_and_out_and_in_again_without_effect(run: Run, tmp_path: Path) -> None:
    text = f"vin,model,owner_name\n{VIN},{MODEL},Li Lei\n{OTHER},{MODEL},Han Meimei\nWRONG,{MODEL},\n"

    trial = told(run, "vehicles", "import", "-", "--dry-run", typed=text, code=1)
    first = told(run, "vehicles", "import", "-", typed=text, code=1)
    _, exported, _ = run("vehicles", "export")
    (tmp_path / "fleet.csv").write_text(exported, "utf-8")
    again = told(run, "vehicles", "import", tmp_path / "fleet.csv")
    _, lines, _ = run("vehicles", "export", "--jsonl")

    assert (trial["added"], trial["dry_run"], first["added"]) == (2, True, 2)
    assert first["problems"][0] | {"rule": ""} == {"line": 4, "field": "vin", "value": "WRONG", "rule": ""}
    assert (again["added"], again["changed"], again["unchanged"], again["problems"]) == (0, 0, 2, [])
    assert [json.loads(line)["vin"] for line in lines.splitlines()] == [VIN, OTHER]


def test_a_vehicle_is_sold_and_retired(run: Run) -> None:
    told(run, "vehicles", "import", "-", typed=f"vin,model,owner_name\n{VIN},{MODEL},Li Lei\n")

    sold = told(run, "vehicles", "transfer", VIN, "--owner", "Han Meimei", "--home", "31.2,121.5")
    retired = told(run, "vehicles", "retire", VIN, "--reason", "scrapped")
    code, _, err = run("vehicles", "retire", VIN)

    assert sold["owner_id"] != sold["former_owner_id"]
    assert retired == {"vin": VIN, "retired": True, "open_orders": []}
    assert (code, "is retired since" in err) == (2, True)
    assert run("vehicles", "export")[1].count("\n") == 1


def test_a_model_is_stored_whole_or_not_at_all(run: Run, tmp_path: Path, pool: Pool) -> None:
    (tmp_path / "van.dbc").write_text(
        'VERSION ""\nBU_: X\nBO_ 256 Drive: 8 X\n SG_ Speed : 0|16@1+ (0.1,0) [0|400] "mph" X\n', "utf-8"
    )
    row = (
        '[[vehicle_models]]\nmodel_id = "van"\nname = "Van"\nchemistry = "LFP"\ncell_count = 4\n'
        'probe_count = 1\ncapacity_ah = 100.0\nenergy_kwh = 40.0\nwheels = ["front-left"]\n'
        'placard_kpa = [300.0]\ndbc = "van.dbc"\n'
        '[vehicle_models.signal_map]\n"Drive.Speed" = { alias = "speed"SCALE }\n'
    )
    file = tmp_path / "models.toml"

    file.write_text(row.replace("SCALE", ""), "utf-8")
    wrong = told(run, "models", "import", file, code=1)
    file.write_text(row.replace("SCALE", ", scale = 1.609344"), "utf-8")
    right = told(run, "models", "import", file)

    assert "unit 'mph' must become 'km/h'" in wrong["models"]["van"]["errors"][0]
    assert right["models"]["van"]["yields"] == {"speed": [1, 1]}
    with pool.connection() as connection:
        assert connection.execute("SELECT grid_s FROM vehicle_models WHERE model_id = 'van'").fetchall() == [
            (1.0,)
        ]
    code, _, err = run("models", "import", tmp_path / "none.toml")
    assert (code, "cannot be read" in err) == (2, True)


def test_logins_and_keys_are_made_listed_and_revoked(run: Run, pool: Pool) -> None:
    told(run, "vehicles", "import", "-", typed=f"vin,model,owner_name\n{VIN},{MODEL},Li Lei\n")
    accounts = Accounts(pool, clock=lambda: datetime.now(UTC))

    assert (
        run("logins", "create", "lilei", "--role", "owner", "--owner-of", VIN, typed=PASSWORD + "\n")[0] == 0
    )
    assert accounts.log_in("lilei", PASSWORD, address="x").principal.owner_id
    assert run("logins", "create", "x", "--role", "owner", "--owner-of", OTHER, typed=PASSWORD)[0] == 2
    assert run("logins", "create", "x", "--role", "station", "--station", "NONE", typed=PASSWORD)[0] == 2
    assert run("logins", "create", "x", "--role", "operations", typed="short\n")[0] == 2
    key = told(run, "keys", "create", "gate 1", "--role", "gateway")["key"]
    assert accounts.by_key(key).role == "gateway"
    assert [user["login"] for user in told(run, "logins", "list")["logins"]] == ["lilei"]
    listed = run("keys", "list", "--json")[1]
    assert "gate 1" in listed
    assert key.split("_")[2] not in listed

    assert run("keys", "revoke", key)[0] == run("logins", "revoke", "lilei")[0] == 0
    with pytest.raises(Unauthenticated):
        accounts.by_key(key)
    with pytest.raises(Unauthenticated):
        accounts.log_in("lilei", PASSWORD, address="x")
    assert run("keys", "revoke", key)[0] == 2
    with pool.connection() as connection:
        actions = connection.execute("SELECT action FROM audit_events ORDER BY event_id").fetchall()
    assert [action for (action,) in actions] == [
        "fleet.import",
        "login.create",
        "key.create",
        "key.revoke",
        "login.revoke",
    ]


def test_a_session_without_a_process_is_an_alarm_that_says_what_to_do(run: Run, pool: Pool) -> None:
    with pool.connection() as connection:
        connection.execute(
            "INSERT INTO broker_sessions VALUES ('anxin-ingest-a', 'ingest', 'a', 'ingest', %(then)s),"
            " ('anxin-ingest-b', 'ingest', 'b', 'ingest', %(then)s)",
            {"then": datetime.now(UTC) - timedelta(hours=1)},
        )
        connection.execute("INSERT INTO service_beats VALUES ('ingest', 'b', 1, now(), now(), true)")

        check = check_sessions(connection, {"$SYS/broker/clients/disconnected": 1})
        connection.execute("DELETE FROM broker_sessions WHERE slot = 'a'")
        well = check_sessions(connection, {"$SYS/broker/clients/disconnected": 1})

    assert not check.is_ok
    assert "ANXIN_INGEST_SLOT=a anxin ingest --drain" in check.detail
    assert "anxin-ingest-b" not in check.detail
    assert (well.is_ok, well.detail) == (True, "every session has its process; sessions without a client 1")
