"""Evidence for reports: objects whose every text can be chosen."""

from dynconfig.cli.audit.evidence import Evidence, Unmanaged
from dynconfig.cli.audit.objects import PARAMETER, AuditedObject, Managed, PlaintextSecret, RolledBack
from dynconfig.model.stored import RecordedPlace

TIME = "2026-12-01T00:00:00Z"


def shop(name: str, hostile: str = "") -> AuditedObject:
    """An object with a row in each table; `hostile` replaces every text that a tenant may choose."""

    def text(usual: str) -> str:
        return hostile or usual

    drift = {"resource": "Parameter /shop/a", "field": "value", "declared": "1", "observed": "2", "since": TIME}
    return AuditedObject(
        namespace="shop",
        name=name,
        place=RecordedPlace(text("prod-eu"), "222222222222", text("eu-central-1")),
        path=text("/shop"),
        stage="Ready",
        message=text("InSync: 1 of 1 parameters"),
        is_drifted=True,
        in_sync=text("1/1"),
        deletion_policy="Delete",
        observed=text(TIME),
        managers=(text(f"kubectl (Apply {TIME})"),),
        managed=(Managed(PARAMETER, text(f"/shop/{name}/a"), "Retain", text("String"), 3, text(TIME), text("arn")),),
        drift=({key: text(usual) for key, usual in {**drift, "lastModifiedBy": "arn:aws:iam::1:user/jane"}.items()},),
        rollbacks=(RolledBack(text(TIME), 2, text("1130bac3"), text("alarm"), (text("a@2"),)),),
        plaintext=(PlaintextSecret(text("/shop/a"), text("String"), text("db:password")),),
    )


def evidence(*objects: AuditedObject, hostile: str = "") -> Evidence:
    """A report on all namespaces with a row in each table."""

    def text(usual: str) -> str:
        return hostile or usual

    return Evidence(
        scope="all namespaces",
        time=TIME,
        objects=list(objects),
        unmanaged=[Unmanaged("222222222222", "eu-central-1", text("/shop/x"), "String", 1, TIME, text("arn"))],
        events=[
            {
                "metadata": {},
                "involvedObject": {"namespace": "shop", "name": text("app")},
                "reason": text("DriftFound"),
                "message": text("value is 2, declared 1"),
                "lastTimestamp": text(TIME),
                "count": 2,
            }
        ],
        targets=[
            {
                "metadata": {"name": text("prod-eu")},
                "spec": {"account": "222222222222", "region": "eu-central-1"},
                "status": {
                    "conditions": [{"type": "Ready", "status": "False", "reason": text("X"), "message": text("m")}]
                },
            }
        ],
    )
