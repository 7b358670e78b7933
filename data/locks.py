"""Every advisory lock of the database in one place, so that no two purposes meet on one key."""

from __future__ import annotations

from typing import Final

# One key: pg_advisory_lock(key).
LOCK_MIGRATE: Final = 0x616E7801  #: one migration at a time
LOCK_BATCH_LOG: Final = 0x616E7802  #: batch_id order is commit order
LOCK_REPAIR: Final = 0x616E7803  #: one ingest process asks for missing messages
LOCK_MAINTAIN: Final = 0x616E7804  #: one process rolls up and clears away
LOCK_SILENCE: Final = 0x616E7806  #: one router looks for silent vehicles
LOCK_CUTS: Final = 0x616E7805  #: one ingest process joins the halves of cut transfers

# Two keys: pg_advisory_lock(key, number).
LOCK_VEHICLE: Final = 0x616E7810  #: vehicle_id: one router decides for a vehicle
LOCK_PLANNING: Final = 0x616E7811  #: tenant_id: shared while planning, exclusive after a lost race
LOCK_SCORE: Final = 0x616E7812  #: partition: one score process
LOCK_BREAKER: Final = 0x616E7814  #: hash of predictor and vehicle model: orders are counted one by one
LOCK_BATCH: Final = 0x616E7817  #: tenant_id: one router places the orders of a batch
LOCK_STATION: Final = 0x616E7815  #: station_id: one decision books at a station
LOCK_WATCH: Final = 0x616E7813  #: partition: one watch process
LOCK_ADDRESS: Final = 0x616E7816  #: hash of channel and address: one sender at a time
