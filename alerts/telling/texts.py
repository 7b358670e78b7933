"""What owners read, in Chinese and English: what, how urgent, what to do now, what happens next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import assert_never
from zoneinfo import ZoneInfo

from data.records import FailureMode, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class WarningText:
    """Title and body in both languages."""

    title_en: str
    title_zh: str
    body_en: str
    body_zh: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """What is offered to the owner."""

    station_en: str
    station_zh: str
    distance_km: float
    start: datetime
    hours: float
    currency: str
    total: Decimal  #: what the owner pays
    mode: str  #: ``drive_in``, ``tow``, ``mobile``, ``pickup``
    answer_within_minutes: int
    time_zone: str


_WHEELS = MappingProxyType(
    {
        "front-left": ("front-left tyre", "左前轮胎"),
        "front-right": ("front-right tyre", "右前轮胎"),
        "rear-left": ("rear-left tyre", "左后轮胎"),
        "rear-right": ("rear-right tyre", "右后轮胎"),
    }
)
_M = FailureMode
#: What is wrong; ``{0}`` is the component.
_WHAT: Mapping[FailureMode, tuple[str, str]] = MappingProxyType(
    {
        _M.TIRE_SLOW_LEAK: ("Your {0} is slowly losing air", "您的{0}正在缓慢漏气"),
        _M.TIRE_TOPPED_UP_LEAK: ("Your {0} keeps losing air between refills", "您的{0}充气后仍在漏气"),
        _M.TIRE_PUNCTURE: ("Your {0} is losing air fast", "您的{0}正在快速漏气"),
        _M.TIRE_BLOWOUT_RISK: ("Your {0} is dangerously hot or soft", "您的{0}过热或气压过低，有爆胎危险"),
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
        _M.INVERTER_THERMAL: (
            "The power electronics of your car are getting too hot",
            "您的车辆电控温度过高",
        ),
        _M.DCDC_FAULT: ("The on-board power supply of your car is failing", "您的车辆低压供电正在失效"),
        _M.LV_BATTERY: ("The small 12-volt battery of your car is failing", "您的车辆 12 伏小电瓶即将失效"),
        _M.BRAKE_DRAG: ("A brake of your car does not release", "您的车辆有一处制动不能完全松开"),
        _M.SENSOR_FAULT: ("A sensor of your car has failed", "您的车辆有一个传感器失效"),
        _M.ONBOARD_ALARM: ("Your car reports a serious battery problem", "您的车辆报告动力电池严重异常"),
    }
)
_BATTERY = frozenset(
    {_M.CELL_INTERNAL_SHORT, _M.CELL_WEAK, _M.CELL_IMBALANCE, _M.CELL_RESISTANCE, _M.COOLING_LOSS,
     _M.BATTERY_THERMAL_EVENT, _M.INSULATION_LOSS, _M.ONBOARD_ALARM}
)  # fmt: skip

#: How vehicle and work come together; ``{0}`` is the station, ``{1}`` the distance in km.
_WAYS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "drive_in": ("A place at {0} ({1} km) is held for you on", "已为您预留{0}（{1} 公里）"),
        "tow": ("A tow to {0} ({1} km) is held for you on", "拖车送往{0}（{1} 公里）"),
        "mobile": ("A van of {0} ({1} km away) comes to your car on", "{0}（{1} 公里）的服务车上门维修"),
        "pickup": ("A driver of {0} ({1} km) fetches your car on", "{0}（{1} 公里）派人上门取车"),
    }
)


def _urgency(severity: Severity, failure_mode: FailureMode) -> tuple[str, str]:
    """Return how urgent it is and what to do now."""
    match severity:
        case Severity.S0:
            return (
                "Stop now, switch off and get everyone out. Stay at least 15 metres away and call 119.",
                "请立即停车并关闭电源，所有人下车，远离车辆 15 米以上，并拨打 119。",
            )
        case Severity.S1:
            return (
                "Stop as soon as it is safe, at no more than 40 km/h, and do not drive on.",
                "请以不超过 40 公里/小时的速度尽快安全停车，不要继续行驶。",
            )
        case Severity.S2:
            battery = failure_mode in _BATTERY
            return (
                "It needs service within 24 hours. Until then drive at most 80 km/h"
                + (", do not fast-charge, charge to 80 % at most and park outdoors." if battery else "."),
                "需要在 24 小时内检修。在此之前车速请不要超过 80 公里/小时"
                + ("，不要快充，最多充到 80%，并停放在室外。" if battery else "。"),
            )
        case Severity.S3:
            return (
                "It needs service within 7 days. You can drive until then.",
                "需要在 7 天内检修。在此之前可以正常行驶。",
            )
        case Severity.S4:
            return ("It can wait for your next service visit.", "可以等到下次保养时处理。")
        case _:
            assert_never(severity)


def _component_names(component: str) -> tuple[str, str]:
    return _WHEELS.get(component.removeprefix("tire "), ("tyre", "轮胎"))


def title_of(component: str, failure_mode: FailureMode) -> tuple[str, str]:
    """Return what is wrong, in English and Chinese."""
    names, (what_en, what_zh) = _component_names(component), _WHAT[failure_mode]
    return what_en.format(names[0]), what_zh.format(names[1])


def warning_text(
    component: str,
    failure_mode: FailureMode,
    severity: Severity,
    appointment: Appointment | None,
    *,
    is_placed: bool = False,
) -> WarningText:
    """Return the warning for one alert and what happens next.

    Args:
        component: ``tire rear-left``, ``cell 82``, …
        failure_mode: What is wrong.
        severity: How urgent it is.
        appointment: What is offered; None where nothing new is.
        is_placed: Without an offer: an earlier appointment stands. Else the search for a station goes on.
    """
    title_en, title_zh = title_of(component, failure_mode)
    urgency_en, urgency_zh = _urgency(severity, failure_mode)
    next_en, next_zh = _next_step(appointment, is_placed=is_placed)
    return WarningText(
        title_en=title_en,
        title_zh=title_zh,
        body_en=f"{urgency_en} {next_en}",
        body_zh=f"{urgency_zh}{next_zh}",
    )


def finding_text(component: str, failure_mode: FailureMode) -> WarningText:
    """Return the note on something that waits for the next visit, unless the owner asks for it sooner."""
    title_en, title_zh = title_of(component, failure_mode)
    urgency_en, urgency_zh = _urgency(Severity.S4, failure_mode)
    return WarningText(
        title_en=title_en,
        title_zh=title_zh,
        body_en=f"{urgency_en} We bring it up when your car is next at a workshop;"
        " if you would like it done sooner, ask for an appointment in the app.",
        body_zh=f"{urgency_zh}下次到店时我们会提醒您一并处理；如需提前处理，可在应用中预约。",
    )


def _next_step(appointment: Appointment | None, *, is_placed: bool) -> tuple[str, str]:
    if appointment is None and is_placed:
        return ("Your appointment stands; the workshop has been told.", "原预约保持不变，维修站已知悉。")
    if appointment is None:
        return (
            "We are looking for a workshop and tell you as soon as there is a place.",
            "我们正在为您安排维修站，一有结果会立即通知您。",
        )
    a = appointment
    start = a.start.astimezone(ZoneInfo(a.time_zone))
    price_en, price_zh = price_words(a.currency, a.total)
    way_en, way_zh = _WAYS[a.mode]
    answer_en, answer_zh = _lasting(a.answer_within_minutes)
    text_en = (
        f"{way_en.format(a.station_en, f'{a.distance_km:.0f}')} {start:%d %b at %H:%M},"
        f" about {a.hours:.1f} h, {price_en}."
        f" Please answer yes, no or later within {answer_en}."
    )
    text_zh = (
        f"{way_zh.format(a.station_zh, f'{a.distance_km:.0f}')}，"
        f"{start.month} 月 {start.day} 日 {start:%H:%M}，"
        f"约 {a.hours:.1f} 小时，{price_zh}。"
        f"请在 {answer_zh}内选择“同意”“不同意”或“稍后”。"
    )
    return text_en, text_zh


def _lasting(minutes: int) -> tuple[str, str]:
    """Return a time to answer in minutes, from two hours on in hours."""
    if minutes < 120:
        return f"{minutes} minutes", f"{minutes} 分钟"
    return f"{minutes // 60} hours", f"{minutes // 60} 小时"


def price_words(currency: str, total: Decimal) -> tuple[str, str]:
    """Return what the owner pays, in English and Chinese."""
    if not total:
        return "nothing to pay for you", "您无需付费"
    amount = f"{total:,.2f}"
    amount_zh = f"{amount} 元" if currency == "CNY" else f"{currency} {amount}"
    return f"{currency} {amount} with tax", f"含税 {amount_zh}"
