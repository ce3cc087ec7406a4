"""The regions that AWS has, as far as botocore knows them: whoever may name a region may not invent one."""

from functools import cache

from botocore.regions import EndpointResolver

from dynconfig.aws.models import Models


@cache
def regions() -> frozenset[str]:
    """Every region of every partition in which there is a Parameter Store."""
    resolver = EndpointResolver(Models(None).load_data("endpoints"))
    partitions = resolver.get_available_partitions()
    return frozenset(region for name in partitions for region in resolver.get_available_endpoints("ssm", name))


def regions_beside(region: str) -> frozenset[str]:
    """Every region of the partition that this region is in."""
    resolver = EndpointResolver(Models(None).load_data("endpoints"))
    partition = resolver.get_partition_for_region(region)
    return regions() & frozenset(resolver.get_available_endpoints("ssm", partition))
