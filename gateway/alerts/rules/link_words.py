"""What to do about a bad link: facts to a title and an advice, by a small table.

The noise that a receiver works against follows from signal and SNR: about -117 dBm in 125 kHz with
a noise figure of 6 dB (-174 dBm/Hz at room temperature). Well above that, something transmits;
close to it, the signal is weak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gateway.alerts.rules.link_history import BadFrequency, LinkFacts
from gateway.speech import figure, say
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
                          say("Look whether its antenna is loose, damaged or covered, and whether "
                              "it has fallen or was moved."))  # fmt: skip
    if facts.frequency is not None:
        return _one_frequency(facts.frequency, severity, _lost(facts))
    if _noise_dbm(facts) >= _NOISY_DBM and facts.snr_db < _UNSATURATED_DB:
        text = say("{lost} of its messages are lost in noise (SNR {snr} at a good {signal})",
                   lost=_lost(facts), snr=_db(facts.snr_db),
                   signal=_dbm(facts.rssi_dbm))  # fmt: skip
        return LinkAdvice("noise", severity, text,
                          say("Use other frequencies, or move its antenna or the gateway's away "
                              "from what makes the noise."))  # fmt: skip
    if facts.margin_db is not None and facts.margin_db < ENOUGH_DB:
        text = say("{lost} of its messages are lost at {signal}, {margin} above what can be heard",
                   lost=_lost(facts), signal=_dbm(facts.rssi_dbm),
                   margin=_db(facts.margin_db))  # fmt: skip
        return LinkAdvice("weak", severity, text, _nearer(facts.spreading_factor))
    text = say("{lost} of its messages are lost though it is heard well ({signal})",
               lost=_lost(facts), signal=_dbm(facts.rssi_dbm))  # fmt: skip
    return LinkAdvice("collisions", severity, text, _fewer(facts))


def _fallen(facts: LinkFacts, *, loses: bool) -> str:
    fall, signal = _db(facts.fall_db), _dbm(facts.rssi_dbm)
    if loses:
        return say("heard {fall} weaker than usual, at {signal}, and {lost} of its messages are "
                   "lost", fall=fall, signal=signal, lost=_lost(facts))  # fmt: skip
    return say("heard {fall} weaker than usual, at {signal}", fall=fall, signal=signal)


def _one_frequency(bad: BadFrequency, severity: Severity, lost: str) -> LinkAdvice:
    mhz = figure(bad.mhz, "MHz")
    if bad.even_percent <= _RARE_PERCENT:
        text = say("{lost} of its messages are lost, and {frequency} brings {share} of its share",
                   lost=lost, frequency=mhz, share=figure(round(bad.even_percent), "%")
                   )  # fmt: skip
    else:
        text = say("{lost} of its messages are lost, and {frequency} is heard {worse} worse than "
                   "the others", lost=lost, frequency=mhz, worse=_db(bad.below_db))  # fmt: skip
    return LinkAdvice("frequency", severity, text,
                      say("Take {frequency} out of its channels, or find what disturbs it and "
                          "check that both antennas are made for it.", frequency=mhz)
                      )  # fmt: skip


def _noise_dbm(facts: LinkFacts) -> float:
    return facts.rssi_dbm - 10 * math.log10(1 + 10 ** (facts.snr_db / 10))


def _nearer(spreading_factor: int | None) -> str:
    if spreading_factor is None or spreading_factor >= _SLOWEST:
        return say("Raise or move its antenna, or put a gateway or relay nearer.")
    return say("Raise or move its antenna, or put a gateway or relay nearer; a slower data rate "
               "than SF{factor} helps until then.", factor=spreading_factor)  # fmt: skip


def _fewer(facts: LinkFacts) -> str:
    factor, margin_db = facts.spreading_factor, facts.margin_db
    if factor is None or margin_db is None or factor < _SLOW or margin_db < _PLENTY_DB:
        return say("Send fewer or shorter messages and spread their times, for they collide or "
                   "are sent where the gateway does not listen.")  # fmt: skip
    return say("Send fewer or shorter messages and spread their times, for they collide or are "
               "sent where the gateway does not listen; a faster data rate than SF{factor} would "
               "do so and save battery.", factor=factor)  # fmt: skip


def _lost(facts: LinkFacts) -> str:
    return figure(round(100 * facts.loss), "%")


def _db(value: float) -> str:
    return figure(round(value), "dB")


def _dbm(value: float) -> str:
    return figure(round(value), "dBm")
