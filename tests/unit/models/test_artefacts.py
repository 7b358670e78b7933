"""An artefact is loaded as it was registered and of trusted types, or not at all."""

from __future__ import annotations

import collections
import hashlib
from pathlib import Path

import numpy as np
import pytest

from models.artefacts import Trained, pack_learner, pack_maps, read_maps, unpack, unpack_maps, write_file
from models.errors import ArtefactError
from models.learning.learned import LearnedPredictor
from models.learning.learner import Kind
from models.learning.maps import RiskMaps
from models.predictors.tire_slow_leak import TireSlowLeakPredictor
from tests.unit.models.any_panel import panel_for

MAPS = RiskMaps(model_version="tire-slow-leak-2", stretch=1.5)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def trained(content: bytes, kind: str = "maps") -> Trained:
    return Trained(
        model_version="tire-slow-leak-2",
        failure_mode="tire_slow_leak",
        kind=kind,
        features=("gas_kpa",),
        span=(20_000, 20_100),
        origin="simulated",
        source={"seeds": [1101]},
        code_version="test",
        metrics={},
        content=content,
    )


def test_maps_come_back_as_they_were_packed() -> None:
    content = pack_maps(MAPS)

    assert unpack_maps(content, sha(content), name="x") == MAPS


def test_a_changed_byte_is_refused() -> None:
    content = pack_maps(MAPS)
    changed = content[:-1] + bytes([content[-1] ^ 1])

    with pytest.raises(ArtefactError, match="sha256"):
        unpack(changed, sha(content), name="x")


def test_a_type_that_is_not_trusted_is_refused_even_with_the_right_hash() -> None:
    from skops.io import dumps

    content = dumps({"maps": collections.Counter("aab"), "more": test_a_changed_byte_is_refused})

    with pytest.raises(ArtefactError, match="not trusted"):
        unpack(content, sha(content), name="x")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x80\x04N."])
def test_what_is_no_skops_file_is_refused(content: bytes) -> None:
    with pytest.raises(ArtefactError, match="not a skops file"):
        unpack(content, sha(content), name="x")


def test_what_holds_no_maps_is_refused() -> None:
    from skops.io import dumps

    content = dumps({"something": 1})

    with pytest.raises(ArtefactError, match="holds no maps"):
        unpack_maps(content, sha(content), name="x")


def test_the_newest_maps_of_a_folder_are_read(tmp_path: Path) -> None:
    write_file(tmp_path, trained(pack_maps(RiskMaps(model_version="tire-slow-leak-2", stretch=9.0))), 1)
    path = write_file(tmp_path, trained(pack_maps(MAPS)), 2)

    assert read_maps(tmp_path) == {"tire-slow-leak-2": MAPS}

    path.write_bytes(b"x" + path.read_bytes())
    with pytest.raises(ArtefactError, match="sha256"):
        read_maps(tmp_path)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_learner_goes_through_bytes_and_scores_the_same(kind: Kind) -> None:
    from models.learning.examples import feature_rows
    from models.learning.learner import make_learner

    predictor = TireSlowLeakPredictor()
    panel = panel_for(predictor)
    as_of = np.arange(len(panel.day))
    risk = predictor.predict(panel, as_of)
    names, x = feature_rows(panel, risk)
    known = np.isfinite(risk.probability)
    rows, labels = x[known], (np.arange(known.sum()) % 3 == 0).astype(int)
    learner = make_learner(kind, seed=0).fit(rows[:300], labels[:300])
    one = LearnedPredictor(base=predictor, number=1, learner=learner, names=names, threshold=0.0)
    content = pack_learner(learner, names=names, threshold=0.0)

    held = unpack(content, sha(content), name="x")
    other = LearnedPredictor(
        base=predictor,
        number=1,
        learner=held["learner"],
        names=tuple(held["names"]),
        threshold=held["threshold"],
    )

    found = one.predict(panel, as_of)
    assert np.array_equal(found.probability, other.predict(panel, as_of).probability, equal_nan=True)
    assert (np.isfinite(found.probability) == known).all()
    assert one.model_version == f"{predictor.model_version}+learned-1"
