"""What was learned, as bytes: skops with an explicit list of trusted types, or not loaded at all.

skops brings scikit-learn, three seconds and 100 MB: it is imported when an artefact is written or read, not
when a service starts that has none.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import ArtefactError, LearningError
from models.learning.maps import RiskMaps

#: Beyond what skops trusts of itself: trees of gradient boosting, and the types of columns in a pipeline.
TRUSTED = (
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
_LARGEST_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Something learned, with all that is needed to judge where it comes from."""

    model_version: str  #: of the predictor
    failure_mode: str
    kind: str  #: ``maps`` or ``learner``
    features: tuple[str, ...]
    span: tuple[int, int]  #: first and last day trained on, days since 1970-01-01
    origin: str
    source: Mapping[str, Any]  #: seeds, vehicles, prevalence
    code_version: str
    metrics: Mapping[str, Any]
    content: bytes

    @property
    def sha256(self) -> str:
        """Of the content."""
        return hashlib.sha256(self.content).hexdigest()


def pack_maps(maps: RiskMaps) -> bytes:
    """Return maps as bytes."""
    from skops.io import dumps

    return bytes(dumps({"maps": maps.to_dict()}))


def pack_learner(learner: Any, *, names: tuple[str, ...], threshold: float) -> bytes:
    """Return a learner as bytes."""
    from skops.io import dumps

    return bytes(dumps({"learner": learner, "names": list(names), "threshold": float(threshold)}))


def unpack(content: bytes, sha256: str, *, name: str) -> dict[str, Any]:
    """Return what an artefact holds.

    Raises:
        ArtefactError: The bytes are not those that were registered, hold a type that is not trusted, or are
            no artefact; names the artefact and the rule.
    """
    from skops.io import get_untrusted_types, loads

    if len(content) > _LARGEST_BYTES:
        raise ArtefactError(f"artefact {name}: {len(content)} bytes, at most {_LARGEST_BYTES}")
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ArtefactError(f"artefact {name}: sha256 {found[:12]}…, registered {sha256[:12]}…: not loaded")
    try:
        strange = sorted(set(get_untrusted_types(data=content)) - set(TRUSTED))
    except Exception as error:
        raise ArtefactError(f"artefact {name}: not a skops file ({type(error).__name__})") from error
    if strange:
        raise ArtefactError(f"artefact {name}: type {strange[0]} is not trusted: not loaded")
    try:
        held = loads(content, trusted=list(TRUSTED))
    except Exception as error:
        raise ArtefactError(f"artefact {name}: cannot be read ({type(error).__name__}: {error})") from error
    if not isinstance(held, dict):
        raise ArtefactError(f"artefact {name}: holds {type(held).__name__}, must be a dict")
    return held


def unpack_maps(content: bytes, sha256: str, *, name: str) -> RiskMaps:
    """Return the maps of an artefact.

    Raises:
        ArtefactError: As ``unpack``, or it holds something else.
    """
    held = unpack(content, sha256, name=name)
    try:
        return RiskMaps.from_dict(held["maps"])
    except (KeyError, TypeError, LearningError) as error:
        raise ArtefactError(f"artefact {name}: holds no maps ({error})") from error


def write_file(folder: Path, trained: Trained, number: int | None = None) -> Path:
    """Write an artefact and its description beside it; return the path of the artefact.

    Args:
        folder: Made where it is not there.
        trained: What to write.
        number: In the registry; None: not registered.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mark = "" if number is None else f"-{number}"
    stem = re.sub(r"[^A-Za-z0-9.+-]", "_", f"{trained.model_version}.{trained.kind}{mark}")
    told = {
        "model_version": trained.model_version,
        "failure_mode": trained.failure_mode,
        "kind": trained.kind,
        "number": number,
        "features": list(trained.features),
        "span_days": list(trained.span),
        "origin": trained.origin,
        "source": dict(trained.source),
        "code_version": trained.code_version,
        "metrics": dict(trained.metrics),
        "sha256": trained.sha256,
    }
    path = folder / f"{stem}.skops"
    path.write_bytes(trained.content)
    path.with_suffix(".json").write_text(json.dumps(told, indent=1, default=str), encoding="utf-8")
    return path


def read_maps(folder: Path) -> dict[str, RiskMaps]:
    """Return the maps of a folder by model version, of several numbers the highest.

    Raises:
        ArtefactError: The folder is not there, a description is broken, or an artefact is not loaded.
    """
    if not folder.is_dir():
        raise ArtefactError(f"maps {folder}: no such folder")
    newest: dict[str, tuple[int, RiskMaps]] = {}
    for path in sorted(folder.glob("*.maps*.skops")):
        try:
            told = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            sha256, number = str(told["sha256"]), int(told["number"] or 0)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtefactError(f"artefact {path.name}: its description cannot be read ({error})") from error
        maps = unpack_maps(path.read_bytes(), sha256, name=path.name)
        if maps.model_version not in newest or newest[maps.model_version][0] < number:
            newest[maps.model_version] = number, maps
    return {version: maps for version, (_, maps) in newest.items()}
