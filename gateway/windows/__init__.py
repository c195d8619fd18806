"""Irregular readings of one channel, turned into a window on that channel's own learned step."""

from gateway.windows.bank import CONTEXT, WARM_SAMPLES, WindowBank
from gateway.windows.interval import learn_step
from gateway.windows.ring import Ring

__all__ = ["CONTEXT", "WARM_SAMPLES", "Ring", "WindowBank", "learn_step"]
