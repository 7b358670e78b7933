"""The models branch of the tree of errors.

AnxinError
└── ModelError          a feature or predictor cannot work with what it was given
    ├── PanelError      arrays of a panel do not fit together; names the array and both shapes
    ├── CheckFailed     a predictor breaks a promise that all predictors make
    ├── EvaluationError what is to be judged does not fit together; names field, value and rule
    ├── PartitionLost   another process goes on with the vehicles of a partition
    ├── RegistryError   predictors and feature sets do not fit together; names both
    └── SpreadError     work cannot be handed out to processes or a cluster
"""

from __future__ import annotations

from data.errors import AnxinError


class ModelError(AnxinError):
    """A feature or predictor cannot work with what it was given."""


class PanelError(ModelError):
    """Arrays of a panel do not fit together."""


class PartitionLost(ModelError):  # noqa: N818 - a fact, as DatabaseAway is, rather than a fault
    """Another process goes on with the vehicles of a partition."""


class CheckFailed(ModelError):  # noqa: N818 - reads as what happened
    """A predictor breaks a promise that all predictors make."""


class EvaluationError(ModelError):
    """What is to be judged does not fit together."""


class RegistryError(ModelError):
    """Predictors and feature sets do not fit together."""


class SpreadError(ModelError):
    """Work cannot be handed out to processes or a cluster."""
