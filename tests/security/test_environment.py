"""Attack: set a variable that makes the function run other code or trust another party."""

import subprocess
import sys
from typing import Any

import pytest

from dynconfig.api import names
from dynconfig.api.reserved_variables import NAMES, PREFIXES, SUFFIXES, free
from dynconfig.model.errors import InvalidSpec
from dynconfig.model.resource import Owner
from dynconfig.validation.declare import declare, declare_deletion, faults
from dynconfig.validation.tenancy import Tenant

OWNER = Owner("cluster", "shop", "app", "uid-1")
# How to get a shell in the function: a warning's category is imported, which starts the browser.
SHELL = {"PYTHONWARNINGS": "all:0:antigravity.x:0:0", "BROWSER": "sh -c id #%s"}
# The variables that glibc removes from programs with more privileges than their caller, sysdeps/generic/unsecvars.h.
GLIBC = (
    *("GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES", "LD_AUDIT", "LD_BIND_NOT", "LD_DEBUG"),
    *("LD_DEBUG_OUTPUT", "LD_DYNAMIC_WEAK", "LD_HWCAP_MASK", "LD_LIBRARY_PATH", "LD_ORIGIN_PATH", "LD_PRELOAD"),
    *(
        "LD_PROFILE",
        "LD_SHOW_AUXV",
        "LD_VERBOSE",
        "LD_WARN",
        "LOCALDOMAIN",
        "LOCPATH",
        "MALLOC_ARENA_MAX",
        "MALLOC_CHECK_",
    ),
    *("MALLOC_MMAP_MAX_", "MALLOC_PERTURB_", "MALLOC_TRACE", "NIS_PATH", "NLSPATH", "RESOLV_HOST_CONF", "RES_OPTIONS"),
    *("TMPDIR", "TZDIR"),
)
TRUST = (
    *("HTTP_PROXY", "https_proxy", "All_Proxy", "no_proxy", "NO_PROXY", "ftp_proxy"),
    *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("SSLKEYLOGFILE", "OPENSSL_CONF", "OPENSSL_MODULES", "OPENSSL_ENGINES", "OSSL_QFILTER", "RANDFILE", "CTLOG_FILE"),
)
CODE = (
    *("PATH", "HOME", "TEMP", "TMP", "PAGER", "MANPAGER", "EDITOR", "VISUAL", "SHELL", "ENV", "BASH_ENV", "IFS", "PS4"),
    *("NODE_OPTIONS", "NODE_PATH", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "BOTO_CONFIG", "GODEBUG"),
    *("AWS_LAMBDA_EXEC_WRAPPER", "AWS_CONFIG_FILE", "AWS_ENDPOINT_URL_SSM", "AWS_ACCESS_KEY_ID", "LAMBDA_TASK_ROOT"),
    *("_HANDLER", "DYNCONFIG_PREFIX", "SSM_PARAMETER_STORE_TTL", "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"),
)


def document(environment: dict[str, str], **function: Any) -> dict[str, Any]:
    metadata = {"name": "app", "namespace": "shop", "uid": "uid-1", "finalizers": [names.FINALIZER]}
    return {"metadata": metadata, "spec": {"path": "/shop", "function": {"environment": environment, **function}}}


def faults_of(environment: dict[str, str], **function: Any) -> tuple[str, ...]:
    return faults(document(environment, **function), lambda _source: None)


@pytest.mark.parametrize("name", [*SHELL, *GLIBC, *TRUST, *CODE])
def test_variable_that_changes_code_or_trust_is_rejected_in_any_case(name: str) -> None:
    for written in {name, name.lower(), name.upper()}:
        (fault,) = faults_of({written: "x"})
        assert fault.startswith(f"spec.function.environment.{written}: is ")
        # Lambda accepts no name with a leading underscore.
        assert ("change what code the function runs or whom it trusts" in fault) is not written.startswith("_")


def test_every_variable_that_python_itself_reads_is_rejected() -> None:
    listed = subprocess.run([sys.executable, "--help-env"], capture_output=True, text=True, check=True).stdout
    known = {word.strip(":") for line in listed.splitlines() for word in line.split()[:1] if word.startswith("PYTHON")}
    assert len(known) > 15
    for name in known:
        with pytest.raises(ValueError, match="is reserved"):
            free(name)


@pytest.mark.parametrize(
    "name", ["LOG_LEVEL", "MY_PATH", "STAGE", "FEATURES", "PROXY_HOST", "ENVIRONMENT", "HOMEPAGE", "TZ"]
)
def test_other_variables_are_accepted(name: str) -> None:
    assert faults_of({name: "x"}) == ()


def test_list_has_no_entry_covered_by_another() -> None:
    assert not [name for name in NAMES if name.startswith(PREFIXES) or name.endswith(SUFFIXES)]
    assert len(set(NAMES)) == len(NAMES)


def test_attached_function_gets_no_variable_of_the_declaration() -> None:
    (fault,) = faults_of({"BROWSER": "sh"}, mode="Attach", name="theirs")
    assert "environment" in fault


def test_stored_object_with_a_reserved_variable_is_rejected_and_can_be_deleted() -> None:
    stored = document(SHELL)
    with pytest.raises(InvalidSpec, match="change what code the function runs"):
        declare(stored, owner=OWNER, default_region="eu-west-1", tenant=Tenant("shop"), read=lambda _source: None)
    assert declare_deletion(stored, owner=OWNER, default_region="eu-west-1").deleting
