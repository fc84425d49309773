"""How orders of the HIS come in: a listener, or a folder that is looked through, or both, as the configuration says."""

from dicom_router.clock import Clock
from dicom_router.worker import Worker, stop_all
from xray_triage.config.records import Hl7Orders
from xray_triage.config.station import Config
from xray_triage.orders.folder import POLL_SECONDS, OrderFolder
from xray_triage.orders.his import HisOrders
from xray_triage.orders.listener import OrderListener
from xray_triage.orders.order import Procedure
from xray_triage.stores import Stores
from xray_triage.tls import server_tls


class HisWorkers:
    """Those that this station has. ``servers``: what is to be started by the caller, and where it listens."""

    def __init__(self, config: Config, stores: Stores, *, clock: Clock) -> None:
        service = config.codes.chest_pa.service
        his = HisOrders(
            stores.database,
            stores.orders,
            clock=clock,
            audit=stores.audit,
            refusals=stores.refusals,
            services={service: Procedure.CHEST_PA} if service else {},
        )
        hl7, folder = config.orders.hl7, config.orders.folder
        self.servers: list[tuple[Hl7Orders, OrderListener]] = []
        if hl7 is not None:
            listener = OrderListener(
                his,
                address=(hl7.host, hl7.port),
                allow=hl7.allow,
                clock=clock,
                refusals=stores.refusals,
                tls=server_tls(hl7.tls) if hl7.tls else None,
            )
            self.servers.append((hl7, listener))
        self._folder = OrderFolder(his, folder.path, clock=clock) if folder else None
        self._workers = (
            [Worker(self._folder.step, name="order folder", poll_seconds=POLL_SECONDS)] if self._folder else []
        )

    @property
    def problem(self) -> str:
        """Why files are not taken from the folder, or empty."""
        return self._folder.problem if self._folder else ""

    def start(self) -> None:
        """Begin to look through the folder."""
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Answer the message under way, and take no more."""
        for _, listener in self.servers:
            listener.stop()
        stop_all(self._workers)
