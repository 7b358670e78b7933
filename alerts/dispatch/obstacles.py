"""What rules a station out for a job, and whose bays and people fit. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from alerts.dispatch.jobs import Job, JobPart
from alerts.dispatch.modes import Way
from alerts.dispatch.stations import Bay, PassedOver, Station, Technician
from alerts.rules import Mode

#: Why stations are passed over, as a summary counts them.
SUMMARY: Final = MappingProxyType(
    {
        "too_far": "too far",
        "no_certificate": "without high-voltage certificate",
        "no_bay": "without a fit bay",
        "no_skill": "without the skill",
        "no_van": "without a fit van",
        "no_pickup": "without pick-up service",
        "no_part": "without the part",
        "part_coming": "with the part only on its way",
        "no_slot": "without free time",
        "gave_back": "gave the work back",
        "low_rating": "rated low",
        "not_preferred": "not the owner's own",
        "batch": "dearer in this round",
    }
)
Obstacle = tuple[str, str, str]  #: code, reason in English and Chinese
NO_SLOT: Final[Obstacle] = (
    "no_slot",
    "no free bay and technician before the deadline",
    "截止时间前没有空闲工位和技师",
)
PART_COMING: Final[Obstacle] = (
    "part_coming",
    "the part is only on its way there",
    "备件尚在运往该站途中",
)


def static_obstacle(station: Station, job: Job, way: Way, way_km: float) -> Obstacle | None:
    """Return what rules a station out whatever the time, or None."""
    if way_km > way.limit_km:
        return (
            "too_far",
            f"{way_km:.0f} km by road, at most {way.limit_km:.0f} km ({way.limit_en})",
            f"路程 {way_km:.0f} 公里，超出可达范围（{way.limit_zh} {way.limit_km:.0f} 公里）",
        )
    if job.needs_hv and not station.has_hv_certificate:
        return ("no_certificate", "no high-voltage certificate", "没有高压维修资质")
    if way.mode is Mode.PICKUP and Mode.PICKUP not in station.fees:
        return ("no_pickup", "does not fetch vehicles", "不提供上门取车")
    if way.mode is Mode.MOBILE:
        if not fit_technicians(station, job, is_mobile=True):
            return ("no_van", "no van with the skill and the part", "没有具备技能和备件的服务车")
        return None
    if not fit_bays(station, job):
        return ("no_bay", f"no {' + '.join(sorted(job.bay_kinds))} bay", "没有合适的工位")
    if not fit_technicians(station, job):
        return ("no_skill", f"no technician with {' + '.join(sorted(job.skills))}", "没有具备技能的技师")
    return None


def missing(part: JobPart) -> Obstacle:
    """Return what a part that is not there says of a station."""
    return ("no_part", f"{part.name_en} not in stock", f"{part.name_zh}缺货")


def fit_bays(station: Station, job: Job) -> list[Bay]:
    """Return the bays fit for the job, the least special first: special ones are kept for what needs them."""
    return sorted(
        (b for b in station.bays if job.bay_kinds <= b.kinds), key=lambda b: (len(b.kinds), b.bay_id)
    )


def fit_technicians(station: Station, job: Job, *, is_mobile: bool = False) -> list[Technician]:
    """Return who can do the job, at the station or with a van that carries its parts; least skilled first."""
    skus = {part.sku for part in job.parts}
    fit = (
        t
        for t in station.technicians
        if job.skills <= t.skills
        and (t.carries is not None) == is_mobile
        and (not is_mobile or skus <= (t.carries or set()))
    )
    return sorted(fit, key=lambda t: (len(t.skills), t.technician_id))


def summary_of(passed: Sequence[PassedOver]) -> str:
    """Return why no station can do it, counted."""
    counted = Counter(p.code for p in passed).most_common()
    return "no station can do it: " + ", ".join(f"{count} {SUMMARY[code]}" for code, count in counted)
