"""The one command: which commands there are. They live in ``commands/``; this is the only way in."""

from __future__ import annotations

import sys

import typer

from commands import (
    artefacts,
    backtest,
    bench,
    checks,
    demo,
    evaluate,
    learning,
    people,
    platforms,
    recordings,
    services,
    simulate,
    stations,
    vehicles,
)
from data.errors import AnxinError, DatabaseAway

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Anxin: reads what vehicles say, knows which will fail, has the repair arranged.",
)
for _command in (
    services.ingest,
    services.watch,
    services.score,
    services.route,
    services.notify,
    services.api,
    services.gateway,
    services.maintain,
    services.up,
    checks.migrate,
    checks.check,
    checks.rejects,
    recordings.inspect,
    recordings.replay,
    simulate.simulate,
    demo.demo,
    evaluate.evaluate,
    backtest.backtest,
    learning.train,
    artefacts.drift,
):
    app.command()(_command)
for _name, _group in (
    ("platforms", platforms.platforms),
    ("vehicles", vehicles.vehicles_app),
    ("models", vehicles.models_app),
    ("stations", stations.stations_app),
    ("owners", people.owners_app),
    ("logins", people.logins_app),
    ("keys", people.keys_app),
    ("artefacts", artefacts.artefacts_app),
    ("bench", bench.bench),
):
    app.add_typer(_group, name=_name)


def main() -> None:
    """Run the command line; wrong input or settings end with one line on stderr and exit code 2."""
    try:
        app()
    except DatabaseAway as error:
        _fail(str(error), code=1)
    except AnxinError as error:
        _fail(str(error), code=2)


def _fail(message: str, *, code: int) -> None:
    sys.stderr.write(f"anxin: {' '.join(message.split())}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
