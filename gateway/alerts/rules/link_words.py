"""What to do about a bad link: facts to a title and an advice, by a small table.

The noise that a receiver works against follows from signal and SNR: about -117 dBm in 125 kHz with
a noise figure of 6 dB (-174 dBm/Hz at room temperature). Well above that, something transmits;
close to it, the signal is weak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.alerts.rules.link_history import BadFrequency, LinkFacts
from gateway.alerts.words import figure
from gateway.types import Severity

ENOUGH_DB = 6.0
"""A median margin above this is not why frames are lost."""

_NOISY_DBM = -105.0
_UNSATURATED_DB = 5.0  # above it a radio reports less SNR than there is
_PLENTY_DB = 12.0
_SLOW = 10
_SLOWEST = 12
_RARE_PERCENT = 40.0


@dataclass(frozen=True, slots=True)
class LinkAdvice:
    """What an alert says; `case` names the row of the table. `text` follows the device's name."""

    case: str
    severity: Severity
    text: str
    advice: str


def advise(facts: LinkFacts, *, fallen: bool, loses: bool) -> LinkAdvice:
    """Name what is wrong with a link that is bad: `fallen` is its signal, `loses` it surely."""
    severity = Severity.WARNING if loses else Severity.INFO
    if fallen:
        return LinkAdvice("fallen", severity, _fallen(facts, loses=loses),
                          "Look whether its antenna is loose, damaged or covered, and whether it "
                          "has fallen or was moved.")  # fmt: skip
    text = f"{figure(round(100 * facts.loss), '%')} of its messages are lost"
    if facts.frequency is not None:
        return _one_frequency(facts.frequency, severity, text)
    if _noise_dbm(facts) >= _NOISY_DBM and facts.snr_db < _UNSATURATED_DB:
        return LinkAdvice("noise", severity, f"{text} in noise (SNR {_db(facts.snr_db)} at a good "
                          f"{_dbm(facts.rssi_dbm)})",
                          "Use other frequencies, or move its antenna or the gateway's away from "
                          "what makes the noise.")  # fmt: skip
    if facts.margin_db is not None and facts.margin_db < ENOUGH_DB:
        return LinkAdvice("weak", severity, f"{text} at {_dbm(facts.rssi_dbm)}, "
                          f"{_db(facts.margin_db)} above what can be heard",
                          "Raise or move its antenna, or put a gateway or relay nearer"
                          f"{_slower(facts.spreading_factor)}.")  # fmt: skip
    return LinkAdvice("collisions", severity,
                      f"{text} though it is heard well ({_dbm(facts.rssi_dbm)})",
                      "Send fewer or shorter messages and spread their times, for they collide or "
                      f"are sent where the gateway does not listen{_faster(facts)}.")  # fmt: skip


def _fallen(facts: LinkFacts, *, loses: bool) -> str:
    text = f"heard {_db(facts.fall_db)} weaker than usual, at {_dbm(facts.rssi_dbm)}"
    lost = f", and {figure(round(100 * facts.loss), '%')} of its messages are lost"
    return text + lost if loses else text


def _one_frequency(bad: BadFrequency, severity: Severity, text: str) -> LinkAdvice:
    mhz = f"{figure(bad.mhz, 'MHz')}"
    if bad.even_percent <= _RARE_PERCENT:
        worse = f"{mhz} brings {figure(round(bad.even_percent), '%')} of its share"
    else:
        worse = f"{mhz} is heard {_db(bad.below_db)} worse than the others"
    return LinkAdvice("frequency", severity, f"{text}, and {worse}",
                      f"Take {mhz} out of its channels, or find what disturbs it and check that "
                      "both antennas are made for it.")  # fmt: skip


def _noise_dbm(facts: LinkFacts) -> float:
    return facts.rssi_dbm - 10 * math.log10(1 + 10 ** (facts.snr_db / 10))


def _slower(spreading_factor: int | None) -> str:
    if spreading_factor is None or spreading_factor >= _SLOWEST:
        return ""
    return f"; a slower data rate than SF{spreading_factor} helps until then"


def _faster(facts: LinkFacts) -> str:
    factor, margin_db = facts.spreading_factor, facts.margin_db
    if factor is None or margin_db is None or factor < _SLOW or margin_db < _PLENTY_DB:
        return ""
    return f"; a faster data rate than SF{factor} would do so and save battery"


def _db(value: float) -> str:
    return figure(round(value), "dB")


def _dbm(value: float) -> str:
    return figure(round(value), "dBm")
