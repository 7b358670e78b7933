"""The tree of errors.

AnxinError
├── SettingsError       a setting is missing or wrong; names the setting
├── CatalogueError      the signal catalogue or a vehicle model contradicts itself
├── ReferenceDataError  a row of reference data breaks a rule; names file, row and field
├── FleetError          a vehicle, owner or fleet file is not what the command needs; names it
│   └── FleetFileError  a fleet file cannot be read at all; names the header
├── NetworkError        the service network is not what the command needs; names it
│   └── NetworkFileError  a file of stations and parts cannot be read at all; names it
├── ExpositionError     metrics and health cannot be served; names the setting
├── TopicError          a topic is not of the Anxin grammar
├── VinError            a vehicle identification number breaks ISO 3779
├── DatabaseError       the database refused or is away
│   ├── DatabaseAway    try again: connection lost, server starting or shutting down
│   └── SchemaError     the schema is older or newer than this code
├── KeysError           the push key file is damaged; names it
└── EmbeddedError       the embedded PostgreSQL or broker did not start

Each folder's own ``errors.py`` adds its branch below ``AnxinError``.
"""


class AnxinError(Exception):
    """Something Anxin can explain went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class SettingsError(AnxinError):
    """A setting is missing or wrong."""


class CatalogueError(AnxinError):
    """The signal catalogue or a vehicle model contradicts itself."""


class ReferenceDataError(AnxinError):
    """A row of reference data breaks a rule."""


class FleetError(AnxinError):
    """A vehicle or owner is not what the command needs."""


class FleetFileError(FleetError):
    """A fleet file cannot be read."""


class NetworkError(AnxinError):
    """The service network is not what the command needs."""


class NetworkFileError(NetworkError):
    """A file of stations and parts cannot be read."""


class ExpositionError(AnxinError):
    """Metrics and health cannot be served."""


class TopicError(AnxinError):
    """A topic is not of the Anxin grammar."""


class VinError(AnxinError):
    """A vehicle identification number breaks ISO 3779."""


class DatabaseError(AnxinError):
    """The database refused a statement."""


class DatabaseAway(DatabaseError):  # noqa: N818 - it names a state that passes, not a mistake
    """The database is away for now; the same call may succeed later."""


class SchemaError(DatabaseError):
    """The database schema does not fit this version of Anxin."""


class KeysError(AnxinError):
    """The push key file is damaged."""


class EmbeddedError(AnxinError):
    """An embedded server did not start."""
