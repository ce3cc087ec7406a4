"""DescribeParameters and GetResources over moto's parameters: all relevant filters, and pages as in AWS.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeParameters.html
https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dynconfig_lab.aws import accounts
from dynconfig_lab.aws.answers import AwsError
from dynconfig_lab.aws.ssm_rules import canonical

MAX_PAGE = 50
EXPIRED = "PaginationTokenExpiredException"
_Listing = list[tuple[str, tuple[tuple[str, str], ...]]]
_KEPT_LISTINGS = 16
# A token is the number of the listing and the offset in it.
_OFFSETS = 10**7


def describe(backend: Any, request: Mapping[str, Any], region: str) -> dict[str, Any]:
    """The response of DescribeParameters. Raises AwsError."""
    size = request.get("MaxResults") or MAX_PAGE
    if size > MAX_PAGE:
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value '{size}' at 'maxResults' failed to satisfy constraint: "
            f"Member must have value less than or equal to {MAX_PAGE}",
        )
    start = check_token(request.get("NextToken"))
    filters = [_filter(item, backend) for item in request.get("ParameterFilters", [])]
    names = _named(request.get("ParameterFilters", []))
    found = [item for item in _latest(backend, names) if all(matches(item) for matches in filters)]
    page = {"Parameters": [_metadata(item, region) for item in found[start : start + size]]}
    return {**page, "NextToken": str(start + size)} if start + size < len(found) else page


def get_resources(backend: Any, request: Mapping[str, Any], region: str) -> dict[str, Any]:
    """The response of GetResources for parameters."""
    size = request.get("ResourcesPerPage") or 50
    number, start = divmod(check_token(request.get("PaginationToken"), EXPIRED), _OFFSETS)
    found = _listings.get(number) if start else _tagged_resources(backend, request.get("TagFilters", []))
    if start == 0 and len(found) > size:
        number = _listings.add(found)
    listed = [
        {
            "ResourceARN": f"arn:aws:ssm:{region}:{accounts.current()}:parameter/{name.lstrip('/')}",
            "Tags": [{"Key": key, "Value": value} for key, value in tags],
        }
        for name, tags in found[start : start + size]
    ]
    more = str(number * _OFFSETS + start + size) if start + size < len(found) else ""
    return {"ResourceTagMappingList": listed, "PaginationToken": more}


class _Listings:
    """The last listings, of which callers read page after page: computing each anew would take a second with many parameters."""

    def __init__(self) -> None:
        self._found: dict[int, _Listing] = {}
        self._lock = threading.Lock()
        self._last = 0

    def add(self, found: _Listing) -> int:
        """Keep a listing; return its number."""
        with self._lock:
            self._last += 1
            self._found[self._last] = found
            self._found.pop(self._last - _KEPT_LISTINGS, None)
            return self._last

    def get(self, number: int) -> _Listing:
        """Return a listing. Raises AwsError if it is no longer kept."""
        found = self._found.get(number)
        if found is None:
            raise AwsError(EXPIRED, "The specified token has expired.")
        return found


def _tagged_resources(backend: Any, filters: list[dict[str, Any]]) -> _Listing:
    """The names of all tagged parameters, each with its tags, sorted."""
    return [
        (name, tuple(tags.items()))
        for name, tags in sorted(backend._resource_tags["Parameter"].items())
        if tags and name in backend._parameters and _tagged(tags, filters)
    ]


def forget_the_missing(backend: Any) -> None:
    """Remove the empty entries that moto creates for names that were read: its GetResources fails on them."""
    for name in [name for name, versions in list(dict.items(backend._parameters)) if not versions]:
        dict.pop(backend._parameters, name, None)


_listings = _Listings()


def policies(text: str) -> list[dict[str, str]]:
    """Policies in the format of AWS."""
    try:
        parsed = json.loads(text) if text else []
    except ValueError:
        return []
    listed = [json.loads(item) if isinstance(item, str) else item for item in parsed]
    return [{"PolicyText": json.dumps(item), "PolicyType": item["Type"], "PolicyStatus": "Pending"} for item in listed]


def check_token(token: str | None, code: str = "InvalidNextToken") -> int:
    """The start of the next page. Raises AwsError for an unknown token."""
    if token is None or token == "":
        return 0
    if not token.isdigit():
        raise AwsError(code, "The specified token isn't valid.")
    return int(token)


def _latest(backend: Any, names: list[str] | None) -> Iterator[Any]:
    """The newest version of each parameter; a direct lookup if the filter names it."""
    stored = backend._parameters
    for name in names if names is not None else sorted(stored):
        versions = stored.get(name)
        if versions:
            yield versions[-1]


def _named(filters: list[dict[str, Any]]) -> list[str] | None:
    exact = (item["Values"] for item in filters if item["Key"] == "Name" and item.get("Option", "Equals") == "Equals")
    named = next(exact, None)
    return None if named is None else [canonical(name) for name in named]


def _filter(item: Mapping[str, Any], backend: Any) -> Callable[[Any], bool]:
    key, option, values = item["Key"], item.get("Option", "Equals"), item.get("Values", [])
    read = _reader(key, backend)

    def matches(parameter: Any) -> bool:
        text = read(parameter)
        if text is None:
            return False
        if not values:
            return True
        if key == "Path":
            depth = None if option == "Recursive" else 1
            return any(_below(text, value, depth) for value in values)
        if option == "BeginsWith":
            return any(text.startswith(value) for value in values)
        if option == "Contains":
            return any(value in text for value in values)
        return text in (map(canonical, values) if key == "Name" else values)

    return matches


def _reader(key: str, backend: Any) -> Callable[[Any], str | None]:
    if key.startswith("tag:"):
        name = key.removeprefix("tag:")
        tags = backend._resource_tags["Parameter"]
        return lambda parameter: tags.get(parameter.name, {}).get(name)
    readers: dict[str, Callable[[Any], str | None]] = {
        "Name": lambda parameter: parameter.name,
        "Path": lambda parameter: parameter.name,
        "Type": lambda parameter: parameter.parameter_type,
        "KeyId": lambda parameter: parameter.keyid,
        "Tier": lambda parameter: parameter.tier or "Standard",
        "DataType": lambda parameter: parameter.data_type,
    }
    if key not in readers:
        raise AwsError("InvalidFilterKey", f"The filter key {key} isn't valid.")
    return readers[key]


def _below(name: str, path: str, depth: int | None) -> bool:
    inside = name.removeprefix(path.rstrip("/") + "/")
    return inside != name and (depth is None or inside.count("/") < depth)


def _metadata(parameter: Any, region: str) -> dict[str, Any]:
    found = {
        "Name": parameter.name,
        "ARN": f"arn:aws:ssm:{region}:{accounts.current()}:parameter/{parameter.name.lstrip('/')}",
        "Type": parameter.parameter_type,
        "KeyId": parameter.keyid if parameter.parameter_type == "SecureString" else None,
        "LastModifiedDate": parameter.last_modified_date.timestamp(),
        "LastModifiedUser": getattr(parameter, "lab_modified_by", None)
        or accounts.administrator(accounts.current()).arn,
        "Description": parameter.description or None,
        "AllowedPattern": parameter.allowed_pattern or None,
        "Version": parameter.version,
        "Tier": parameter.tier or "Standard",
        "Policies": policies(parameter.policies or ""),
        "DataType": parameter.data_type,
    }
    return {name: value for name, value in found.items() if value is not None}


def _tagged(tags: Mapping[str, str], filters: list[dict[str, Any]]) -> bool:
    return all(
        item["Key"] in tags and (not item.get("Values") or tags[item["Key"]] in item["Values"]) for item in filters
    )
