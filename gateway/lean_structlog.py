"""structlog without `rich`, which it loads for tracebacks in colour wherever it is installed.

The command line needs `rich`, so it is installed; a daemon that writes JSON would hold 5 MiB of it
for nothing. While structlog is loaded, `rich` cannot be: structlog then does without, as it says.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import cast

_blocked = "rich" not in sys.modules
if _blocked:
    sys.modules["rich"] = cast("ModuleType", None)  # makes `import rich` an ImportError
import structlog  # noqa: E402 - while it is blocked

if _blocked:
    del sys.modules["rich"]

__all__ = ["structlog"]
