"""Verdicts and facts become few, true, plainly worded alerts with one id for life."""

from gateway.alerts.causes import newest_steps
from gateway.alerts.engine import AlertEngine
from gateway.alerts.rules.fortnight import REMEMBERED_DAYS_S
from gateway.alerts.words import reason_sentence, sentence

__all__ = ["REMEMBERED_DAYS_S", "AlertEngine", "newest_steps", "reason_sentence", "sentence"]
