"""What a person reads on any channel: title, body and where it leads, in their language."""

from __future__ import annotations

from dataclasses import dataclass

from alerts.telling.outbox_store import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in one language."""

    title: str
    body: str
    url: str | None  #: None: it leads nowhere


def message_of(delivery: Delivery, base_url: str) -> Message:
    """Return what the receiver reads; who is not the owner is told first why they hear of it."""
    is_zh = delivery.locale == "zh"
    if delivery.code is not None and delivery.warning_id is None:
        return _code_message(delivery.code, is_zh=is_zh)
    body = delivery.body_zh if is_zh else delivery.body_en
    path = f"/owner?order={delivery.order_id}" if delivery.order_id is not None else "/owner"
    return Message(
        title=delivery.title_zh if is_zh else delivery.title_en,
        body=_preface(delivery, is_zh=is_zh) + body,
        url=None if delivery.audience == "emergency" else base_url + path,
    )


def _preface(delivery: Delivery, *, is_zh: bool) -> str:
    if delivery.audience != "emergency":
        return ""
    car = delivery.plate or (delivery.vin or "")[-6:]
    if is_zh:
        return f"您是车辆 {car} 的紧急联系人，车主尚未回应以下提醒，请联系车主："
    return (
        f"You are the emergency contact for the car {car}. Its owner has not answered this warning;"
        " please get in touch with them: "
    )


def _code_message(code: str, *, is_zh: bool) -> Message:
    if is_zh:
        return Message(title="安心验证码", body=f"您的验证码是 {code}，15 分钟内有效。", url=None)
    return Message(
        title="Your Anxin code", body=f"Your code is {code}. It is valid for 15 minutes.", url=None
    )
