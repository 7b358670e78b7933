"""Errors of the simulators.

AnxinError
└── SimulatorError      a simulation or a replay cannot be carried out
    ├── FleetError      the fleet asked for contradicts itself; names the argument
    ├── EncodeError     a value does not fit the wire format
    └── LinkError       the broker refuses the vehicles, or messages stay unacknowledged
"""

from data.errors import AnxinError


class SimulatorError(AnxinError):
    """The simulation cannot be carried out."""


class FleetError(SimulatorError):
    """The fleet asked for contradicts itself."""


class EncodeError(SimulatorError):
    """A value does not fit the wire format."""


class LinkError(SimulatorError):
    """The broker refuses the vehicles, or messages stay unacknowledged."""
