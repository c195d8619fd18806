"""What a device takes: a command is chosen by its name or its keys, and every value is looked at.

A refusal names the key, the value, and what is allowed there.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.config import DURATION_UNITS, CommandConfig, CommandKeyConfig, Config, VerifyConfig
from gateway.control.forms import Form
from gateway.errors import CommandRefused
from gateway.speech import phrase, say
from gateway.types import DevEui, DeviceInfo, Downlink, Json

Commands = Mapping[str, CommandConfig]

_SHOWN = 48
_NAMES = {
    "integer": phrase("a whole number"),
    "number": phrase("a number"),
    "boolean": phrase("`true` or `false`"),
    "text": phrase("a text in quotes"),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A command that fits: the object to encode, or its bytes, how long and how much."""

    name: str
    spec: CommandConfig
    object: Mapping[str, Json] | None
    data: bytes
    duration_s: float | None
    volume_l: float | None


class Catalogue:
    """Which commands each device takes: its own settings go before its profile's."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._profiles: dict[DevEui, str] = {}

    def learn(self, info: DeviceInfo) -> None:
        """Remember a device's profile, where that profile has commands."""
        profile = self._config.profiles.get(info.profile)
        if profile is not None and profile.commands:
            self._profiles[info.dev_eui] = info.profile
        else:
            self._profiles.pop(info.dev_eui, None)

    def of(self, dev_eui: DevEui) -> Commands:
        """Return a device's commands by name; empty where anything may be sent."""
        profile = self._config.profiles.get(self._profiles.get(dev_eui, ""))
        device = self._config.devices.get(dev_eui)
        return {
            **(profile.commands if profile else {}),
            **(device.commands if device else {}),
        }

    def proof(self, downlink: Downlink) -> VerifyConfig | None:
        """Return which reading proves a command; None where none does."""
        spec = self.spec(downlink)
        return spec.verify if spec is not None else None

    def spec(self, downlink: Downlink) -> CommandConfig | None:
        """Return what a command was made by; None for free bytes, or when it is no longer there."""
        return self.of(downlink.dev_eui).get(downlink.command) if downlink.command else None


def choose(commands: Commands, form: Form) -> Chosen:
    """Return the command that a form is for, with every value checked.

    Raises
    ------
    CommandRefused
        `unknown_command`, `not_in_schema` (bytes, or an object that is none of the commands),
        `ambiguous`, or `value`: the key, what it has, what is allowed.

    """
    name = form.command or _matching(commands, form)
    spec = commands.get(name)
    if spec is None:
        near = difflib.get_close_matches(name[:64], commands, 1)
        said = (
            say("The device takes no {name}; did you mean {near}?",
                name=_shown(name), near=repr(near[0]))
            if near
            else say("The device takes no {name}; it takes: {known}.",
                     name=_shown(name), known=_listed(commands))
        )  # fmt: skip
        raise CommandRefused("unknown_command", said)
    if form.data is not None or form.hex is not None:
        raise CommandRefused("ambiguous", say("Give a `command` or bytes, not both."))
    given = flat(form.object or {})
    values = _checked(name, spec, given)
    made = {**spec.fixed, **values}
    return Chosen(
        name=name,
        spec=spec,
        object=None if spec.hex else nested(made),
        data=bytes.fromhex(spec.hex),
        duration_s=_duration_s(spec, values, form),
        volume_l=_volume_l(spec, values, _duration_s(spec, values, form)),
    )


def check_learned(learned: Commands, values: Mapping[str, Json]) -> None:
    """Look at the values whose keys a codec's own commands describe; others are the codec's.

    Raises
    ------
    CommandRefused
        `value`.

    """
    for key, value in flat(values).items():
        described = [spec.keys[key] for spec in learned.values() if key in spec.keys]
        if described and not any(_fits(one, value) for one in described):
            raise _refusal(key, value, described[0])


def _matching(commands: Commands, form: Form) -> str:
    """Return the name of the one command that an object without a name is."""
    if form.object is None:
        said = say("Bytes of one's own are not sent to this device; it takes: {known}.",
                   known=_listed(commands))  # fmt: skip
        raise CommandRefused("not_in_schema", said)
    given = flat(form.object)
    near = [
        name
        for name, spec in commands.items()
        if not spec.hex
        and given.keys() <= spec.keys.keys() | spec.fixed.keys()
        and all(given.get(key) == value for key, value in spec.fixed.items())
    ]
    exact = [
        name
        for name in near
        if all(key in given for key, one in commands[name].keys.items() if one.required)
    ]
    if len(exact) == 1 or len(near) == 1:
        return (exact or near)[0]
    if exact:
        said = say("The object may be any of {names}: say which in `command`.",
                   names=", ".join(sorted(exact)))  # fmt: skip
        raise CommandRefused("ambiguous", said)
    said = say("No command of this device has just {keys}; it takes: {known}.",
               keys=_listed(given), known=_listed(commands))  # fmt: skip
    raise CommandRefused("not_in_schema", said)


