import pytest

from alerts.orders.urgency import hurried
from data.records import Severity


@pytest.mark.parametrize(
    ("alert", "order", "raised"),
    [
        ("S3", "S3", "S2"),
        ("S2", "S2", "S1"),
        ("S3", "S2", None),  # raised already
        ("S1", "S1", None),  # how dangerous it is, only evidence tells
        ("S0", "S0", None),
        ("S2", "S1", None),
    ],
)
def test_an_order_is_raised_one_class_above_its_alert_and_never_to_s0(
    alert: str, order: str, raised: str | None
) -> None:
    assert hurried(Severity(alert), Severity(order)) == (raised and Severity(raised))
