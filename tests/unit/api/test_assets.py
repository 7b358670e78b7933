from __future__ import annotations

import hashlib
import json
import re
import tomllib
from importlib import resources
from pathlib import Path

WEB = Path(str(resources.files("api").joinpath("web")))
VENDOR = WEB / "static" / "vendor"


def test_every_vendored_file_is_listed_with_its_digest_and_has_a_licence() -> None:
    listed = tomllib.loads((VENDOR / "VERSIONS.toml").read_text("utf-8"))

    for folder in (path for path in VENDOR.iterdir() if path.is_dir()):
        files = {path.name: path for path in folder.iterdir()}
        assert any(name.startswith("LICENSE") for name in files), folder.name
        digests = {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in files.items()
            if not name.startswith("LICENSE")
        }
        assert listed[folder.name]["sha256"] == digests
        assert {"package", "version", "licence"} <= set(listed[folder.name])


def test_no_page_needs_the_internet_or_an_inline_script_or_style() -> None:
    for template in (WEB / "templates").iterdir():
        text = template.read_text("utf-8")
        assert not re.search(r"""(src|href)=["'](https?:)?//""", text), template.name
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), template.name
        assert not re.search(r"""<style|\sstyle=|\son[a-z]+=""", text), template.name


def test_every_asset_that_a_page_names_is_there() -> None:
    texts = [path.read_text("utf-8") for path in (WEB / "templates").iterdir()]
    texts += [path.read_text("utf-8") for path in (WEB / "static").glob("*.js*")]

    named = {name for text in texts for name in re.findall(r"/static/([\w./-]+\.\w+)", text)}
    assert len(named) > 10
    assert {name for name in named if not (WEB / "static" / name).is_file()} == set()


def test_the_coastline_is_a_small_polygon_around_the_fleet() -> None:
    land = json.loads((VENDOR / "natural-earth" / "land.geojson").read_text("utf-8"))
    points = [
        point
        for polygon in land["features"][0]["geometry"]["coordinates"]
        for ring in polygon
        for point in ring
    ]

    assert min(lon for lon, _ in points) >= 66
    assert max(lat for _, lat in points) <= 58
    assert 1000 < len(points) < 10_000
