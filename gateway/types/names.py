"""The words everything else is made of: who, which channel, what a value may be."""

from __future__ import annotations

from typing import Any, NewType

import numpy as np
import numpy.typing as npt

DevEui = NewType("DevEui", str)
"""16 lower-case hex digits."""

Channel = NewType("Channel", str)
"""A dotted name with one unit, such as `soil.moisture`."""

Scalar = float | int | bool | str
Json = Any
"""A value as `json.loads` gives it."""

FloatArray = npt.NDArray[np.float32]
QUANTILES = (0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)
"""The levels every forecast states, in this order."""
