"""Fixtures every folder may use, and one profile for every property test."""

from collections.abc import Iterator

import pytest
import structlog
from brokers import mosquitto, start_mosquitto
from hypothesis import settings

from gateway.speech import speaking

__all__ = ["mosquitto", "start_mosquitto"]

# Machines under test are busy and slow: a time limit per example would only be noise.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")


@pytest.fixture(autouse=True)
def _fresh_logging() -> Iterator[None]:
    """Let no test log to the captured stream of the one before."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _plain_english() -> Iterator[None]:
    """Let no test leave its language behind: whoever assembles a gateway chooses one."""
    with speaking():
        yield
