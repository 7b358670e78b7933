"""Errors of the simulators.

AnxinError
└── SimulatorError      a simulation or a replay cannot be carried out
    ├── FleetError      the fleet asked for contradicts itself; names the argument
    ├── EncodeError     a value does not fit the wire format
    ├── DownError       a message from the server cannot be read
    ├── LinkError       the broker's address is wrong
    └── JourneyError    an order does not go on
        └── RefusalError  the API refuses a call; with its status and reason
"""

from data.errors import AnxinError


class SimulatorError(AnxinError):
    """The simulation cannot be carried out."""


class FleetError(SimulatorError):
    """The fleet asked for contradicts itself."""


class EncodeError(SimulatorError):
    """A value does not fit the wire format."""


class DownError(SimulatorError):
    """A message from the server cannot be read."""


class LinkError(SimulatorError):
    """The broker's address is wrong, or vehicles cannot be kept connected to it."""


class JourneyError(SimulatorError):
    """An order does not go on."""


class RefusalError(JourneyError):
    """The API refuses a call."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{detail} (status {status})")
        self.status = status
        self.detail = detail
