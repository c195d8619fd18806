"""An alert in plain words: what is wrong, why, and what to do."""

from __future__ import annotations

from gateway.speech import duration, figure, interval, say, words_of
from gateway.types import Alert, DeviceInfo, Reason, Scalar

_SHOWN = 3  # reasons that fit in a line of text
_FACTS = 2
_CODEC = "codec."
_SILENCE = "device.silent_for"


def titled(device: DeviceInfo, trouble: str) -> str:
    """Return an alert's title: the device's name, and what is wrong with it."""
    return say("{device}: {trouble}", device=device.name or device.dev_eui, trouble=trouble)


def reason_sentence(reason: Reason) -> str:
    """Return one channel's part in an alert as one sentence."""
    said = _reason(reason)
    return said[:1].upper() + said[1:]


def sentence(alert: Alert) -> str:
    """Return the whole alert for a terminal or a notification: what, why, and what to do."""
    said = say("{title}.", title=alert.title)
    for reason in alert.reason[:_SHOWN]:
        said = _then(said, reason_sentence(reason))
    if (more := len(alert.reason) - _SHOWN) > 0:
        said = _then(said, say("And {count} more.", count=more))
    for fact in alert.evidence[:_FACTS]:
        said = _then(said, fact)
    if alert.end_s is not None:
        lasted = duration(alert.end_s - alert.first_seen_s)
        return _then(said, say("Over after {duration}.", duration=lasted))
    return _then(said, alert.advice) if alert.advice else said


def _reason(reason: Reason) -> str:
    channel, observed = words_of(reason.channel), figure(reason.observed, reason.unit)
    if reason.channel.startswith(_CODEC):
        codec = reason.channel.removeprefix(_CODEC)
        return say("the codec {codec} says {quote}.", codec=codec, quote=observed)
    if reason.channel == _SILENCE:
        return _silence(reason, observed)
    if reason.expected is None:
        return say("{channel} is {value}.", channel=channel, value=observed)
    low, middle, high = reason.expected
    expected = figure(middle, reason.unit)
    if _is_within(reason.observed, low, high) and expected != observed:
        # Not one value is out of bounds, but all of them together lean to one side.
        return say("{channel} is {value}, and about {expected} was expected.", channel=channel,
                   value=observed, expected=expected)  # fmt: skip
    return say("{channel} is {value}, expected {range}.", channel=channel, value=observed,
               range=interval(low, high, reason.unit))  # fmt: skip


def _is_within(value: Scalar, low: float, high: float) -> bool:
    return not isinstance(value, str) and low <= value <= high


def _silence(reason: Reason, observed: str) -> str:
    if reason.expected is None:
        return say("nothing was heard for {duration}.", duration=observed)
    return say("nothing was heard for {duration}, and usually something comes every {usual}.",
               duration=observed, usual=duration(reason.expected[1]))  # fmt: skip


def _then(before: str, after: str) -> str:
    return say("{before} {after}", before=before, after=after)
