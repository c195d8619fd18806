"""Who may command what: roles and devices from the settings, and `by` proved by a signature.

Where no operator is named, the broker's access list alone decides, and `by` is a claim. Where any
is, a command names one of them who may; one with a key signs, or anybody could use the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.config import Config, OperatorConfig
from gateway.control.signing import is_signed
from gateway.errors import CommandRefused, ConfigError
from gateway.speech import say
from gateway.types import Json

ROLES = {"viewer": 0, "operator": 1, "admin": 2}
_DIGITS = 64
PROGRAM = "program:"
"""How the names begin under which the settings' own programs command; nobody else may use one."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The operators, and whether a claim is enough."""

    operators: Mapping[str, OperatorConfig]
    require_signature: bool = False

    @classmethod
    def of(cls, config: Config) -> Authority:
        """Return the authority that the settings state."""
        return cls(config.operators, config.downlink.require_signature)

    def admit(
        self, by: str, dev_eui: str, tree: Mapping[str, Json] | None, role: str = "operator"
    ) -> bool:
        """Let a command pass, and tell whether it proves who sent it.

        `tree` is the command as it came, None where it had no form to be signed in; `dev_eui` is ""
        for what is about no single device.

        Raises
        ------
        CommandRefused
            `unauthorised` (no such operator, not the role, not this device), `unsigned`, or
            `signature` (wrong, or it lacks what makes it good once).

        """
        signature = tree.get("signature") if tree else None
        if by.startswith(PROGRAM) and by not in self.operators:
            said = say("{name} is a program's name: only the gateway itself commands by it.",
                       name=repr(by[:32]))  # fmt: skip
            raise CommandRefused("unauthorised", said)
        if not self.operators:
            if signature is not None:
                said = say("No operator has a key here: leave `signature` out, or name operators "
                           "in the settings.")  # fmt: skip
                raise CommandRefused("signature", said)
            return False
        operator = self.operators.get(by)
        if operator is None:
            said = (
                say("{name} is no operator: only those of the settings may command.",
                    name=repr(by[:32]))
                if by
                else say("`by` is missing: only the operators of the settings may command.")
            )  # fmt: skip
            raise CommandRefused("unauthorised", said)
        _check_rights(by, operator, dev_eui, role)
        return self._proved(by, operator, dev_eui, tree or {})

    def admitted(self, by: str) -> Authority:
        """Return the authority over what an operator was admitted for already: rights, no proof."""
        operator = self.operators.get(by)
        if operator is None:
            return Authority({})
        return Authority({by: operator.model_copy(update={"key_file": None})})

    def check_device(self, by: str, dev_eui: str) -> None:
        """Let a known operator pass who may command a device.

        Raises
        ------
        CommandRefused
            `unauthorised`.

        """
        if by in self.operators:
            _check_rights(by, self.operators[by], dev_eui, "operator")

    def _proved(
        self, by: str, operator: OperatorConfig, dev_eui: str, tree: Mapping[str, Json]
    ) -> bool:
        signature = tree.get("signature")
        if signature is None:
            if operator.key_file is not None or self.require_signature:
                said = say("Commands of {name} must be signed.", name=by)
                raise CommandRefused("unsigned", said)
            return False
        missing = [name for name in ("id", "time") if not isinstance(tree.get(name), str)]
        if missing:
            said = say("A signed command is good once: it needs {keys}.",
                       keys=", ".join(f"`{name}`" for name in missing))  # fmt: skip
            raise CommandRefused("signature", said)
        if not isinstance(signature, str) or len(signature) != _DIGITS:
            said = say("A signature is an HMAC-SHA256 in 64 hex digits.")
            raise CommandRefused("signature", said)
        key = _key_of(by, operator)
        if not key or not is_signed(key, dev_eui, tree, signature):
            said = say("The signature is not that of {name}.", name=by)
            raise CommandRefused("signature", said)
        return True


def _check_rights(by: str, operator: OperatorConfig, dev_eui: str, role: str) -> None:
    if ROLES[operator.role] < ROLES[role]:
        said = say("{name} has the role {role}; this takes {needed}.",
                   name=by, role=f"`{operator.role}`", needed=f"`{role}`")  # fmt: skip
        raise CommandRefused("unauthorised", said)
    if dev_eui and operator.devices and dev_eui not in operator.devices:
        said = say("{name} may not command {device}.", name=by, device=dev_eui[:32])
        raise CommandRefused("unauthorised", said)


def _key_of(by: str, operator: OperatorConfig) -> bytes:
    try:
        return operator.key()
    except ConfigError:
        # What is wrong with the file is for the settings' check to say, not for the sender.
        said = say("The key of {name} cannot be read here: see `lora-gateway check`.", name=by)
        raise CommandRefused("signature", said) from None