def _checked(name: str, spec: CommandConfig, given: Mapping[str, Json]) -> dict[str, Json]:
    values: dict[str, Json] = {}
    for key, value in given.items():
        if key in spec.fixed and value == spec.fixed[key]:
            continue
        if key not in spec.keys:
            said = say("{command} has no key {key}; it has: {known}.", command=name,
                       key=_shown(key), known=_listed(spec.keys) or say("none"))  # fmt: skip
            raise CommandRefused("value", said)
        if not _fits(spec.keys[key], value):
            raise _refusal(key, value, spec.keys[key])
        values[key] = value
    for key, one in spec.keys.items():
        if key in values:
            continue
        if one.default is not None:
            values[key] = one.default
        elif one.required:
            said = say("{command} needs {key}: {allowed}.",
                       command=name, key=f"`{key}`", allowed=allowed(one))  # fmt: skip
            raise CommandRefused("value", said)
    return values


def _fits(key: CommandKeyConfig, value: Json) -> bool:
    if key.type == "enum":
        return any(value == one and type(value) is type(one) for one in key.values)
    if key.type == "boolean":
        return isinstance(value, bool)
    if key.type == "text":
        return isinstance(value, str) and len(value) <= key.max_length
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    if key.type == "integer" and value != math.floor(value):
        return False
    return (key.min is None or value >= key.min) and (key.max is None or value <= key.max)


def allowed(key: CommandKeyConfig) -> str:
    """Say what may stand at a key."""
    if key.type == "enum":
        return say("one of {values}", values=", ".join(map(_shown, key.values)))
    kind = say(_NAMES[key.type])
    if key.type == "text":
        return say("{kind}, of {count} characters at most", kind=kind, count=key.max_length)
    unit = f" {key.unit}" if key.unit else ""
    if key.min is not None and key.max is not None:
        return say("{kind} from {least} to {most}",
                   kind=kind, least=f"{key.min:g}", most=f"{key.max:g}{unit}")  # fmt: skip
    if key.min is not None:
        return say("{kind}, at least {least}", kind=kind, least=f"{key.min:g}{unit}")
    if key.max is not None:
        return say("{kind}, at most {most}", kind=kind, most=f"{key.max:g}{unit}")
    return say("{kind}, in {unit}", kind=kind, unit=key.unit) if key.unit else kind


def _refusal(key: str, value: Json, spec: CommandKeyConfig) -> CommandRefused:
    said = say("{key} may not be {value}; it takes {allowed}.",
               key=f"`{key[:64]}`", value=_shown(value), allowed=allowed(spec))  # fmt: skip
    return CommandRefused("value", said)


def _duration_s(spec: CommandConfig, values: Mapping[str, Json], form: Form) -> float | None:
    """Return how long it opens or starts for, by the device's own watch or by ours."""
    if spec.duration_key:
        unit = spec.keys[spec.duration_key].unit
        return float(values[spec.duration_key]) * DURATION_UNITS[unit]
    return form.duration_s if spec.close_with else None


def _volume_l(
    spec: CommandConfig, values: Mapping[str, Json], duration_s: float | None
) -> float | None:
    if spec.volume_key:
        return float(values[spec.volume_key])
    if spec.flow_l_per_min is not None and duration_s is not None:
        return spec.flow_l_per_min * duration_s / 60.0
    return None


def flat(tree: Mapping[str, Json]) -> dict[str, Json]:
    """Return an object's leaves by dotted key; an empty object is a leaf."""
    return dict(_leaves(tree, ""))


def _leaves(tree: Mapping[str, Json], before: str) -> Iterator[tuple[str, Json]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def nested(leaves: Mapping[str, Json]) -> dict[str, Json]:
    """Return the object of dotted keys."""
    tree: dict[str, Json] = {}
    for key, value in leaves.items():
        *parents, last = key.split(".")
        table = tree
        for parent in parents:
            table = table.setdefault(parent, {})
        table[last] = value
    return tree


def _listed(names: Mapping[str, object]) -> str:
    return ", ".join(sorted(name[:_SHOWN] for name in names))[:400]


def _shown(value: Json) -> str:
    """Return a value as its sender wrote it, a text in quotes."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
