"""Irrigation programs: starts by the clock, the soil and the weather. See ../README.md."""

from gateway.control.programs.book import KEPT as KEPT_PROGRAM
from gateway.control.programs.book import Programs, Turned
from gateway.control.programs.calendar import Sunrise
from gateway.control.programs.orders import PROGRAM_VERBS, carry_out
from gateway.control.programs.weather import Fact, Weather

__all__ = [
    "KEPT_PROGRAM",
    "PROGRAM_VERBS",
    "Fact",
    "Programs",
    "Sunrise",
    "Turned",
    "Weather",
    "carry_out",
]
