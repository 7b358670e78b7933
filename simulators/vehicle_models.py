"""Vehicle models as the simulators need them, from the reference data."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
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

    @property
    def nominal_v(self) -> float:
        """Return the nominal voltage of the pack."""
        return self.cell_count * (3.7 if self.chemistry == "NCM" else 3.25)


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


@cache
def load_all_models() -> dict[str, VehicleModel]:
    """Return the vehicle models and two more that exist in simulations only: 84 cells, and 192 for 800 V.

    They have no bus database: their readings are simulated, not encoded.
    """
    models = load_models()
    own = {"dbc": "", "signal_map": {}}
    basis = models[next(iter(models))]
    small = replace(
        basis,
        model_id="simulated-84-ncm",
        cell_count=84,
        probe_count=21,
        capacity_ah=60.0,
        energy_kwh=18.5,
        **own,  # type: ignore[arg-type] # two fields of the model
    )
    tall = replace(
        basis,
        model_id="simulated-192-ncm",
        cell_count=192,
        probe_count=48,
        capacity_ah=105.0,
        energy_kwh=74.0,
        placard_kpa=(270.0, 270.0, 290.0, 290.0),
        **own,  # type: ignore[arg-type] # two fields of the model
    )
    return models | {small.model_id: small, tall.model_id: tall}


def model_named(model_id: str) -> VehicleModel:
    """Return one vehicle model.

    Raises:
        FleetError: There is no such model; names those there are.
    """
    models = load_models()
    if model_id not in models:
        raise FleetError(f"vehicle model {model_id!r}: must be one of {', '.join(models)}")
    return models[model_id]
