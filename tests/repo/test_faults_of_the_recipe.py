"""The faults of the recipe that this project replaces, with one test for each, so that none returns.

Tests that need a running function are in tests/lambda_app and tests/e2e/test_function.py.
"""

import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml

from dynconfig.api import names
from dynconfig.api.function import FunctionSpec
from dynconfig.aws import layers
from dynconfig.aws.package import package
from dynconfig.kinds._shared import function_access
from dynconfig.kinds._shared.context import Context
from dynconfig.kinds.function.functions import Functions
from dynconfig.kinds.role import Roles
from dynconfig.kinds.rule import pattern
from dynconfig.model.arns import Arns
from dynconfig.model.declaration import Declaration
from dynconfig.model.errors import AccessDenied, NotPossible
from dynconfig.model.resource import Owner
from dynconfig.validation.declare import declare
from dynconfig.validation.tenancy import Tenant
from dynconfig_function import extension as client
from dynconfig_function import metrics
from dynconfig_function.settings import Identity

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "manifests" / "examples" / "myapp.yaml"
FUNCTION = ROOT / "lambda_app" / "dynconfig_function"
NOTHING: Any = None
CONTEXT = Context(
    client=lambda _service: NOTHING,
    arns=Arns("us-east-1", lambda: "123456789012"),
    clock=lambda: 0.0,
    layers=layers.ExtensionLayers(NOTHING, "us-east-1", lambda: 0.0),
    package=package,
    parameter_tags=NOTHING,
    alarm_tags=NOTHING,
)


@pytest.fixture(scope="module")
def declaration() -> Declaration:
    found = next(item for item in yaml.safe_load_all(EXAMPLE.read_text()) if item["kind"] == "DynamicConfig")
    found["metadata"].update(generation=1, finalizers=[names.FINALIZER])
    owner = Owner("cluster", "default", "myapp", "uid-1")
    return declare(
        found, owner=owner, default_region="us-east-1", tenant=Tenant("shop"), read=lambda _source: "a-password"
    )


@pytest.fixture(scope="module")
def policy(declaration: Declaration) -> list[dict[str, Any]]:
    role, *_ = Roles(CONTEXT).desired(declaration)
    return list(json.loads(role.policy)["Statement"])


@pytest.fixture(scope="module")
def environment(declaration: Declaration) -> dict[str, str]:
    (function,) = Functions(CONTEXT).desired(declaration)
    return function.variables


def code() -> str:
    return "\n".join(path.read_text() for path in sorted(FUNCTION.glob("*.py")))


def test_1_extension_gets_its_token() -> None:
    # tests/lambda_app/test_extension.py shows with a server that every request has it.
    source = Path(client.__file__).read_text()
    assert '"X-Aws-Parameters-Secrets-Token": self._environment.get("AWS_SESSION_TOKEN", "")' in source


def test_2_kms_is_allowed_through_parameter_store_of_this_region_by_its_full_name(policy: list[dict[str, Any]]) -> None:
    (decrypt,) = (item for item in policy if item["Action"] == "kms:Decrypt")
    assert decrypt["Condition"]["StringEquals"] == {"kms:ViaService": "ssm.us-east-1.amazonaws.com"}
    likes = decrypt["Condition"]["StringLike"]["kms:EncryptionContext:PARAMETER_ARN"]
    assert likes == "arn:aws:ssm:us-east-1:123456789012:parameter/myapp/config/*"


def test_3_refresh_replaces_all_environments() -> None:
    assert "DYNCONFIG_REVISION" in Path(function_access.__file__).read_text()
    spec = yaml.safe_load((ROOT / "crds" / "dynamicconfigs.dynconfig.dev.yaml").read_text())["spec"]
    cache = spec["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["cache"]
    assert cache["properties"]["onChange"]["enum"] == ["Expire", "Refresh"]


def test_4_nothing_is_read_during_initialisation_and_ttls_are_capped(environment: dict[str, str]) -> None:
    assert int(environment["SSM_PARAMETER_STORE_TTL"]) <= 300
    assert not re.search(r"^\w+ = .*\.load\(", code(), re.MULTILINE)


def test_5_error_is_raised_and_not_returned() -> None:
    assert '"statusCode": 500' not in code()
    assert "raise ConfigurationError" in code()


def test_6_parameters_have_their_full_relative_name(environment: dict[str, str]) -> None:
    declared = json.loads(environment["DYNCONFIG_PARAMETERS"])
    assert sorted(declared) == ["api/timeout", "database/host", "database/password", "database/port", "features/new-ui"]


def test_7_no_value_is_in_the_environment_of_the_function(
    declaration: Declaration, environment: dict[str, str]
) -> None:
    text = json.dumps(environment)
    assert "a-password" not in text
    assert "myapp-db.cluster" not in text
    assert len(declaration.parameters) == 5


def test_8_metrics_are_log_lines_without_permission_to_put_metric_data(policy: list[dict[str, Any]]) -> None:
    assert "put_metric_data" not in code()
    assert "cloudwatch" not in json.dumps(policy)
    assert "_aws" in metrics.document({}, Identity({}), "", 0.0)


def test_9_metrics_distinguish_two_deployments() -> None:
    found = metrics.document({}, Identity({"AWS_LAMBDA_FUNCTION_NAME": "f", "DYNCONFIG_NAME": "shop/myapp"}), "", 0.0)
    (directive,) = found["_aws"]["CloudWatchMetrics"]  # type: ignore[index]
    assert ["FunctionName", "Config"] in directive["Dimensions"]
    assert (found["FunctionName"], found["Config"]) == ("f", "shop/myapp")


def test_10_rule_ends_with_a_slash_so_that_a_sibling_path_does_not_match() -> None:
    assert pattern("/myapp/config")["detail"]["name"] == [{"prefix": "/myapp/config/"}]


def test_12_runtime_layer_and_parameters_are_neither_old_nor_guessed_nor_hard_coded() -> None:
    assert FunctionSpec().runtime == "python3.13"
    denied: Any = Mock(**{"get_parameter.side_effect": AccessDenied("no")})
    with pytest.raises(NotPossible, match=r"spec\.function\.extension\.layerArn"):
        layers.ExtensionLayers(denied, "xx-nowhere-1", lambda: 0.0).newest("arm64")
    sources = [path.read_text() for path in (ROOT / "operator" / "dynconfig").rglob("*.py")]
    assert not [text for text in sources if re.search(r"time\.sleep\(\d", text)]
    assert "database/host" not in re.sub(r'"""(?s:.*?)"""', "", code())


def test_13_password_is_read_like_any_other(environment: dict[str, str], policy: list[dict[str, Any]]) -> None:
    assert json.loads(environment["DYNCONFIG_PARAMETERS"])["database/password"]["s"] is True
    assert [item for item in policy if item["Action"] == "kms:Decrypt"]
