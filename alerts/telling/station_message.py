"""What a station's system is told of a repair order: JSON in the shape of a STAR RepairOrder document.

Shaped after the RepairOrder of STAR 5 (``http://www.starstandard.org/STAR/5``), not an instance of its
schema, which is XML and nests more deeply. Called as systems in use call it there: RepairOrderHeader,
DocumentID, RepairOrderStatus, RepairOrderPriorityCode, RepairOrderOpenedDate, RepairOrderCompletedDate,
PromisedRepairCompletionDateTime, InDistanceMeasure, OutDistanceMeasure, Splits, Job, JobNumberString,
CodesAndCommentsExpanded with its three descriptions, ServiceLabor, LaborOperationID,
LaborOperationDescription, LaborAllowanceHoursNumeric, ServiceParts. All other names are ours: STAR has no
words for component, evidence, urgency class and version.
``PayerType`` is ``warranty``, ``goodwill`` or ``customer``; ``ApprovedAmount`` is what the customer agreed
to pay. Nothing in it names the owner.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from alerts.prices.pricing import lines_from, shares_of
from alerts.telling.outbox_store import Delivery


def station_message(delivery: Delivery) -> dict[str, Any]:
    """Return the message of an entry in an order's history, or that the station has the order no longer.

    The order is as it is when the message is sent: the receiver keeps the highest ``version``.
    """
    order = delivery.order or {}
    known = {
        "type": "repair_order",
        "message_id": f"delivery-{delivery.delivery_id}",
        "order_id": order["order_id"],
        "version": order["version"],
    }
    if delivery.event_id is None:
        return {**known, "event": {"name": "released", "at": _time(delivery.created_at)}}
    return {
        **known,
        "event": {
            "name": order["to_state"],
            "from": order["from_state"],
            "at": _time(order["at"]),
            "actor": str(order["actor"]).partition(":")[0],
            "reason": order["reason"],
        },
        "RepairOrder": {"RepairOrderHeader": _header(order), "Job": [_job(order)]},
    }


def _header(order: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "DocumentID": str(order["order_id"]),
        "RepairOrderStatus": order["state"],
        "RepairOrderPriorityCode": order["severity"],
        "RepairOrderOpenedDate": _time(order["opened_at"]),
        "AppointmentDateTime": _time(order["slot_start"]),
        "PromisedRepairCompletionDateTime": _time(order["slot_end"]),
        "ServiceDueDateTime": _time(order["deadline"]),
        "RepairOrderCompletedDate": _time(order["repaired_at"]),
        "InDistanceMeasure": _distance(order["odometer_in_km"]),
        "OutDistanceMeasure": _distance(order["odometer_out_km"]),
        "TransportMode": order["mode"],
        "ServiceLocation": {
            "StationCode": order["station"],
            "Bay": order["bay"],
            "Technician": order["technician"],
        },
        "Vehicle": {"VehicleID": order["vin"], "Model": order["model_id"]},
        "TotalAmount": _money(order["total"], order["currency"]),
        "CustomerAmount": _money(order["customer_total"], order["currency"]),
        "ApprovedAmount": _money(order["agreed_total"], order["currency"]),
        "Splits": [
            {
                "PayerType": share.payer,
                "NetAmount": _money(share.net, order["currency"]),
                "TaxAmount": _money(share.tax, order["currency"]),
                "TotalAmount": _money(share.total, order["currency"]),
            }
            for share in shares_of(lines_from(order["lines"]))
        ],
        "Origin": order["origin"],
    }


def _job(order: Mapping[str, Any]) -> dict[str, Any]:
    finding = order["finding"] or {}
    return {
        "JobNumberString": "1",
        "Component": order["component"],
        "PredictedFailureMode": order["failure_mode"],
        "CodesAndCommentsExpanded": {
            "ComplaintDescription": order["complaint"],
            "CauseDescription": finding.get("cause"),
            "CorrectionDescription": order["correction"],
        },
        "Outcome": finding.get("outcome"),
        "Measured": None
        if finding.get("measured_value") is None
        else {"value": finding["measured_value"], "unit": finding["measured_unit"]},
        "TroubleCodes": finding.get("trouble_codes", []),
        "Evidence": order["reasons"],
        "ServiceLabor": [
            {
                "LaborOperationID": line["code"],
                "LaborOperationDescription": line["text_en"],
                "LaborAllowanceHoursNumeric": line["qty"],
                "LaborAmount": _money(line["amount"], order["currency"]),
                **_payer(line),
            }
            for line in order["lines"]
            if line["kind"] == "labour"
        ],
        "ServiceParts": [
            {
                "ItemID": line["code"],
                "ItemIdDescription": line["text_en"],
                "ItemQuantity": line["qty"],
                "UnitPrice": _money(line["unit_price"], order["currency"]),
                "Amount": _money(line["amount"], order["currency"]),
                "Reservation": line["reserved"],
                **_payer(line),
            }
            for line in order["lines"]
            if line["kind"] == "part"
        ],
        "MiscellaneousCharges": [
            {
                "ChargeID": line["code"],
                "ChargeDescription": line["text_en"],
                "ChargeAmount": _money(line["amount"], order["currency"]),
                **_payer(line),
            }
            for line in order["lines"]
            if line["kind"] == "fee"
        ],
        "PartRemoved": order["part_removed"],
    }


def _payer(line: Mapping[str, Any]) -> dict[str, str]:
    return {"PayerType": line["payer"], "PayerReason": line["payer_en"]}


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _distance(km: float | None) -> dict[str, Any] | None:
    return None if km is None else {"value": round(km, 1), "unit": "km"}


def _money(amount: object, currency: str) -> dict[str, str] | None:
    return None if amount is None else {"value": str(amount), "currency": currency}
