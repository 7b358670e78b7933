"""Words for tire sensors and their faults."""

from enum import IntEnum
from typing import Final


class Kind(IntEnum):
    """What a sensor does wrong, in the order of ``Risk.detail["kind"]``."""

    SILENT = 0
    ZERO = 1
    STUCK = 2
    NOISY = 3
    JUMPED = 4
    EQUAL = 5
    ERRATIC = 6
    RESTLESS = 7
    RISING = 8


TEXT_EN: Final = {
    Kind.SILENT: "{wheel}: heard in {value:.0f} % of the samples, the other wheels in {peers:.0f} %",
    Kind.ZERO: "{wheel}: below 20 kPa in {value:.0f} % of the samples while the vehicle drives on",
    Kind.STUCK: "{wheel}: moves by {value:.1f} kPa a day, the other wheels by {peers:.0f} kPa",
    Kind.NOISY: "{wheel}: scatters by {value:.1f} kPa, the other wheels by {peers:.1f} kPa",
    Kind.JUMPED: "{wheel}: dropped by {value:.0f} kPa at once and has held since, which gas does not do",
    Kind.ERRATIC: "{wheel}: falls and comes back by {value:.0f} kPa in a day, the others by {peers:.0f} kPa",
    Kind.RESTLESS: "{wheel}: up and down by {value:.0f} kPa from day to day, the others by {peers:.1f} kPa",
    Kind.RISING: "{wheel}: has risen by {value:.0f} kPa over four weeks; no gas gets into a tire by itself",
    Kind.EQUAL: "all wheels show one and the same value in {value:.0f} % of the samples",
}
TEXT_ZH: Final = {
    Kind.SILENT: "{wheel}轮传感器仅 {value:.0f}% 的数据有效，其余车轮为 {peers:.0f}%",
    Kind.ZERO: "{wheel}轮 {value:.0f}% 的读数低于 20 kPa，而车辆仍在行驶",
    Kind.STUCK: "{wheel}轮读数全天仅变化 {value:.1f} kPa，其余车轮为 {peers:.0f} kPa",
    Kind.NOISY: "{wheel}轮读数波动 {value:.1f} kPa，其余车轮为 {peers:.1f} kPa",
    Kind.JUMPED: "{wheel}轮读数一次跳低 {value:.0f} kPa 后保持不变，漏气不会如此",
    Kind.ERRATIC: "{wheel}轮一天内反复下跌又恢复，幅度 {value:.0f} kPa，其余车轮为 {peers:.0f} kPa",
    Kind.RESTLESS: "{wheel}轮读数逐日上下变化 {value:.0f} kPa，其余车轮为 {peers:.1f} kPa",
    Kind.RISING: "{wheel}轮读数四周内持续升高 {value:.0f} kPa，而气体不会自行进入轮胎",
    Kind.EQUAL: "四轮 {value:.0f}% 的读数完全相同",
}
UNIT: Final = {
    Kind.SILENT: "%",
    Kind.ZERO: "%",
    Kind.STUCK: "kPa",
    Kind.NOISY: "kPa",
    Kind.JUMPED: "kPa",
    Kind.EQUAL: "%",
    Kind.ERRATIC: "kPa",
    Kind.RESTLESS: "kPa",
    Kind.RISING: "kPa",
}
