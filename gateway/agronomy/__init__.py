"""Derived quantities: what readings mean for plants, people and machines. See README.md."""

from gateway.agronomy.derived import Derivation

__all__ = ["Derivation"]
