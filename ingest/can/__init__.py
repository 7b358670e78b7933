"""CAN frames to catalogue columns: payload records, the compiled bus database and the vectorised decoder.

``payload`` reads the records of the ``can`` topic, ``database`` compiles a DBC with a signal map, ``decoder``
turns mixed frames into gridded columns, ``rows`` puts them into the batch of ingest.
"""

from ingest.can.database import EXTENDED
from ingest.can.decoder import CanDecoded, CanDecoder
from ingest.can.payload import parse_can_payload

__all__ = ["EXTENDED", "CanDecoded", "CanDecoder", "parse_can_payload"]
