"""Drains measured in turn, so that a machine's mood meets them all alike; the median of the rounds counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Drain = Callable[[int], dict[str, Any]]
_DRAIN_S = 12.0
_PROBE = 40_000


class Counts:
    """How many messages each drain takes; without a number, enough for ten timed seconds and a warm-up."""

    def __init__(self, messages: int | None) -> None:
        self._is_automatic = messages is None
        n = messages or _PROBE
        self._counts = {
            "a": n, "two_processes": n, "b": max(1000, n // 8), "b_typed": max(1000, n // 8),
            "naive_a": n // 2, "naive_b": max(100, n // 60),
        }  # fmt: skip

    def probe(self, name: str, drain: Drain) -> None:
        """Let a short drain, which is not counted, tell how many messages a long one needs."""
        if self._is_automatic:
            self._counts[name] = round(drain(self._counts[name])["messages_per_s"] * _DRAIN_S)

    def __getitem__(self, name: str) -> int:
        return self._counts[name]


def measure_in_turn(drains: Mapping[str, Drain], counts: Counts, rounds: int) -> dict[str, Any]:
    """Return the median round of each drain, and its ratio to the naive peer's.

    Args:
        drains: Name -> drains so many messages and returns its rates; ``naive_a`` or ``naive_b`` is the peer
            of all others, ``two_processes`` is compared with ``a``.
        counts: Messages of each.
        rounds: How often each is measured, one after the other.
    """
    for name, drain in drains.items():
        counts.probe(name, drain)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in drains}
    for _ in range(rounds):
        for name, drain in drains.items():
            found[name].append(drain(counts[name]))
    result = {name: _middle(rows) for name, rows in found.items()}
    for peer in [name for name in drains if name.startswith("naive")]:
        naive = result.pop(peer)
        for name in result.keys() - {"two_processes"}:
            ours = result[name]
            ours |= {
                "naive": naive,
                "ratio": ours["messages_per_s"] / naive["messages_per_s"],
                "ratios": [
                    round(one["messages_per_s"] / other["messages_per_s"], 2)
                    for one, other in zip(found[name], found[peer], strict=True)
                ],
            }
    if "two_processes" in result:
        two = result["two_processes"]
        two["speed_up"] = two["messages_per_s"] / result["a"]["messages_per_s"]
    return result


def _middle(rows: list[dict[str, Any]]) -> dict[str, Any]:
    ordered = sorted(rows, key=lambda row: float(row["messages_per_s"]))
    rates = [round(row["messages_per_s"], 1) for row in rows]
    return ordered[len(ordered) // 2] | {"messages_per_s_of_rounds": rates}
