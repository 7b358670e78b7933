"""Write the files of a Mosquitto for the suites: DIRECTORY, its name inside the tree, port, password."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path
from string import Template

from data.broker import ROLES, access_rules, hash_password


def main(directory: str, inside: str, port: str, password: str) -> None:
    """Write configuration, accounts and access rules."""
    template = resources.files("data").joinpath("mosquitto/embedded.conf").read_text("utf-8")
    text = Template(template).substitute(port=port, directory=inside) + f"pid_file {inside}/mosquitto.pid\n"
    Path(directory, "mosquitto.conf").write_text(text)
    Path(directory, "mosquitto.passwd").write_text(
        "".join(f"{role}:{hash_password(password)}\n" for role in ROLES)
    )
    Path(directory, "mosquitto.acl").write_text(access_rules(ROLES))


if __name__ == "__main__":
    main(*sys.argv[1:])
