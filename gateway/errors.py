"""Everything that may go wrong on purpose, as one tree.

::

    GatewayError
    ├── ConfigError      the settings are wrong: exit 2, with the key and the remedy
    ├── LinkError        a wire broke: retried with capped, jittered backoff inside `links/`
    │   ├── LinkDenied   the other side does not take our key: nothing was done, a new key may come
    │   └── LinkRefused  the other side answered no: asking the same again soon changes nothing
    ├── BadInput         a stranger's bytes are wrong: counted, quarantined, and life goes on
    ├── PackError        a model pack does not load: reason and remedy, the daemon keeps its rules
    ├── CommandRefused   a downlink command is not carried out: the reason goes back to its sender
    └── StoreError       the database cannot be used: reason and remedy

Anything else that is raised is a bug: it falls through, and systemd restarts the daemon.
"""


class GatewayError(Exception):
    """An expected failure; `str(error)` is one plain sentence for a person."""


class ConfigError(GatewayError):
    """A setting is wrong. Names the key, the value, what is allowed, and the nearest right key."""


class LinkError(GatewayError):
    """A connection could not be made or was lost."""


class LinkDenied(LinkError):  # noqa: N818 - a refusal is an answer, not a fault
    """The other side was reached and does not accept who we are; nothing was done."""


class LinkRefused(LinkError):  # noqa: N818 - a refusal is an answer, not a fault
    """The other side was reached, and does not have or give this one thing."""


class BadInput(GatewayError):  # noqa: N818 - it is an input's quality, not a fault of ours
    """Bytes from outside that cannot be used.

    `reason` is a short constant in snake_case, counted and shown in `health`; `detail` is for a
    person and never holds more than 200 characters of the input.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail[:200]


class PackError(GatewayError):
    """A model pack cannot be used. `reason` is a constant, `remedy` says what to do about it."""

    def __init__(self, reason: str, detail: str, remedy: str) -> None:
        super().__init__(f"{detail} {remedy}")
        self.reason = reason
        self.detail = detail
        self.remedy = remedy


class CommandRefused(GatewayError):  # noqa: N818 - a refusal is an answer, not a fault
    """A command was refused. `reason` is a constant in snake_case, `detail` a plain sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class StoreError(GatewayError):
    """The database is missing, of a newer version, damaged, or cannot be written."""
