"""The whole life of commands, in every order of what may happen to them: `command_life.py`."""

from __future__ import annotations

from command_life import CommandLife
from hypothesis import settings as hypothesis_settings

CommandLife.TestCase.settings = hypothesis_settings(
    max_examples=40, stateful_step_count=40, deadline=None
)
TestCommandLife = CommandLife.TestCase
