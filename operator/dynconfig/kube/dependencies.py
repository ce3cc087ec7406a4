"""The dependencies of the controller."""

from collections.abc import Callable
from dataclasses import dataclass

from dynconfig.engine.reconcile import Engine
from dynconfig.kube.client import Document, Kube
from dynconfig.kube.events import Recorder
from dynconfig.kube.metrics import Metrics
from dynconfig.model.resource import Owner
from dynconfig.validation.tenancy import IsOwnLayer, TenantOf


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Clients, settings, clocks and callbacks of the controller."""

    kube: Kube
    engine: Engine
    recorder: Recorder
    metrics: Metrics
    cluster: str
    region: str
    tenant_of: TenantOf
    is_own_layer: IsOwnLayer
    is_region: Callable[[str], bool]
    """Whether AWS has a region with this name."""
    allowed_regions: tuple[str, ...]
    """Regions that objects may name; empty for all."""
    now: Callable[[], float]
    """Seconds since the epoch."""
    clock: Callable[[], float]
    """Monotonic time in seconds."""
    turn_seconds: float
    move_seconds: float
    """Grace period in which another object may declare a parameter that was removed from spec, before it is deleted."""
    deletion_check_seconds: float
    """Delay between the last deletion in AWS and the read that confirms it, before the finalizer is removed."""
    start_listener: Callable[[str], None]
    """Starts receiving the AWS events of a region."""
    release_listener: Callable[[str], None]
    """Called when no object needs the AWS events of a region."""

    def owner_of(self, document: Document) -> Owner:
        """Return the owner recorded on the AWS resources of an object."""
        metadata = document["metadata"]
        return Owner(self.cluster, metadata["namespace"], metadata["name"], metadata["uid"])
