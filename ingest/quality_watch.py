"""The checks that follow vehicles over time, together: clocks, stuck signals, silent tire sensors.

They mask nothing; what they find is counted beside what is masked. One process sees the vehicles, and the
samples of a vehicle, that the broker gives it; each check holds for any part of them, so that any number of
processes may share a fleet in any order. The memory is bounded and fills again after a start.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from data.catalogue import Catalogue
from data.records import BoolArray, Family, FamilyRows, IntArray
from ingest.quality_clocks import ClockTold, ClockWatch
from ingest.quality_still import StillWatch
from ingest.tally import Tally

#: Vehicles that one process remembers; each takes about 1 kB.
VEHICLE_LIMIT = 50_000
#: Findings are stored so often, or when so many kinds have gathered: a fleet whose messages all lack a field
#: would else write more findings than readings.
_TELL_EVERY_US = 60_000_000
_MOST_KINDS = 50_000


class QualityWatch:
    """What one ingest process remembers of its vehicles.

    Args:
        catalogue: Which signals may stand still for how long.
        clock_limit_s: A clock further off is reported.
        vehicle_limit: Vehicles remembered; beyond, those heard from longest ago are forgotten.
    """

    def __init__(
        self, catalogue: Catalogue, *, clock_limit_s: float, vehicle_limit: int = VEHICLE_LIMIT
    ) -> None:
        self._clocks = ClockWatch(limit_s=clock_limit_s, vehicle_limit=vehicle_limit)
        self._still = StillWatch(catalogue, vehicle_limit=vehicle_limit)
        self._gathered = Tally()
        self._told_us = 0
        self.now_us = 0  #: newest receipt seen

    def observe_messages(
        self,
        vehicle_id: npt.NDArray[np.integer],
        sent_us: IntArray,
        received_us: IntArray,
        is_live: BoolArray,
        tally: Tally,
    ) -> list[ClockTold]:
        """Follow the clocks; see ``ClockWatch.observe``."""
        self.now_us = max(self.now_us, int(received_us.max()))
        return self._clocks.observe(vehicle_id, sent_us, received_us, is_live, tally)

    def observe_rows(self, families: Mapping[Family, FamilyRows], tally: Tally) -> None:
        """Follow the values of a batch whose rows are sorted by vehicle, then time; call it last.

        The findings of the batch are gathered: ``tally`` is left empty, or, about once a minute, with all
        that has been gathered, to be stored with this batch. A process that is killed forgets those of the
        last minute; the batch log counts them all the same.
        """
        if Family.DRIVE in families:
            self._still.observe_drive(families[Family.DRIVE], tally)
        if Family.TIRE in families:
            self._still.observe_tires(families[Family.TIRE], tally)
        self._gathered.counts.update(tally.counts)
        tally.counts.clear()
        if self.now_us - self._told_us >= _TELL_EVERY_US or len(self._gathered.counts) > _MOST_KINDS:
            tally.counts.update(self.take_gathered().counts)

    def take_gathered(self) -> Tally:
        """Return what has been gathered since it was last told, and begin anew; for the end of a process."""
        gathered, self._gathered, self._told_us = self._gathered, Tally(), self.now_us
        return gathered
