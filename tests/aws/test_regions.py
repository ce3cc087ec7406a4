"""The regions of AWS."""

import pytest

from dynconfig.aws.regions import regions


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1"])
def test_regions_of_all_partitions_are_known(region: str) -> None:
    assert region in regions()


@pytest.mark.parametrize("region", ["", "eu-west-99", "zz-nowhere-1", "fips-us-gov-west-1", "aws-global"])
def test_invalid_region_is_unknown(region: str) -> None:
    assert region not in regions()
