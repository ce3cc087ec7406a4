"""The metrics of an invocation as one log line in CloudWatch's embedded metric format (EMF): no API call, no permission.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

| metric | counts |
|---|---|
| CacheHits, CacheMisses | parameters served from the cache, and parameters that had to be read; always written |
| SuccessfulParameterRetrievals | parameters read |
| FailedParameterRetrievals | parameters that could not be read from the extension or Parameter Store |
| FallbackReads | parameters read from Parameter Store because the extension failed |
| StaleParameters | parameters served after their TTL because of a transient fault |
| ConfigurationErrors | loads that raised ConfigurationError |
"""

from __future__ import annotations

from dynconfig_function.logs import timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynconfig_function.settings import Identity

HITS = "CacheHits"
MISSES = "CacheMisses"
SUCCESSES = "SuccessfulParameterRetrievals"
FAILURES = "FailedParameterRetrievals"
FALLBACKS = "FallbackReads"
STALE = "StaleParameters"
ERRORS = "ConfigurationErrors"


def document(counts: Mapping[str, int], identity: Identity, request_id: str, now: float) -> dict[str, object]:
    """Return the EMF document for these counts; zeros are omitted except for hits and misses."""
    written = {HITS: 0, MISSES: 0, **{name: count for name, count in counts.items() if count}}
    dimensions = {"FunctionName": identity.function}
    sets = [["FunctionName"]]
    if identity.config:
        dimensions["Config"] = identity.config
        sets.append(["FunctionName", "Config"])
    directive = {
        "Namespace": identity.namespace,
        "Dimensions": sets,
        "Metrics": [{"Name": name, "Unit": "Count"} for name in written],
    }
    return {
        "_aws": {"Timestamp": int(now * 1000), "CloudWatchMetrics": [directive]},
        # With JSON logging Lambda drops lines below the function's level; without these two fields a line counts as INFO.
        # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
        "timestamp": timestamp(now),
        "level": identity.minimum_level,
        **dimensions,
        "requestId": request_id,
        "revision": identity.revision,
        **written,
    }
