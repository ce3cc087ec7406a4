"""The dependencies of the controller."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dynconfig.aws.quota import Quota
from dynconfig.engine.reconcile import Engine
from dynconfig.kube.chosen_targets import ChosenTargets, NoTargets
from dynconfig.kube.client import Document, Kube
from dynconfig.kube.events import Recorder
from dynconfig.kube.metrics import Metrics
from dynconfig.model.declaration import Place
from dynconfig.model.fence import Fence
from dynconfig.model.resource import Owner
from dynconfig.model.stored import region_of
from dynconfig.model.target import Target
from dynconfig.validation import deletion_checks
from dynconfig.validation.tenancy import IsOwnLayer, TenantOf


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Clients, settings, clocks and callbacks of the controller."""

    kube: Kube
    engine: Engine
    quota: Quota
    """The AWS quotas that the engine's clients keep."""
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
    start_listener: Callable[[Place, Fence], None]
    """Starts receiving the AWS events of a place for a shard, while its lease lasts."""
    release_listener: Callable[[Place, Fence], None]
    """Called when no object of a shard needs the AWS events of a place."""
    targets: ChosenTargets = field(default_factory=NoTargets)
    """The targets of objects."""
    shards: int = 1
    """Number of shards of all replicas."""

    def owner_of(self, document: Document) -> Owner:
        """Return the owner recorded on the AWS resources of an object."""
        metadata = document["metadata"]
        return Owner(self.cluster, metadata["namespace"], metadata["name"], metadata["uid"])

    def place_to_adopt_in(self, document: Document) -> Place | None:
        """Return where an object of which nothing is recorded adopts, None if its namespace may not have parameters there.

        Raises as `ChosenTargets.chosen`.
        """
        target = self.targets.chosen(document)
        rights = self.rights_of(document["metadata"]["namespace"], target)
        default, tenant = rights["default_region"], rights["tenant"]
        if not deletion_checks.may_write_parameters(
            document, default_region=default, tenant=tenant, is_region=self.is_region
        ):
            return None
        return Place(target.region if target else region_of(document) or default, target)

    async def target_of_deletion(self, document: Document) -> Target | None:
        """Return the verified target of a deleted object. Raises as `ChosenTargets`; PathNotAllowed before any call to AWS."""
        target = self.targets.chosen(document)
        self.targets.check_granted(document, target)
        await self.targets.verify(target)
        return target

    def rights_of(self, namespace: str, target: Target | None) -> dict[str, Any]:
        """Return default region, allowed regions and permissions of the objects of a namespace in a target."""
        if target is None:
            region, tenant, allowed = self.region, self.tenant_of(namespace), self.allowed_regions
        else:
            region, tenant, allowed = target.region, self.targets.tenant_in(namespace, target.name), ()
        return {"default_region": region, "tenant": tenant, "allowed_regions": allowed}

    def has_nothing(self, document: Document, target: str) -> bool:
        """Whether AWS has nothing of an object, whose namespace may not have it in this target, empty for none."""
        namespace = document["metadata"]["namespace"]
        return deletion_checks.has_nothing(
            document,
            # Objects in a target name no other region than its own.
            default_region="" if target else self.region,
            tenant=self.targets.tenant_in(namespace, target) if target else self.tenant_of(namespace),
            allowed_regions=() if target else self.allowed_regions,
            is_region=self.is_region,
        )
