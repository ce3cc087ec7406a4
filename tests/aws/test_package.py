"""The function's package: equal bytes for equal sources, wherever and whenever it is built."""

import ast
import base64
import hashlib
import io
import os
import subprocess
import sys
import zipfile

from dynconfig.aws import package as packages
from dynconfig.aws.package import package

_PRINT = "from dynconfig.aws.package import package; print(package('x').sha256)"


def names(declared: str = "") -> list[str]:
    with zipfile.ZipFile(io.BytesIO(package(declared).content)) as archive:
        return archive.namelist()


def test_bytes_are_equal_in_another_process_time_zone_and_year() -> None:
    environment = {**os.environ, "TZ": "Pacific/Auckland", "PYTHONHASHSEED": "7"}
    printed = subprocess.run(
        [sys.executable, "-c", _PRINT], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert printed.strip() == package("x").sha256


def test_hash_equals_the_one_of_lambda() -> None:
    made = package("")
    assert made.sha256 == base64.b64encode(hashlib.sha256(made.content).digest()).decode()


def test_package_has_all_files_in_order_without_times_and_readable_for_lambda() -> None:
    with zipfile.ZipFile(io.BytesIO(package("").content)) as archive:
        entries = archive.infolist()
        sources = {entry.filename: archive.read(entry).decode() for entry in entries}
    assert "dynconfig_function/handler.py" in sources
    assert list(sources) == sorted(sources)
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o644}
    assert all(ast.parse(text) for text in sources.values())


def test_parameters_are_included_only_if_given() -> None:
    assert "dynconfig_function/parameters.json" not in names()
    assert "dynconfig_function/parameters.json" in names('{"a":{}}')
    assert package("").sha256 != package('{"a":{}}').sha256 != package('{"b":{}}').sha256


def test_package_is_far_below_the_inline_limit_of_lambda() -> None:
    assert len(package("").content) < 1_000_000


def test_old_packages_are_not_cached_forever() -> None:
    for number in range(200):
        package(str(number))
    assert packages._zipped.cache_info().currsize <= 64
