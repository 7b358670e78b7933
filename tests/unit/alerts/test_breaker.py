from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.breaker import WINDOW, admit, limit_of
from alerts.facts import Combination
from alerts.rules import BreakerRule
from data.records import FailureMode

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MADE_BY = Combination(
    tenant_id=1, failure_mode=FailureMode.CELL_WEAK, model_version="v1", model_id="anxin-sedan-96-ncm"
)


@dataclass
class MemoryStore:
    """Trips and orders of one combination."""

    fleet: int = 0
    orders: list[datetime] = field(default_factory=list)
    trips: list[datetime | None] = field(default_factory=list)  # when each was released
    after: datetime = NOON  # orders are counted from then

    def enter(self, made_by: Collection[Combination], *, after: datetime) -> None:
        self.after = after

    def open_trip(self, made_by: Combination) -> int | None:
        return len(self.trips) if self.trips and self.trips[-1] is None else None

    def order_count(self, made_by: Combination) -> int:
        released = [at for at in self.trips if at is not None]
        return sum(at > self.after and all(at >= release for release in released) for at in self.orders)

    def add_order(self, made_by: Combination) -> None: ...

    def count_fleet(self, made_by: Combination) -> int:
        return self.fleet

    def insert_trip(self, made_by: Combination, **_: object) -> int:
        self.trips.append(None)
        return len(self.trips)


@settings(deadline=None)
@given(
    fleet=st.integers(0, 200),
    number=st.integers(1, 6),
    steps=st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=60),
)
def test_no_hour_between_two_releases_sees_more_orders_than_the_limit(
    fleet: int, number: int, steps: list[tuple[int, bool]]
) -> None:
    rule, store, now = BreakerRule(orders_per_hour=number, fleet_share=0.05), MemoryStore(fleet), NOON
    limit, spans = limit_of(rule, fleet), [[]]  # type: ignore[var-annotated]
    for minutes, is_release in steps:
        now += timedelta(minutes=minutes)
        if is_release and store.open_trip(MADE_BY):
            store.trips[-1] = now
            spans.append([])
            now += timedelta(microseconds=1)
        elif admit(store, MADE_BY, rule, now) is None:  # type: ignore[arg-type]
            store.orders.append(now)
            spans[-1].append(now)

    for span in spans:
        for first in span:
            assert sum(first <= at < first + WINDOW for at in span) <= limit


@settings(deadline=None)
@given(minutes=st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_a_trip_holds_everything_back_until_a_person_decides(minutes: list[int]) -> None:
    store, now = MemoryStore(trips=[None]), NOON
    for pause in minutes:
        now += timedelta(minutes=pause)
        assert admit(store, MADE_BY, BreakerRule(orders_per_hour=1, fleet_share=0), now) == 1  # type: ignore[arg-type]
