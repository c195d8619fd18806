"""The lock files: every package with a hash, no addresses, one version of each everywhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "requirements"
LOCKS = ("build", "demo", "gateway", "test", "train")
PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ]+)", re.MULTILINE)
NAME = re.compile(r"^[A-Za-z0-9._-]+")


def pins(lock: str) -> dict[str, str]:
    return dict(PIN.findall((FOLDER / f"{lock}.txt").read_text()))


def names(requirements: list[str]) -> set[str]:
    return {match[0].lower() for line in requirements if (match := NAME.match(line))}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_hash_and_nothing_names_a_host(lock: str) -> None:
    text = (FOLDER / f"{lock}.txt").read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())

    assert all(PIN.match(block) and "--hash=sha256:" in block for block in blocks)
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


def test_no_package_has_two_versions() -> None:
    for name in {name for lock in LOCKS for name in pins(lock)}:
        versions = {pins(lock)[name] for lock in LOCKS if name in pins(lock)}
        assert len(versions) == 1, name


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    runtime = names(project["project"]["dependencies"])
    group = names(project["dependency-groups"]["test"])

    assert runtime <= pins("gateway").keys()
    assert runtime | names(extras["demo"]) | names(extras["plot"]) <= pins("demo").keys()
    assert runtime | names(extras["demo"]) | group <= pins("test").keys()
    assert runtime | names(extras["train"]) - {"torch"} | group <= pins("train").keys()


def test_the_card_never_gets_the_training_tools() -> None:
    assert not pins("gateway").keys() & {"torch", "onnx", "onnxscript", "amqtt", "matplotlib"}
