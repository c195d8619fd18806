"""Derived quantities: what readings mean for plants, people and machines. See README.md."""

from gateway.agronomy.derived import Derivation
from gateway.agronomy.site import sunrise_of

__all__ = ["Derivation", "sunrise_of"]
