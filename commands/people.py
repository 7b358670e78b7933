"""People and programs: owners, logins, keys."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from commands.options import Json
from commands.printing import console, print_json
from commands.running import TENANT, connect_running, own_deed
from data.errors import SettingsError

owners_app = typer.Typer(no_args_is_help=True, help="What is kept about one person.")
logins_app = typer.Typer(no_args_is_help=True, help="Logins of people.")
keys_app = typer.Typer(no_args_is_help=True, help="API keys of programs.")


RoleOption = Annotated[
    str, typer.Option("--role", help="owner, station, operations, engineer; keys: gateway.")
]
OwnerOf = Annotated[str | None, typer.Option("--owner-of", help="Role owner: VIN of one of their vehicles.")]
StationOption = Annotated[str | None, typer.Option("--station", help="Role station: its code.")]


@owners_app.command("export")
def owners_export(owner_id: Annotated[int, typer.Argument(help="The owner's number.")]) -> None:
    """Print everything that is kept about a person, as JSON."""
    from data.person import export_owner

    with connect_running() as connection:
        print_json(export_owner(connection, tenant=TENANT, owner_id=owner_id))


@owners_app.command("erase")
def owners_erase(
    owner_id: Annotated[int, typer.Argument(help="The owner's number.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase a person without a vehicle in service: name, home, logins, devices, where vehicles were."""
    from data.person import erase_owner

    if not yes:
        typer.confirm(f"Erase owner {owner_id} for good?", abort=True, err=True)
    with connect_running() as connection:
        positions = erase_owner(connection, tenant=TENANT, owner_id=owner_id, deed=own_deed())
    console.print(f"owner {owner_id} is erased, with {positions:,} positions")
    if as_json:
        print_json({"owner_id": owner_id, "positions": positions})


def _ask_password() -> str:
    """Return a password: from standard input that is no terminal, else asked for twice; never from argv."""
    from getpass import getpass

    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("password: ")
    if password != getpass("once more: "):
        raise SettingsError("password: the two are not the same")
    return password


@logins_app.command("create")
def logins_create(
    login: Annotated[str, typer.Argument(help="1-64 of letters, digits and . _ @ + -")],
    role: RoleOption,
    owner_of: OwnerOf = None,
    station: StationOption = None,
) -> None:
    """Make a login, or give it another password, asked for or read from standard input."""
    from api.accounts import Bounds, add_login

    password = _ask_password()
    bounds = Bounds(role=role, owner_of=owner_of, station=station)
    with connect_running() as connection:
        add_login(connection, tenant=TENANT, login=login, password=password, bounds=bounds, deed=own_deed())
    console.print(f"login {login} may log in")


@logins_app.command("list")
def logins_list(as_json: Json = False) -> None:
    """List the logins."""
    from api.account_store import fetch_users

    with connect_running() as connection:
        users = fetch_users(connection, TENANT)
    for user in users:
        whose = user["owner"] or user["station"] or ""
        console.print(f"{user['login']}  {user['role']} {whose}{'' if user['is_active'] else '  revoked'}")
    if as_json:
        print_json({"logins": users})


@logins_app.command("revoke")
def logins_revoke(login: Annotated[str, typer.Argument(help="The login.")]) -> None:
    """End a login and its sessions at once."""
    from api.accounts import revoke_login

    with connect_running() as connection:
        revoke_login(connection, tenant=TENANT, login=login, deed=own_deed())
    console.print(f"login {login} is revoked")


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    role: RoleOption,
    owner_of: OwnerOf = None,
    station: StationOption = None,
    as_json: Json = False,
) -> None:
    """Make an API key; it is shown once, on standard output."""
    from api.accounts import Bounds, add_key

    bounds = Bounds(role=role, owner_of=owner_of, station=station)
    with connect_running() as connection:
        key = add_key(connection, tenant=TENANT, name=name, bounds=bounds, deed=own_deed())
    if as_json:
        print_json({"key": key, "name": name, "role": role})
    else:
        sys.stdout.write(key + "\n")
    console.print("kept nowhere else: it cannot be shown again")


@keys_app.command("list")
def keys_list(as_json: Json = False) -> None:
    """List the API keys, without their secrets."""
    from api.account_store import fetch_keys

    with connect_running() as connection:
        keys = fetch_keys(connection, TENANT)
    for key in keys:
        state = f"revoked {key['revoked_at']:%F}" if key["revoked_at"] else f"since {key['created_at']:%F}"
        console.print(f"anx_{key['key_id']}_…  {key['role']}  {key['name']}  {state}")
    if as_json:
        print_json({"keys": keys})


@keys_app.command("revoke")
def keys_revoke(key: Annotated[str, typer.Argument(help="The key, or its anx_<id> part.")]) -> None:
    """End an API key; it is refused from the next call on."""
    from api.accounts import revoke_key

    with connect_running() as connection:
        revoke_key(connection, tenant=TENANT, key=key, deed=own_deed())
    console.print("the key is revoked")
