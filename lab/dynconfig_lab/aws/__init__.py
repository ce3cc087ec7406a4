"""An emulated AWS: moto behind a thin layer that rejects, counts and fails requests as AWS does."""

from dynconfig_lab.aws.faults import Faults
from dynconfig_lab.aws.server import AwsLab

__all__ = ["AwsLab", "Faults"]
