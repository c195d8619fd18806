"""Taking turns over frequencies or spreading factors: who can, and what it misses.

A radio locks on to a packet while 5 symbols of its preamble are left (firmware/SPEC.md, section
4). Channel activity detection must find two whole symbols before that, and is about a millisecond
over them, so that of a preamble of p symbols only p - 7 are of use to a scan.
"""

from __future__ import annotations

import math

from gateway.codecs.radio.contract import Hop, RadioCapabilities, RadioSettings, Scan
from gateway.errors import ConfigError

DETECTION_SYMBOLS = 2
DETECTION_SPARE_S = 0.001
LOST_SYMBOLS = 7


def check_turns(board: str, able: RadioCapabilities, settings: RadioSettings) -> None:
    """Raise ConfigError when a board cannot take turns as the settings ask it to."""
    match settings.turns:
        case Hop():
            _check_hop(board, able, settings, settings.turns)
        case Scan():
            _check_scan(board, able, settings, settings.turns)
        case None:
            return


def _check_hop(board: str, able: RadioCapabilities, settings: RadioSettings, hop: Hop) -> None:
    frequency_hz, count = settings.frequency_hz, len(hop.frequencies_hz)
    if able.hops == 0:
        raise ConfigError(
            f"{board}: it cannot hop over frequencies; let it listen on {frequency_hz} Hz alone."
        )
    if count > able.hops:
        raise ConfigError(
            f"{board}: {count} frequencies to hop over; it takes at most {able.hops}."
        )
    least, most = able.dwells_ms
    if not least <= hop.dwell_ms <= most:
        raise ConfigError(f"{board}: dwell_ms {hop.dwell_ms}; it has {least} to {most}.")
    if frequency_hz not in hop.frequencies_hz:
        raise ConfigError(
            f"{board}: {frequency_hz} Hz is not among the frequencies to hop over; add it to them."
        )


def _check_scan(board: str, able: RadioCapabilities, settings: RadioSettings, scan: Scan) -> None:
    factor = settings.spreading_factor
    if not able.scans:
        raise ConfigError(
            f"{board}: it cannot scan spreading factors; let it listen to SF{factor} alone."
        )
    least, most = able.spreading_factors
    for one in scan.spreading_factors:
        if not least <= one <= most:
            raise ConfigError(f"{board}: spreading factor {one}; it has {least} to {most}.")
    if factor not in scan.spreading_factors:
        raise ConfigError(f"{board}: SF{factor} is not among those to scan; add it to them.")


def heard_share(settings: RadioSettings, spreading_factor: int) -> float:
    """Return about which share of the packets it is meant for a radio finds, 0 to 1.

    Of a scan: of the packets of one spreading factor, sent with `settings.preamble` symbols.
    """
    match settings.turns:
        case Hop():
            return 1 / len(settings.turns.frequencies_hz)
        case Scan():
            useful_s = (settings.preamble - LOST_SYMBOLS) * _symbol_s(settings, spreading_factor)
            return max(0.0, min(1.0, useful_s / _scan_s(settings, settings.turns)))
        case None:
            return 1.0


def preamble_for_all(settings: RadioSettings, scan: Scan) -> int:
    """Return the symbols of preamble with which a scan finds every packet."""
    shortest_s = _symbol_s(settings, min(scan.spreading_factors))
    return LOST_SYMBOLS + math.ceil(_scan_s(settings, scan) / shortest_s)


def cost_of(settings: RadioSettings) -> str:
    """Say in plain words what taking turns misses, "" when it takes none or misses nothing."""
    match settings.turns:
        case Hop():
            count = len(settings.turns.frequencies_hz)
            return f"hopping over {count} frequencies hears about 1 packet in {count}"
        case Scan():
            return _scan_cost(settings, settings.turns)
        case None:
            return ""


def _scan_cost(settings: RadioSettings, scan: Scan) -> str:
    shares = {one: heard_share(settings, one) for one in sorted(scan.spreading_factors)}
    if min(shares.values()) >= 1:
        return ""
    found = ", ".join(f"{share:.0%} of SF{one}" for one, share in shares.items())
    return (
        f"scanning finds about {found} with preambles of {settings.preamble} symbols;"
        f" {preamble_for_all(settings, scan)} symbols find all"
    )


def _symbol_s(settings: RadioSettings, spreading_factor: int) -> float:
    return float(2**spreading_factor / settings.bandwidth_hz)


def _scan_s(settings: RadioSettings, scan: Scan) -> float:
    return sum(
        DETECTION_SYMBOLS * _symbol_s(settings, one) + DETECTION_SPARE_S
        for one in scan.spreading_factors
    )
