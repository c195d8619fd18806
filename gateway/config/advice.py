"""`[advice]`: what the gateway suggests of its own accord."""

from __future__ import annotations

from typing import Literal

from gateway.config.section import Section


class AdviceConfig(Section):
    """`[advice]`: how often devices should measure.

    `suggest` tells it, `send` also commands it, once a day at most, where a device has a command
    with an `interval_key`.
    """

    sampling: Literal["off", "suggest", "send"] = "suggest"
