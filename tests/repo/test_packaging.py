"""What pyproject.toml promises, and what `make` installs, fit what is in the tree."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import tvstreamer

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINS = [
    line
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def wanted() -> list[Requirement]:
    """Every requirement that the project names anywhere."""
    groups = [
        PROJECT["build-system"]["requires"],
        PROJECT["project"]["dependencies"],
        *PROJECT["project"]["optional-dependencies"].values(),
        *PROJECT["dependency-groups"].values(),
    ]
    return [Requirement(text) for group in groups for text in group]


def test_the_installed_version_is_the_one_in_the_source() -> None:
    try:
        installed = metadata.version("tvstreamer")
    except metadata.PackageNotFoundError:
        pytest.skip("tvstreamer is not installed, only on the path")
    assert installed == tvstreamer.__version__, "what is installed is outdated: touch pyproject.toml; make setup"


def test_the_package_says_that_it_is_typed() -> None:
    assert files("tvstreamer").joinpath("py.typed").is_file()


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{tvstreamer.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", PINS)
def test_a_pin_is_a_name_and_a_version_and_nothing_else(line: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line)


def test_pins_are_in_order_and_unique() -> None:
    names = [line.partition("==")[0].lower() for line in PINS]
    assert names == sorted(names)
    assert len({canonicalize_name(name) for name in names}) == len(names)


@pytest.mark.parametrize("requirement", wanted(), ids=str)
def test_what_the_project_asks_for_is_pinned_within_its_bounds(requirement: Requirement) -> None:
    pins = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in PINS)}
    version = pins.get(canonicalize_name(requirement.name))
    assert version is not None, f"{requirement.name} is not in constraints.txt"
    assert requirement.specifier.contains(version)


def test_no_dependency_has_an_upper_bound() -> None:
    bounds = {specifier.operator for requirement in wanted() for specifier in requirement.specifier}
    assert bounds == {">="}
