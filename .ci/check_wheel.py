"""Check that a wheel holds everything git holds of the packages, and nothing else of the repository."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import PurePosixPath

FOLDERS = ("alerts", "api", "commands", "data", "ingest", "models", "simulators")
#: What may stay out of a wheel: nothing that runs.
LEFT_OUT = {".gitignore", ".gitkeep"}


def main(wheel: str) -> None:
    """Compare; end with a message that names what is missing or too much."""
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if "/licenses/" in name]
    tracked = subprocess.run(  # noqa: S603 - fixed command
        ["git", "ls-files", *FOLDERS, "anxin.py"],  # noqa: S607 - git of the machine
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    wanted = {name for name in tracked if PurePosixPath(name).name not in LEFT_OUT}
    missing, extra = sorted(wanted - shipped), sorted(shipped - wanted)
    if missing or extra or not licences:
        sys.exit(f"{wheel}: missing {missing[:20]}, too much {extra[:20]}, licences {licences}")
    print(f"{len(shipped)} files, {len(licences)} licences")  # noqa: T201 - a script speaks


if __name__ == "__main__":
    main(sys.argv[1])
