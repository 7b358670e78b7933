"""Service processes on this machine: started again after a crash, as soon as a start can succeed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from data.supervisor import ServiceSpec, Supervisor


def until(condition: Callable[[], bool], *, within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def write_script(path: Path, *lines: str) -> None:
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)


def spec(path: Path) -> ServiceSpec:
    return ServiceSpec(name="one", command=[str(path)], environ=dict(os.environ))


def test_a_service_that_cannot_be_started_for_a_while_is_started_when_it_can(tmp_path: Path) -> None:
    script = tmp_path / "service"
    write_script(script, 'rm "$0"', "exit 1")
    supervisor = Supervisor([spec(script)], log_dir=tmp_path / "logs")
    supervisor.start()
    try:
        until(lambda: not script.exists() and not supervisor.pids())
        time.sleep(1.0)  # at least one attempt finds nothing to start
        assert supervisor.restarts() == {"one": 0}

        write_script(script, "exec cat")

        until(lambda: supervisor.restarts() == {"one": 1} and bool(supervisor.pids()))
    finally:
        supervisor.stop()


def test_a_log_that_has_grown_long_begins_anew_while_its_service_goes_on(tmp_path: Path) -> None:
    script, log = tmp_path / "service", tmp_path / "logs" / "one.log"
    write_script(
        script, "for i in 1 2 3 4 5 6 7 8 9; do echo a line of a service; done", "echo last", "exec cat"
    )
    supervisor = Supervisor([spec(script)], log_dir=tmp_path / "logs", log_limit_bytes=100)
    supervisor.start()
    try:
        until(lambda: log.with_suffix(".log.1").exists() and log.stat().st_size == 0)
        assert supervisor.pids()
        assert supervisor.restarts() == {"one": 0}
    finally:
        supervisor.stop()

    assert log.with_suffix(".log.1").read_text().endswith("last\n")


def test_a_service_that_does_not_exist_fails_the_start(tmp_path: Path) -> None:
    supervisor = Supervisor([spec(tmp_path / "none")], log_dir=tmp_path / "logs")
    try:
        with pytest.raises(FileNotFoundError):
            supervisor.start()
    finally:
        supervisor.stop()
