"""GB/T 32960 frames for tests; the seven vectors carry a made-up VIN."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pytest


class GbtFrames:
    """Published frames by name, and a builder for others."""

    VIN = "ANXNTEST000000001"
    TIME = bytes.fromhex("1a010f081e00")
    VECTORS: Mapping[str, str] = MappingProxyType(
        {
            "login": (
                "232301fe414e584e544553543030303030303030310100221a010f081e00000738393836303030303030"
                "303030303030303030310104504b3031f6"
            ),
            "short": (
                "232302fe414e584e544553543030303030303030310100251a010f081e000102030100000000151d0c92"
                "271a33011f0445004d0500073d8aa401dc89c0ea"
            ),
            "full": (
                "232302fe414e584e544553543030303030303030310100711a010f081e000101030101d4000119b8012a"
                "252d1a011e115c0006020101024d56874bd76c012a257d0500073d8aa401dc89c00601040ea101080e6a"
                "01024c01044907000000000000000000080101012a252d00080001080e890e8c0e8b0ea10e8a0e8c0e8b"
                "0e6a09010100044b4c4a491e"
            ),
            "alarm": (
                "232302fe414e584e5445535430303030303030303101001c1a010f081e00070300002c02010001000300"
                "00020008000200090025d0"
            ),
            "sentinels": (
                "232302fe414e584e5445535430303030303030303101002a1a010f081e0001fffffffffffffffffffffe"
                "fffffeff3ffffffffe06ffffffffffffffffffffffffffff2d"
            ),
            "resupply": (
                "232303fe414e584e5445535430303030303030303101001a1a010f081e0008010119031e57018000c904"
                "0d020d030d140cd60f"
            ),
            "edition_2025": (
                "242402fe414e584e5445535430303030303030303101005f1a010f081e000101030101d4000119b81be2"
                "75464b011f1999020101024d856700030af76c050002073d8aa401dc89c0060200800000000000000117"
                "020701011be2754600040f750f780f760f7908010100024647ff020004010203040000e1"
            ),
        }
    )

    def hex(self, name: str) -> str:
        return self.VECTORS[name]

    def build(
        self,
        data: bytes,
        *,
        command: int = 2,
        response: int = 0xFE,
        start: bytes = b"##",
        encryption: int = 1,
    ) -> bytes:
        """Return a frame around a data unit, with the right length and checksum."""
        header = bytes([command, response]) + self.VIN.encode() + bytes([encryption])
        body = header + len(data).to_bytes(2, "big") + data
        checksum = 0
        for byte in body:
            checksum ^= byte
        return start + body + bytes([checksum])


@pytest.fixture(scope="session")
def gbt() -> GbtFrames:
    return GbtFrames()
