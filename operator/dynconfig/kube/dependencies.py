"""What a controller stands on: the cluster, the engine, and what it is told of the world."""

from collections.abc import Callable
from dataclasses import dataclass

from dynconfig.engine.reconcile import Engine
from dynconfig.engine.resource import Owner
from dynconfig.engine.tenancy import IsOwnLayer, TenantOf
from dynconfig.kube.client import Document, Kube
from dynconfig.kube.events import Recorder
from dynconfig.kube.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Dependencies:
    """All that a controller is given."""

    kube: Kube
    engine: Engine
    recorder: Recorder
    metrics: Metrics
    cluster: str
    region: str
    tenant_of: TenantOf
    is_own_layer: IsOwnLayer
    is_region: Callable[[str], bool]
    """Whether AWS has a region of that name."""
    allowed_regions: tuple[str, ...]
    """Regions that objects may name; empty for all."""
    now: Callable[[], float]
    """Seconds since the epoch."""
    clock: Callable[[], float]
    """Seconds that never go back."""
    turn_seconds: float
    move_seconds: float
    """How long a parameter that left spec waits for another object to declare it, before it is deleted."""
    second_look_seconds: float
    """How long after the last deletion AWS is looked at once more, before an object goes."""
    listen: Callable[[str], None]
    """Have events of a region brought."""
    leave: Callable[[str], None]
    """No object of a region is left whose events matter."""

    def owner_of(self, document: Document) -> Owner:
        """The owner of what an object makes in AWS."""
        metadata = document["metadata"]
        return Owner(self.cluster, metadata["namespace"], metadata["name"], metadata["uid"])
