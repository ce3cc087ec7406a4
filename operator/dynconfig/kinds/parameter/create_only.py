"""Protect secret values under valuePolicy CreateOnly: SSM cannot write other fields without sending the value back. Pure.

The form of a kept secret (who may read it, which pattern SSM checks it against) changes only with a declared value.
"""

from collections.abc import Callable, Mapping

from dynconfig.api.parameter import ParameterType
from dynconfig.kinds.parameter.value import DEFAULT_KEY, Parameter
from dynconfig.model.errors import NotPossible
from dynconfig.model.resource import form_of

_SECURE = ParameterType.SECURE_STRING.value
# Changes after which no one can read or learn more than before. All others are rejected.
_NARROWS: Mapping[str, Callable[[Parameter, Parameter], bool]] = {
    "type": lambda desired, _observed: desired.type == _SECURE,
    "from_secret": lambda desired, _observed: desired.from_secret.is_set or desired.type == _SECURE,
    "allowed_pattern": lambda desired, _observed: not desired.allowed_pattern,
    # Anyone in the account who may read the parameter may use the AWS managed key.
    # https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html
    "kms_key": lambda _desired, observed: observed.kms_key in ("", DEFAULT_KEY),
}


def refuse_wider_access(desired: Parameter, observed: Parameter) -> None:
    """Raise NotPossible if `desired` keeps a secret value and changes its form so that more can be read or learned."""
    is_secret = observed.type == _SECURE or observed.from_secret.is_set
    if desired.value is not None or not is_secret:
        return
    for field, declared_name in form_of(Parameter).items():
        before, after = getattr(observed, field), getattr(desired, field)
        if before == after or (field in _NARROWS and _NARROWS[field](desired, observed)):
            continue
        what = f"{declared_name} cannot be changed" if declared_name else "it stays marked as such"
        raise NotPossible(
            f"parameter {desired.name} holds a Secret or SecureString value, and valuePolicy CreateOnly keeps it, so "
            f"{what}. Revert the change, or set valuePolicy: Enforce to write the declared value"
        )
