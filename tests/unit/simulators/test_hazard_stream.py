"""A steady stream in which vehicle after vehicle is struck, each once, when its evidence is complete."""

from __future__ import annotations

import json

from simulators.hazard_stream import HazardStream, StreamPlan, vins_of

BEGAN_S = 1_767_000_000.0
PLAN = StreamPlan(
    tenant="demo",
    vins=tuple(vins_of(10)),
    boot="b",
    warm_up_s=20.0,
    seconds=8.0,
    hazards=4,
    evidence_s=15.0,
)


def stream_all() -> tuple[HazardStream, list[tuple[float, str, dict]]]:
    """Run 35 seconds; return the stream and time, topic and body of each message."""
    stream = HazardStream(PLAN)
    sent = []
    for number in range(350):
        at_s = number / 10
        topic, payload = stream.message(number % 10, at_s, BEGAN_S + at_s)
        sent.append((at_s, topic, json.loads(payload)))
    return stream, sent


def test_every_planned_vehicle_is_struck_once_and_in_time():
    stream, _ = stream_all()

    assert sorted(s.vin for s in stream.strikes) == list(PLAN.vins[:4])
    for strike in stream.strikes:
        due_s = PLAN.strikes_at(PLAN.vins.index(strike.vin))
        assert 0 <= strike.published_at - BEGAN_S - due_s <= 2.0


def test_an_alarm_is_one_event_of_level_three():
    _, sent = stream_all()
    events = [(topic, body) for _, topic, body in sent if topic.endswith("/event")]

    assert [topic.split("/")[3] for topic, _ in events] == [PLAN.vins[0], PLAN.vins[2]]
    assert {body["level"] for _, body in events} == {3}


def test_insulation_is_low_for_as_long_as_the_rule_wants_when_the_decisive_reading_goes_out():
    stream, sent = stream_all()
    for strike in (s for s in stream.strikes if s.kind == "insulation"):
        low = [
            body["t"][0]
            for _, topic, body in sent
            if strike.vin in topic and body["s"]["insulation"][0] < 100 and body["t"][0] <= strike.time_ms
        ]
        assert strike.time_ms - min(low) >= 15_000
        assert sorted(low)[-2] - min(low) < 15_000  # the reading before did not complete it


def test_who_is_not_struck_stays_healthy_and_numbers_count_without_gap():
    _, sent = stream_all()
    for vin in PLAN.vins[4:]:
        own = [body for _, topic, body in sent if vin in topic]
        assert {body["s"]["insulation"][0] for body in own} == {5000.0}
        assert [body["seq"] for body in own] == list(range(len(own)))
