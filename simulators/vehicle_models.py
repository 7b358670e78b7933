"""Vehicle models as the simulators need them, from the reference data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from simulators.errors import FleetError


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleModel:
    """One entry of ``data/reference/vehicle_models.toml``."""

    model_id: str
    chemistry: str
    cell_count: int
    probe_count: int
    capacity_ah: float
    energy_kwh: float
    placard_kpa: tuple[float, ...]  #: gauge, cold, wheels front-left, front-right, rear-left, rear-right
    dbc: str  #: text of the bus database
    signal_map: dict[str, dict[str, object]]


@cache
def load_models() -> dict[str, VehicleModel]:
    """Return the vehicle models by their id, in file order."""
    folder = resources.files("data")
    entries = tomllib.loads(folder.joinpath("reference", "vehicle_models.toml").read_text("utf-8"))
    models: dict[str, VehicleModel] = {}
    for entry in entries["vehicle_models"]:
        models[entry["model_id"]] = VehicleModel(
            model_id=entry["model_id"],
            chemistry=entry["chemistry"],
            cell_count=entry["cell_count"],
            probe_count=entry["probe_count"],
            capacity_ah=entry["capacity_ah"],
            energy_kwh=entry["energy_kwh"],
            placard_kpa=tuple(entry["placard_kpa"]),
            dbc=folder.joinpath("dbc", entry["dbc"]).read_text("utf-8"),
            signal_map=entry["signal_map"],
        )
    return models


def model_named(model_id: str) -> VehicleModel:
    """Return one vehicle model.

    Raises:
        FleetError: There is no such model; names those there are.
    """
    models = load_models()
    if model_id not in models:
        raise FleetError(f"vehicle model {model_id!r}: must be one of {', '.join(models)}")
    return models[model_id]
