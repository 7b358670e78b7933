import cantools
import pytest

from data.catalogue import load_catalogue
from simulators.errors import FleetError
from simulators.vehicle_models import load_models, model_named


@pytest.mark.parametrize("model", load_models().values(), ids=lambda m: m.model_id)
def test_signal_map_fills_every_cell_probe_and_wheel_once(model) -> None:  # type: ignore[no-untyped-def]
    catalogue = load_catalogue()
    database = cantools.database.load_string(model.dbc, "dbc")
    names = {f"{message.name}.{signal.name}" for message in database.messages for signal in message.signals}
    elements: dict[str, list[object]] = {}
    for name, entry in model.signal_map.items():
        assert name in names
        elements.setdefault(str(entry["alias"]), []).append(entry.get("index"))

    for alias, indexes in elements.items():
        shape = catalogue.signals[alias].shape
        count = {"cell": model.cell_count, "probe": model.probe_count, "wheel": 4}.get(shape)
        assert indexes == ([None] if count is None else list(range(count))), alias


def test_chemistries_differ_among_the_models() -> None:
    models = load_models().values()

    assert len(models) >= 4
    assert {m.chemistry for m in models} == {"NCM", "LFP"}
    assert {m.cell_count for m in models} == {88, 96, 108}


def test_unknown_model_is_refused_with_those_there_are() -> None:
    with pytest.raises(FleetError, match="anxin-sedan-96-ncm"):
        model_named("no-such-model")
