"""The command line without any server: help, settings, one clear line for what is wrong."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import anxin
from commands.printing import console

README = Path(anxin.__file__).with_name("README.md")
GVRET = "Time Stamp,ID,Extended,Bus,LEN,D1,D2,D3,D4,D5,D6,D7,D8\n"


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    below: Mapping[str, Any] | None = getattr(command, "commands", None)
    if below is None:
        yield path, command
    for name, inner in (below or {}).items():
        yield from walk(inner, (*path, name))


COMMANDS = dict(walk(get_command(anxin.app)))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command line in this process, with the settings given and no other."""

    def call(*arguments: object, **settings: str) -> tuple[int, str, str]:
        for name in [name for name in os.environ if name.startswith("ANXIN_")]:
            monkeypatch.delenv(name)
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["anxin", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            anxin.main()
        out, err = capsys.readouterr()
        code = ended.value.code
        return code if isinstance(code, int) else 0, out, err

    return call


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_and_its_options(path: tuple[str, ...]) -> None:
    told = CliRunner().invoke(anxin.app, [*path, "--help"], env={"COLUMNS": "200"})

    assert told.exit_code == 0
    command = COMMANDS[path]
    assert command.help
    assert all(getattr(p, "hidden", False) or getattr(p, "help", None) for p in command.params)


def test_the_readme_lists_every_command_and_no_other() -> None:
    section = README.read_text("utf-8").split("\n## Commands\n")[1].split("\n## ")[0]
    listed = [
        tuple(word for word in row.split() if word.islower())
        for row in re.findall(r"^\| `anxin ([^`]+)` \|", section, re.MULTILINE)
    ]

    assert sorted(listed) == sorted(COMMANDS)


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("ANXIN_NO_SUCH_THING", "1", "no such setting"),
        ("ANXIN_DATABASE_URL", "somewhere", "must be a URL of the form postgresql://"),
        ("ANXIN_MQTT_URL", "http://broker", "must be a URL of the form mqtt://"),
        ("ANXIN_HTTP_PORT", "70000", "must be from 1 to 65535"),
        ("ANXIN_INGEST_FLUSH_AFTER_S", "soon", "must be a number"),
        ("ANXIN_BROKER", "emqx", "must be one of auto, mosquitto, amqtt"),
        ("ANXIN_LOG_FORMAT", "xml", "must be one of auto, text, json"),
        ("ANXIN_PUSH_ALLOW_LOOPBACK", "perhaps", "must be 1, 0"),
    ],
)
@pytest.mark.parametrize("command", ["check", "ingest", "demo"])
def test_a_wrong_setting_ends_the_start_with_its_name(
    run, command: str, setting: str, value: str, says: str
) -> None:
    code, out, err = run(command, **{setting: value})

    assert (code, out) == (2, "")
    assert err.startswith(f"anxin: {setting}")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["check", "rejects", "migrate", "ingest", "route", "simulate"])
def test_without_an_installation_the_way_to_one_is_told(run, tmp_path: Path, command: str) -> None:
    code, out, err = run(command, ANXIN_HOME=str(tmp_path))

    assert (code, out) == (2, "")
    assert "start one or set the URLs" in err
    assert err.count("\n") == 1


def test_a_port_that_is_taken_ends_the_start_with_the_setting(run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run("up", "--home", tmp_path, "--port", port)

    assert (code, out) == (2, "")
    assert err.startswith(f"anxin: ANXIN_HTTP_PORT={port}: cannot listen on 127.0.0.1")
    assert err.count("\n") == 1


def test_a_home_that_is_a_file_ends_the_start_with_the_setting(run, tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.touch()

    code, out, err = run("up", "--home", home)

    assert (code, out) == (2, "")
    assert err == f"anxin: ANXIN_HOME='{home}': must be a directory to write to (File exists)\n"


def test_a_database_that_does_not_answer_is_told_in_one_line(run, tmp_path: Path) -> None:
    nowhere = {"ANXIN_DATABASE_URL": "postgresql://127.0.0.1:1/none", "ANXIN_MQTT_URL": "mqtt://127.0.0.1:1"}
    code, out, err = run("check", ANXIN_HOME=str(tmp_path), **nowhere)

    assert (code, out) == (1, "")
    assert err.startswith("anxin: database away")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b"", "the file is empty"),
        ("words.txt", b"nothing of a vehicle\n", "none of the formats"),
        ("noise.bin", bytes(range(256)), "none of the formats"),
        ("cut.zip", b"PK\x03\x04cut", "damaged archive"),
        ("cut.csv.gz", b"\x1f\x8b\x08\x00cut", "damaged archive"),
    ],
)
def test_a_file_that_is_no_recording_is_told_in_one_line(
    run, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)

    code, out, err = run("inspect", tmp_path / name, "--json")

    assert (code, out) == (2, "")
    assert says in err
    assert err.strip().startswith(f"anxin: {tmp_path / name}: ")
    assert err.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--model", "boat"), "vehicle model 'boat': must be one of"),
        (("--format", "doc"), "format 'doc': must be one of"),
        (("--placard", "5"), "must be 50 to 1500 kPa"),
        (("--dbc", "gone.dbc"), "gone.dbc: DBC cannot be read"),
    ],
)
def test_a_wrong_option_of_a_recording_is_told_in_one_line(
    run, tmp_path: Path, options: tuple[str, str], says: str
) -> None:
    log = tmp_path / "log.csv"
    log.write_text(GVRET + "1000000,00000123,false,0,8,1,2,3,4,5,6,7,8,\n")

    code, out, err = run("inspect", log, *options)

    assert (code, out) == (2, "")
    assert says in err
    assert err.strip().count("\n") == 0


def test_json_is_the_only_line_of_standard_output(run, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(GVRET + "1000000,00000123,false,0,8,1,2,3,4,5,6,7,8,\n")

    code, out, err = run("inspect", log, "--json")

    assert code == 0
    assert out.count("\n") == 1
    told = json.loads(out)
    assert {"recording", "findings", "decoded"} == told.keys()
    assert told["recording"]["format"] == "can"
    assert "nothing found" in err


def test_people_read_on_standard_error(run, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(GVRET + "1000000,00000123,false,0,8,1,2,3,4,5,6,7,8,\n")

    assert run("inspect", log)[1] == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("bench", "decode", "--dbc", "gone.dbc"), "--dbc 'gone.dbc': cannot be read"),
        (("inspect", "gone.csv"), "gone.csv: No such file"),
    ],
)
def test_a_file_that_is_not_there_is_told_in_one_line(run, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = run(*arguments)

    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_brackets_in_what_is_printed_are_no_markup(run, capsys: pytest.CaptureFixture[str]) -> None:
    console.print("boot '[/x]': must be [null]")

    assert capsys.readouterr().err == "boot '[/x]': must be [null]\n"


def test_an_unknown_command_or_option_ends_with_2(run) -> None:
    wrong_ports = [["up", "--port", port] for port in ("0", "99999")]
    for arguments in (["fly"], ["check", "--fast"], ["inspect"], ["demo", "--vehicles", "0"], *wrong_ports):
        code, out, err = run(*arguments)
        assert (code, out) == (2, ""), arguments
        assert err
