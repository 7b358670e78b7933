"""Words for drive sensors and their faults."""

from typing import Final

#: Alias: Chinese name, unit.
SENSOR_ZH: Final = {
    "ambient": ("环境温度", "K"),
    "coolant": ("冷却液温度", "K"),
    "motor.temperature": ("电机温度", "K"),
    "inverter.temperature": ("逆变器温度", "K"),
    "dcdc.temperature": ("DC/DC 温度", "K"),
    "lv.voltage": ("12 V 电压", "V"),
    "pack.current": ("电池电流", "A"),
    "speed": ("车速", "km/h"),
    "motor.speed": ("电机转速", "rpm"),
}

#: Unit of each kind of fault; empty: the sensor's own.
UNITS: Final = {"STUCK": "", "OFFSET": "", "SCALE": "%", "SPIKES": "1/h", "NOISE": ""}

TEXT_EN: Final = {
    "STUCK": "{sensor} has shown one value throughout the driving of {days} days; it used to move by "
    "{usual:.1f} {unit}",
    "OFFSET": "{sensor} is off by {value:+.2f} {unit} after nights of standing; its siblings are not",
    "SCALE": "{sensor} counts {value:+.1f} % against the odometer and its own past",
    "SPIKES": "{sensor} jumps {value:.0f} times an hour and comes back, which the quantity cannot do",
    "NOISE": "{sensor} scatters by {value:.2f} {unit}; {usual:.2f} {unit} usual",
}

TEXT_ZH: Final = {
    "STUCK": "{sensor}在 {days} 天的行驶中读数不变；以往变化约 {usual:.1f} {unit}",
    "OFFSET": "{sensor}在静置一夜后偏差 {value:+.2f} {unit}，其余传感器无此偏差",
    "SCALE": "{sensor}相对里程表和自身历史偏差 {value:+.1f}%",
    "SPIKES": "{sensor}每小时跳变 {value:.0f} 次后复原，实际物理量不可能如此",
    "NOISE": "{sensor}读数离散 {value:.2f} {unit}；平时 {usual:.2f} {unit}",
}
