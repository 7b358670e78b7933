"""What is installed is Anxin, all of Anxin, and nobody else's folders."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDERS = ("alerts", "api", "data", "ingest", "models", "simulators")
PACKAGES = (*FOLDERS, "commands")  # commands has no tables, errors or decisions of its own
SERVICES = {"migrate", "ingest", "watch", "score", "route", "notify", "api", "maintain", "gateway"}


def test_no_other_distribution_ships_our_folders() -> None:
    owners = packages_distributions()

    assert {name: set(owners.get(name, ())) for name in (*PACKAGES, "anxin")} == {
        name: {"anxin"} for name in (*PACKAGES, "anxin")
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_folder_is_a_typed_package_with_errors_and_a_readme(folder: str) -> None:
    missing = [
        name
        for name in ("__init__.py", "py.typed", "errors.py", "README.md")
        if not (REPOSITORY / folder / name).is_file()
    ]

    assert missing == []


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils.py", "common.py", "helpers.py", "manager.py"}

    assert [str(path) for path in _modules() if path.name in drawers] == []


def test_every_folder_uses_its_own_statements_only() -> None:
    strangers = {
        f"{path.relative_to(REPOSITORY)} loads {match[1]}"
        for path in _modules()
        for match in re.finditer(r"load_queries\(\s*\"(\w+)\"", path.read_text("utf-8"))
        if path.relative_to(REPOSITORY).parts[0] != match[1]
    }

    assert strangers == set()


def test_no_statement_hides_in_the_code_of_a_service_or_a_route() -> None:
    statement = re.compile(r"[\"'](SELECT .+ FROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM) ")
    rim = [
        *REPOSITORY.glob("*/service.py"),
        *(REPOSITORY / "api" / "routes").rglob("*.py"),
        *(REPOSITORY / "commands").glob("*.py"),
        REPOSITORY / "anxin.py",
    ]

    assert [
        str(path.relative_to(REPOSITORY)) for path in rim if statement.search(path.read_text("utf-8"))
    ] == []


def test_the_lock_holds_every_dependency_with_hashes_and_no_address() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    lock = (REPOSITORY / "requirements.lock").read_text("utf-8")
    locked = {match[1] for match in re.finditer(r"^([a-z0-9-]+)==", lock, re.MULTILINE)}

    assert {_normal(re.split(r"[\[<>=~! ;]", text)[0]) for text in wanted} - locked == set()
    assert not re.search(r"--(extra-)?index-url|--find-links|https?://|file:|/(root|home|work|opt)/", lock)
    for block in re.split(r"\n(?=[a-z0-9])", lock)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_every_imported_distribution_is_declared() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    named = [
        *project["dependencies"],
        *chain.from_iterable(packages for name, packages in extras.items() if name != "dev"),
    ]
    declared = {_normal(re.split(r"[\[<>=]", text)[0]) for text in named}
    # Parts of a declared distribution that are installed under a name of their own.
    declared |= {"anxin", "psycopg-pool", "starlette"}
    owners = packages_distributions()
    undeclared = {
        f"{path.relative_to(REPOSITORY)} imports {match[1]}"
        for path in _modules()
        for match in re.finditer(r"^\s*(?:import|from) (\w+)", path.read_text("utf-8"), re.MULTILINE)
        if not {_normal(owner) for owner in owners.get(match[1], ())} <= declared
    }

    assert undeclared == set()


def test_compose_starts_every_service_after_the_migration() -> None:
    services = _compose()["services"]

    assert set(services) == SERVICES | {"database", "broker"}
    for name in SERVICES:
        service = services[name]
        assert service["command"][0] == name
        assert service["build"] == "."
        if name != "migrate":
            assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
            assert service["restart"] == "unless-stopped"


def test_compose_opens_the_port_of_the_gateway_only_when_asked() -> None:
    gateway = _compose()["services"]["gateway"]

    assert gateway["profiles"] == ["gateway"]
    assert gateway["ports"] == [f"{gateway['environment']['ANXIN_GATEWAY_PORT']}:32960"]


def test_compose_pins_what_it_pulls_and_holds_no_secret() -> None:
    compose = _compose()
    text = (REPOSITORY / "compose.yaml").read_text("utf-8")

    for name in ("database", "broker"):
        image, _, tag = compose["services"][name]["image"].partition(":")
        assert image
        assert re.search(r"\d", tag), name
    without_variables = re.sub(r"\$\{[^}]*\}", "$", text)
    assert re.findall(r"(?i)password:\s*[\"']?(?!\$)[^\s\"']+|:(?!\$)[^\s:/\"'@]+@", without_variables) == []
    for name in re.findall(r"\$\{(\w+)", text):
        assert re.search(rf"\$\{{{name}(:\?|:-)", text), f"{name} has neither default nor message"


def test_compose_gives_only_settings_that_exist() -> None:
    from data.settings import Settings

    for name, service in _compose()["services"].items():
        given = {k: v for k, v in service.get("environment", {}).items() if k.startswith("ANXIN_")}
        filled = {k: re.sub(r"\$\{[^}]*\}", "x", str(v)) for k, v in given.items()}
        Settings.from_env(filled)
        assert name in {"database", "broker"} or "ANXIN_DATABASE_URL" in given


def test_compose_gives_one_push_key_to_those_who_show_it_and_those_who_sign_with_it() -> None:
    services = _compose()["services"]
    home = re.search(r"ANXIN_HOME=(\S+)", "\n".join(_dockerfile()))

    assert home
    assert services["api"]["volumes"] == services["notify"]["volumes"] == [f"home:{home[1]}"]
    assert (
        services["api"]["environment"]["ANXIN_PUBLIC_URL"]
        == services["notify"]["environment"]["ANXIN_PUBLIC_URL"]
    )


def test_the_image_is_slim_unprivileged_and_installs_what_is_locked() -> None:
    lines = _dockerfile()
    instructions = [line.split(maxsplit=1)[0] for line in lines]

    assert all(re.match(r"FROM python:3\.\d+-slim", line) for line in lines if line.startswith("FROM"))
    assert "USER" in instructions
    assert not re.search(r"USER (root|0)\b", "\n".join(lines))
    assert instructions.index("USER") < instructions.index("ENTRYPOINT")
    assert any("--require-hashes" in line and "requirements.lock" in line for line in lines)
    assert not [line for line in lines if line.startswith("ADD") or ":latest" in line or "curl" in line]
    assert all(
        line.split(maxsplit=1)[1].startswith("[") for line in lines if line.startswith(("ENTRYPOINT", "CMD"))
    )


def test_the_image_copies_only_what_git_holds() -> None:
    for line in _dockerfile():
        if line.startswith("COPY") and "--from" not in line:
            for name in line.split()[1:-1]:
                if not name.startswith("--"):
                    assert (REPOSITORY / name).exists(), name
    ignored = (REPOSITORY / ".dockerignore").read_text("utf-8").split()
    assert {".git", ".venv"} <= set(ignored)


def _compose() -> dict[str, Any]:
    loaded = yaml.safe_load((REPOSITORY / "compose.yaml").read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def _dockerfile() -> list[str]:
    text = (REPOSITORY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _modules() -> list[Path]:
    return [
        *(path for folder in PACKAGES for path in (REPOSITORY / folder).rglob("*.py")),
        REPOSITORY / "anxin.py",
    ]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
