"""Each case tells what must be told, in time and with its cause, and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import pytest
from replay_cases import Case, Told, cases

CASES = cases()
GROUPS = ("fault", "weather", "environment", "harmless")


@pytest.fixture(scope="module")
def lived() -> Iterator[dict[str, Future[list[Told]]]]:
    """Return what each case told, lived through two at a time."""
    with ProcessPoolExecutor(2) as pool:
        yield {case.folder.name: pool.submit(_told, case) for case in CASES}


def _told(case: Case) -> list[Told]:
    return asyncio.run(case.told())


def test_faults_events_and_harmless_things_are_there_in_equal_parts() -> None:
    groups = Counter(case.folder.name.split("_")[0] for case in CASES)

    assert set(groups) == set(GROUPS)
    outside = groups["weather"] + groups["environment"]
    assert min(groups["fault"], outside, groups["harmless"]) >= 12
    assert all(bool(case.expect) for case in CASES if case.folder.name.startswith("fault"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.folder.name)
def test_what_is_told_is_what_happened(case: Case, lived: dict[str, Future[list[Told]]]) -> None:
    told = lived[case.folder.name].result()

    if case.missed:  # a miss that is over must not stand there any more
        assert case.complaints(told), f"{case.folder.name} is well now: take its `missed` out"
    else:
        assert case.complaints(told) == [], case.about


def test_what_is_missed_is_little_and_has_its_reason() -> None:
    missed = [case for case in CASES if case.missed]
    assert len(missed) <= 2
    assert len(CASES) - len(missed) >= 50
