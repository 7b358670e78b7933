"""Transport protocols over CAN: ISO-TP with UDS and OBD-II, J1939 with its transport protocol.

``decoder`` is what others call. ``plan`` tells from a DBC which identifiers need transport, ``receiver``
sorts a batch of frames out, ``carry`` keeps open transfers from one message of a vehicle to its next.
``segments`` does the joining for ``isotp`` and ``j1939``; ``uds`` and ``obd`` read what was joined;
``standard`` names what standards define.
"""

from ingest.transport.carry import OpenTransfers
from ingest.transport.codes import ReportedCode
from ingest.transport.decoder import BusDecoded, BusDecoder
from ingest.transport.plan import TransportPlan, build_plan
from ingest.transport.receiver import Received, TransportReceiver
from ingest.transport.standard import looks_like_j1939

__all__ = [
    "BusDecoded",
    "BusDecoder",
    "OpenTransfers",
    "Received",
    "ReportedCode",
    "TransportPlan",
    "TransportReceiver",
    "build_plan",
    "looks_like_j1939",
]
