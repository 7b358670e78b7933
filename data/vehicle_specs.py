"""Vehicle models as the facts that features and predictors need: those shipped, or those of a database."""

from __future__ import annotations

from collections.abc import Sequence

from data.errors import ReferenceDataError
from data.records import VehicleSpec
from data.reference_rows import ModelRow, read_reference


def shipped_specs() -> list[VehicleSpec]:
    """Return the vehicle models of the reference data."""
    return [_spec_of(model) for model in read_reference().models]


def find_spec(model_id: str, models: Sequence[VehicleSpec] | None = None) -> VehicleSpec:
    """Return the facts of one vehicle model.

    Args:
        model_id: Its name.
        models: Where to look; the shipped ones by default.

    Raises:
        ReferenceDataError: There is no such model; names those there are.
    """
    known = {spec.model_id: spec for spec in (shipped_specs() if models is None else models)}
    if model_id not in known:
        raise ReferenceDataError(f"vehicle model {model_id!r}: must be one of {', '.join(sorted(known))}")
    return known[model_id]


def find_like(spec: VehicleSpec, models: Sequence[VehicleSpec] | None = None) -> VehicleSpec:
    """Return the model that a recording's vehicle resembles: same cells and probes, same chemistry.

    Args:
        spec: What the recording shows.
        models: Where to look; the shipped ones by default.

    Raises:
        ReferenceDataError: None has as many cells and probes; says what to do.
    """
    known = shipped_specs() if models is None else models
    same = [model for model in known if _misfit(model, spec) is None]
    if not same:
        raise ReferenceDataError(
            f"recording: has {spec.cell_count} cells and {spec.probe_count} probes, no vehicle model has:"
            " add one with anxin models import"
        )
    return next((model for model in same if model.chemistry == spec.chemistry), same[0])


def check_fits(model: VehicleSpec, recording: VehicleSpec) -> None:
    """Check that a vehicle of ``model`` could have sent a recording.

    Raises:
        ReferenceDataError: The recording has another number of cells or probes; names both.
    """
    misfit = _misfit(model, recording)
    if misfit:
        raise ReferenceDataError(f"recording: {misfit}")


def _misfit(model: VehicleSpec, recording: VehicleSpec) -> str | None:
    for what in ("cell_count", "probe_count"):
        ours, theirs = getattr(model, what), getattr(recording, what)
        if theirs not in (0, ours):
            noun = what.removesuffix("_count") + "s"
            return f"has {theirs} {noun}, vehicle model {model.model_id!r} has {ours}"
    return None


def _spec_of(row: ModelRow) -> VehicleSpec:
    return VehicleSpec(
        model_id=row.model_id,
        chemistry=row.chemistry,
        cell_count=row.cell_count,
        probe_count=row.probe_count,
        capacity_ah=row.capacity_ah,
        wheels=tuple(row.wheels),
        placard_kpa=tuple(row.placard_kpa),
    )
