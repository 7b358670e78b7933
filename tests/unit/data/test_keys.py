import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from data.errors import KeysError
from data.keys import load_push_keys


def test_the_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first, second = load_push_keys(home), load_push_keys(home)

    assert first == second
    assert stat.S_IMODE((home / "vapid.pem").stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["vapid.pem"]


def test_the_public_key_is_an_uncompressed_point(tmp_path: Path) -> None:
    point = base64.urlsafe_b64decode(load_push_keys(tmp_path).public_key + "=")

    assert (len(point), point[0]) == (65, 4)


def test_two_starters_agree_on_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as executor:
        keys = set(executor.map(load_push_keys, [tmp_path] * 8))

    assert len(keys) == 1


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "vapid.pem").write_text("no key")
    with pytest.raises(KeysError, match=r"vapid\.pem: must hold a private key"):
        load_push_keys(tmp_path)


def test_a_derived_key_is_the_same_for_one_purpose_and_another_for_another(tmp_path: Path) -> None:
    keys = load_push_keys(tmp_path)

    assert keys.derive("one") == load_push_keys(tmp_path).derive("one")
    assert len({keys.derive("one"), keys.derive("two"), keys.private_pem}) == 3
