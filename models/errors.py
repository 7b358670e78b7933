"""The models branch of the tree of errors.

AnxinError
└── ModelError          a feature or predictor cannot work with what it was given
    ├── PanelError      arrays of a panel do not fit together; names the array and both shapes
    ├── CheckFailed     a predictor breaks a promise that all predictors make
    ├── EvaluationError what is to be judged does not fit together; names field, value and rule
    ├── PartitionLost   another process goes on with the vehicles of a partition
    ├── RegistryError   predictors and feature sets do not fit together; names both
    ├── LearningError   there is not enough to learn from, or what was learned does not fit
    ├── ArtefactError   an artefact is unknown, damaged, or of a kind that is not loaded
    └── SpreadError     work cannot be handed out to processes or a cluster
"""

from __future__ import annotations

import traceback
from pathlib import PurePath

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


def describe_error(error: BaseException) -> str:
    """Return what went wrong and where, in a line: ``ValueError: odd (tires.py:120 in gas_amount)``."""
    frames = traceback.extract_tb(error.__traceback__)
    place = (
        f" ({PurePath(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name})" if frames else ""
    )
    return f"{type(error).__name__}: {str(error).strip()[:500]}{place}"


class LearningError(ModelError):
    """There is not enough to learn from, or what was learned does not fit."""


class ArtefactError(ModelError):
    """An artefact is unknown, damaged, or of a kind that is not loaded."""
