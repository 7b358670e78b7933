import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from alerts.rules import Mode
from alerts.telling.texts import _WAYS, Appointment, title_of, warning_text
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


@pytest.mark.parametrize(
    ("mode", "english", "chinese"),
    [
        ("drive_in", "A place at Anxin Partner Minhang (12 km) is held for you on 10 Mar",
         "已为您预留安心伙伴·闵行店（12 公里），3 月 10 日"),
        ("tow", "A tow to Anxin Partner Minhang (12 km) is held for you on 10 Mar",
         "拖车送往安心伙伴·闵行店（12 公里），3 月 10 日"),
        ("mobile", "A van of Anxin Partner Minhang (12 km away) comes to your car on 10 Mar",
         "安心伙伴·闵行店（12 公里）的服务车上门维修，3 月 10 日"),
        ("pickup", "A driver of Anxin Partner Minhang (12 km) fetches your car on 10 Mar",
         "安心伙伴·闵行店（12 公里）派人上门取车，3 月 10 日"),
    ],
)  # fmt: skip
def test_the_owner_is_told_who_comes_to_whom(mode: str, english: str, chinese: str) -> None:
    text = warning_text("battery", FailureMode.ONBOARD_ALARM, Severity.S1, replace(APPOINTMENT, mode=mode))

    assert english in text.body_en
    assert chinese in text.body_zh


def test_every_way_to_the_work_has_its_words() -> None:
    assert set(_WAYS) == {str(mode) for mode in Mode}


_M = FailureMode
TITLES = {
    _M.TIRE_SLOW_LEAK: ("Your rear-left tyre is slowly losing air", "您的左后轮胎正在缓慢漏气"),
    _M.TIRE_TOPPED_UP_LEAK: (
        "Your rear-left tyre keeps losing air between refills",
        "您的左后轮胎充气后仍在漏气",
    ),
    _M.TIRE_PUNCTURE: ("Your rear-left tyre is losing air fast", "您的左后轮胎正在快速漏气"),
    _M.TIRE_BLOWOUT_RISK: (
        "Your rear-left tyre is dangerously hot or soft",
        "您的左后轮胎过热或气压过低，有爆胎危险",
    ),
    _M.CELL_INTERNAL_SHORT: (
        "Part of your battery is losing charge by itself",
        "您的动力电池有一处在自行放电",
    ),
    _M.CELL_WEAK: ("Part of your battery is weaker than the rest", "您的动力电池有一处明显偏弱"),
    _M.CELL_IMBALANCE: ("Your battery is out of balance", "您的动力电池不均衡"),
    _M.CELL_RESISTANCE: ("Part of your battery has aged early", "您的动力电池有一处提前老化"),
    _M.BATTERY_CAPACITY_FADE: ("Your battery holds less than it should", "您的动力电池容量低于应有水平"),
    _M.BATTERY_THERMAL_EVENT: (
        "Your battery is overheating and may catch fire",
        "您的动力电池过热，有起火危险",
    ),
    _M.INSULATION_LOSS: ("The electrical insulation of your car is damaged", "您的车辆高压绝缘受损"),
    _M.COOLING_LOSS: ("The cooling of your car is failing", "您的车辆冷却系统正在失效"),
    _M.MOTOR_THERMAL: ("The motor of your car is getting too hot", "您的车辆电机温度过高"),
    _M.INVERTER_THERMAL: ("The power electronics of your car are getting too hot", "您的车辆电控温度过高"),
    _M.DCDC_FAULT: ("The on-board power supply of your car is failing", "您的车辆低压供电正在失效"),
    _M.LV_BATTERY: ("The small 12-volt battery of your car is failing", "您的车辆 12 伏小电瓶即将失效"),
    _M.BRAKE_DRAG: ("A brake of your car does not release", "您的车辆有一处制动不能完全松开"),
    _M.SENSOR_FAULT: ("A sensor of your car has failed", "您的车辆有一个传感器失效"),
    _M.ONBOARD_ALARM: ("Your car reports a serious battery problem", "您的车辆报告动力电池严重异常"),
}
CALM_S2 = (
    "It needs service within 24 hours. Until then drive at most 80 km/h.",
    "需要在 24 小时内检修。在此之前车速请不要超过 80 公里/小时。",
)


@pytest.mark.parametrize("mode", list(FailureMode))
def test_the_wording_of_every_failure_mode_is_fixed(mode: FailureMode) -> None:
    assert title_of("tire rear-left", mode) == TITLES[mode]


@pytest.mark.parametrize("mode", [m for m in FailureMode if not m.startswith(("cell", "battery"))])
def test_advice_about_charging_is_given_where_the_battery_is_in_danger_only(mode: FailureMode) -> None:
    text = warning_text("tire rear-left", mode, Severity.S2, None)

    is_battery = mode in (_M.COOLING_LOSS, _M.INSULATION_LOSS, _M.ONBOARD_ALARM)
    assert ("fast-charge" in text.body_en, "快充" in text.body_zh) == (is_battery, is_battery)
    if not is_battery:
        assert text.body_en.startswith(CALM_S2[0])
        assert text.body_zh.startswith(CALM_S2[1])


def test_a_tire_without_a_known_place_is_a_tyre_and_not_a_code() -> None:
    assert title_of("tire axle3-left", _M.TIRE_PUNCTURE) == (
        "Your tyre is losing air fast",
        "您的轮胎正在快速漏气",
    )


#: Every number an owner may read: with its unit, a time, a date, money, or the number to call.
MEASURED = re.compile(
    r"\d+-volt|\d+ 伏|call 119|拨打 119|\d+ metres|\d+ 米|\d+ km(/h)?|\d+ 公里(/小时)?|\d+ ?%"
    r"|\d+(\.\d)? (h|hours|days|minutes)\b|\d+(\.\d)? (小时|天|分钟)|CNY [\d,.]+\d|[\d,.]+ 元"
    r"|\d\d [A-Z][a-z]{2} at \d\d:\d\d|\d+ 月 \d+ 日 \d\d:\d\d"
)


@pytest.mark.parametrize("mode", list(FailureMode))
def test_no_number_stands_without_its_unit(mode: FailureMode) -> None:
    for severity in Severity:
        for offer in (None, *(replace(APPOINTMENT, mode=way) for way in _WAYS)):
            text = warning_text("tire rear-left", mode, severity, offer)
            for part in (text.title_en, text.body_en, text.title_zh, text.body_zh):
                assert not re.search(r"\d", MEASURED.sub("", part)), part
