import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from alerts.texts import Appointment, title_of, warning_text
from data.records import FailureMode, Severity

APPOINTMENT = Appointment(
    station_en="Anxin Partner Minhang",
    station_zh="安心伙伴·闵行店",
    distance_km=12.34,
    start=datetime(2026, 3, 10, 4, 15, tzinfo=UTC),
    hours=0.75,
    currency="CNY",
    total=Decimal("1131.12"),
    mode="drive_in",
    answer_within_minutes=15,
    time_zone="Asia/Shanghai",
)
URGENT_BATTERY = (
    "It needs service within 24 hours. Until then drive at most 80 km/h,"
    " do not fast-charge, charge to 80 % at most and park outdoors."
)
JARGON = re.compile(r"\b(ISC|BMS|SOC|cell|S[0-4]|probability|kPa|isolation)\b|电芯|概率", re.IGNORECASE)


def test_the_wording_of_a_slow_leak_is_fixed() -> None:
    text = warning_text("tire rear-left", FailureMode.TIRE_SLOW_LEAK, Severity.S3, APPOINTMENT)

    assert text.title_en == "Your rear-left tyre is slowly losing air"
    assert text.title_zh == "您的左后轮胎正在缓慢漏气"
    assert text.body_en == (
        "It needs service within 7 days. You can drive until then."
        " A place at Anxin Partner Minhang (12 km) is held for you on 10 Mar at 12:15, about 0.8 h,"
        " CNY 1,131.12 with tax. Please answer yes, no or later within 15 minutes."
    )
    assert text.body_zh == (
        "需要在 7 天内检修。在此之前可以正常行驶。已为您预留安心伙伴·闵行店（12 公里），3 月 10 日 12:15，"
        "约 0.8 小时，含税 1,131.12 元。请在 15 分钟内选择“同意”“不同意”或“稍后”。"
    )


@pytest.mark.parametrize(
    ("severity", "english", "chinese"),
    [
        (Severity.S0, "Stop now, switch off and get everyone out. Stay at least 15 metres away and call 119.",
         "请立即停车并关闭电源，所有人下车，远离车辆 15 米以上，并拨打 119。"),
        (Severity.S1, "Stop as soon as it is safe, at no more than 40 km/h, and do not drive on.",
         "请以不超过 40 公里/小时的速度尽快安全停车，不要继续行驶。"),
        (Severity.S2, URGENT_BATTERY,
         "需要在 24 小时内检修。在此之前车速请不要超过 80 公里/小时，不要快充，最多充到 80%，并停放在室外。"),
        (Severity.S3, "It needs service within 7 days. You can drive until then.",
         "需要在 7 天内检修。在此之前可以正常行驶。"),
        (Severity.S4, "It can wait for your next service visit.", "可以等到下次保养时处理。"),
    ],
)  # fmt: skip
def test_each_urgency_says_what_to_do_now(severity: Severity, english: str, chinese: str) -> None:
    text = warning_text("cell 82", FailureMode.CELL_INTERNAL_SHORT, severity, None)

    assert (
        text.body_en == f"{english} We are looking for a workshop and tell you as soon as there is a place."
    )
    assert text.body_zh == f"{chinese}我们正在为您安排维修站，一有结果会立即通知您。"


@pytest.mark.parametrize("mode", list(FailureMode))
@pytest.mark.parametrize("severity", list(Severity))
def test_no_warning_holds_jargon_or_gaps(mode: FailureMode, severity: Severity) -> None:
    component = "tire front-right" if mode.startswith("tire") else "cell 82"
    for offer in (None, APPOINTMENT):
        text = warning_text(component, mode, severity, offer)
        for part in (text.title_en, text.body_en, text.title_zh, text.body_zh):
            assert part
            assert "{" not in part
            assert not JARGON.search(part), part


def test_titles_tell_failure_modes_apart() -> None:
    titles = {title_of("tire front-left", mode) for mode in FailureMode}

    assert len(titles) == len(FailureMode)


def test_a_tow_is_announced_as_one() -> None:
    from dataclasses import replace

    text = warning_text("battery", FailureMode.ONBOARD_ALARM, Severity.S1, replace(APPOINTMENT, mode="tow"))

    assert "A tow to Anxin Partner Minhang" in text.body_en
    assert "拖车送往安心伙伴·闵行店" in text.body_zh
