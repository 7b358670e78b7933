"""What the process keeps of the memory it frees."""

from __future__ import annotations

import ctypes
import platform

import pytest

from ingest.memory import keep_freed_memory


def test_the_c_library_of_gnu_takes_the_setting() -> None:
    assert keep_freed_memory() is (platform.libc_ver()[0] == "glibc")


def test_another_c_library_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())

    assert keep_freed_memory() is False
