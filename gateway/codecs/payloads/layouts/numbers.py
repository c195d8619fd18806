"""From the bits of a field to the number a person means, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from gateway.codecs.payloads.layouts.model import FieldModel

MAX_DECIMALS = 12
"""A step finer than this is left as binary floating point gives it."""


@dataclass(frozen=True, slots=True)
class Integer:
    """How `width` bits (after `mask` and `shift`) are a whole number."""

    width: int
    mask: int | None = None
    shift: int = 0
    sign: str = ""

    @property
    def low(self) -> int:
        """The smallest number that fits."""
        if not self.sign:
            return 0
        return -(1 << (self.width - 1)) + (self.sign != "twos")

    @property
    def high(self) -> int:
        """The greatest number that fits."""
        return (1 << (self.width - bool(self.sign))) - 1

    def number(self, bits: int) -> int:
        """Return what the field's bits say."""
        if self.mask is not None:
            bits &= self.mask
        bits >>= self.shift
        if not self.sign or not bits >> (self.width - 1):
            return bits
        if self.sign == "magnitude":
            return (1 << (self.width - 1)) - bits
        return bits - (1 << self.width) + (self.sign == "ones")

    def bits(self, number: int) -> int:
        """Return the field's bits; the number must lie between `low` and `high`."""
        if number < 0:
            if self.sign == "magnitude":
                number = (1 << (self.width - 1)) - number
            else:
                number += (1 << self.width) - (self.sign == "ones")
        return number << self.shift


def integer_of(field: FieldModel, width: int) -> Integer:
    """Return how a field of so many bits is a number."""
    mask, shift = field.mask, field.shift or 0
    if mask is not None:
        mask &= (1 << width) - 1
        if not mask:
            raise ValueError(f"`mask` has no bit within the {width} bits of the field")
        shift = (mask & -mask).bit_length() - 1 if field.shift is None else field.shift
        width = mask.bit_length()
    if shift >= width:
        raise ValueError("`shift` moves every bit out of the field")
    signed = field.type.startswith("i") if field.signed is None else field.signed
    return Integer(width - shift, mask, shift, (field.sign or "twos") if signed else "")


@dataclass(frozen=True, slots=True)
class Scaling:
    """`raw * scale / divide + offset`, then the polynomial, rounded to `decimals` places."""

    scale: float = 1
    divide: float = 1
    offset: float = 0
    polynomial: tuple[float, ...] = ()
    decimals: int | None = None

    def value(self, raw: float) -> float:
        """Return the value a raw number stands for."""
        value = raw * self.scale
        if self.divide != 1:
            value /= self.divide
        value += self.offset
        if self.polynomial:
            total = 0.0
            for coefficient in reversed(self.polynomial):
                total = total * value + coefficient
            value = total
        if self.decimals is None or not math.isfinite(value):
            return value
        return round(value, self.decimals) if self.decimals else round(value)

    def raw(self, value: float) -> float:
        """Return the raw number, not yet whole, that stands for a value."""
        return (value - self.offset) * self.divide / self.scale


def scaling_of(field: FieldModel) -> Scaling | None:
    """Return a field's scaling, None where the raw number is the value."""
    decimals = field.decimals
    plain = field.scale == 1 and field.divide == 1 and field.offset == 0 and not field.polynomial
    if plain and decimals is None:
        return None
    if decimals is None and not field.polynomial and not field.type.startswith("f"):
        decimals = natural_decimals(field.scale, field.divide, field.offset)
    return Scaling(field.scale, field.divide, field.offset, tuple(field.polynomial or ()), decimals)


def natural_decimals(scale: float, divide: float, offset: float) -> int | None:
    """Return how many decimals whole steps of a scale can have; None where they never end.

    0.01 has two, 1/16 four, 1/3 no end.
    """
    exact = [Fraction(Decimal(repr(number))) for number in (scale, divide, offset)]
    places = [decimal_places(exact[0] / exact[1]), decimal_places(exact[2])]
    return None if None in places else max(place for place in places if place is not None)


def decimal_places(number: Fraction) -> int | None:
    """Return the decimals of a fraction, None if it has more than `MAX_DECIMALS`."""
    for places in range(MAX_DECIMALS + 1):
        if (number * 10**places).denominator == 1:
            return places
    return None
