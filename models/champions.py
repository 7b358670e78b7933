"""What score runs: the predictors with the maps of champions, and learners beside them; noticed at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from data.audit import Deed
from data.db import Connection
from models import store_artefacts
from models.artefacts import unpack, unpack_maps
from models.errors import ArtefactError
from models.learning.learned import LearnedPredictor
from models.learning.mapped import with_maps
from models.learning.maps import RiskMaps
from models.predictors.base import Predictor

_LOG = structlog.get_logger("models")


@dataclass(slots=True)
class Champions:
    """Keeps what is registered beside what runs; one small query tells whether anything has changed."""

    _seen: tuple[tuple[int, str], ...] = ()
    _base: tuple[Predictor, ...] | None = None
    _learners: list[LearnedPredictor] = field(default_factory=list)

    def refresh(
        self, connection: Connection, predictors: Sequence[Predictor], *, now: datetime
    ) -> tuple[Predictor, ...] | None:
        """Return the predictors to run from now on, None where nothing has changed.

        An artefact that is not loaded is logged and left out; the physical predictor goes on.

        Args:
            connection: In the transaction of the scoring, so that a learner is a shadow before it speaks.
            predictors: The physical ones, at the first call; what is returned is kept by the caller.
            now: Of the scoring.
        """
        if self._base is None:
            self._base = tuple(predictors)
        running = store_artefacts.fetch_running(connection)
        if running == self._seen:
            self._name_shadows(connection, now)
            return None
        self._seen = running
        maps: dict[str, RiskMaps] = {}
        learned: list[LearnedPredictor] = []
        for artefact_id, _ in running:
            held = store_artefacts.fetch_content(connection, artefact_id)
            name = f"{held['model_version']} {held['kind']} {held['number']}"
            try:
                if held["kind"] == "maps":
                    maps[held["model_version"]] = unpack_maps(held["content"], held["sha256"], name=name)
                else:
                    learned += self._learned(held, name)
            except ArtefactError as error:
                _LOG.error("artefact left out", artefact=name, error=str(error))
        _LOG.info("artefacts", maps=sorted(maps), learned=[p.model_version for p in learned])
        self._learners = learned
        self._name_shadows(connection, now)
        return (*with_maps(self._base, maps), *learned)

    def _name_shadows(self, connection: Connection, now: datetime) -> None:
        """See that no tenant, not even one that came today, has a learner that nobody made live."""
        for one in self._learners:
            store_artefacts.shadow_unnamed(
                connection, one.failure_mode.value, one.model_version, deed=Deed(actor="score", now=now)
            )

    def _learned(self, held: Mapping[str, Any], name: str) -> list[LearnedPredictor]:
        content = unpack(held["content"], held["sha256"], name=name)
        if not {"learner", "names", "threshold"} <= content.keys():
            raise ArtefactError(f"artefact {name}: holds no learner")
        return [
            LearnedPredictor(
                base=base,
                number=held["number"],
                learner=content["learner"],
                names=tuple(content["names"]),
                threshold=float(content["threshold"]),
            )
            for base in self._base or ()
            if base.model_version == held["model_version"]
        ]
