"""The AWS regions known to botocore; used to reject unknown ones."""

from functools import cache

from botocore.regions import EndpointResolver

from dynconfig.aws.models import Models


@cache
def regions() -> frozenset[str]:
    """Return all regions of all partitions that have Parameter Store."""
    resolver = EndpointResolver(Models(None).load_data("endpoints"))
    partitions = resolver.get_available_partitions()
    return frozenset(region for name in partitions for region in resolver.get_available_endpoints("ssm", name))


def regions_beside(region: str) -> frozenset[str]:
    """Return all regions of the partition of this region."""
    resolver = EndpointResolver(Models(None).load_data("endpoints"))
    partition = resolver.get_partition_for_region(region)
    return regions() & frozenset(resolver.get_available_endpoints("ssm", partition))
