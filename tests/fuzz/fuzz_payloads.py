"""Coverage-guided fuzzing of ingest from delivery to COPY, in one process, without a database.

``python -m tests.fuzz.fuzz_payloads --runs 200000 [--corpus DIRECTORY] [--seconds 600]``

The first byte of an input chooses the topic, the rest is the payload. The corpus begins with one message of
each kind from the simulators' encoders; what libFuzzer finds interesting is added to the directory. It ends
with a Python traceback and ``crash-…`` beside it when anything but a reject comes out, and with status 0
after the given number of runs.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ingest", "data"]):
    from tests.fuzz.corpus import TOPICS, sound_messages
    from tests.fuzz.mutation import mutate_payload
    from tests.fuzz.reading import Reader

#: Seconds that one input may take: a small payload must never keep the others waiting.
_SLOWEST_S = 5
_LONGEST_BYTES = 8192


def main() -> None:
    """Read the options and fuzz; does not return."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--runs", type=int, default=100_000, help="inputs to try; -1: until stopped")
    options.add_argument("--seconds", type=int, default=0, help="end after so long; 0: after the runs")
    options.add_argument("--corpus", type=Path, help="where inputs are kept from run to run")
    options.add_argument("--seed", type=int, default=1, help="0: another one each time")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="anxin-fuzz-") as temporary:
        corpus = chosen.corpus or Path(temporary)
        write_seeds(corpus)
        arguments = [
            sys.argv[0],
            str(corpus),
            f"-runs={chosen.runs}",
            f"-seed={chosen.seed}",
            f"-max_total_time={chosen.seconds}",
            f"-max_len={_LONGEST_BYTES}",
            f"-timeout={_SLOWEST_S}",
            f"-artifact_prefix={corpus}/",
            "-print_final_stats=1",
        ]
        atheris.Setup(arguments, _Target(), custom_mutator=_mutate)
        atheris.Fuzz()


def write_seeds(directory: Path) -> None:
    """Write one input for each kind of message."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, (topic, payload) in enumerate(sound_messages()):
        (directory / f"seed-{number:02}").write_bytes(bytes([TOPICS.index(topic)]) + payload)


class _Target:
    """One input: topic and payload."""

    def __init__(self) -> None:
        self._reader = Reader()

    def __call__(self, data: bytes) -> None:
        if data:
            self._reader.read([(TOPICS[data[0] % len(TOPICS)], data[1:])])
            self._reader.account.check()


def _mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Mutate bytes as libFuzzer does, or the structure that the payload has."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    if not data or rng.random() < 0.5:
        mutated: bytes = atheris.Mutate(data, max_size)
        return mutated
    return (data[:1] + mutate_payload(data[1:], rng))[:max_size]


if __name__ == "__main__":
    main()
