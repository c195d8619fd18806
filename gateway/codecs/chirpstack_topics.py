"""Topic templates: `application/{application_id}/device/{dev_eui}/event/{event}` and its kin.

ChirpStack's topics are themselves templates on the server, so any prefix, order and set of levels
is possible; a placeholder may also stand beside fixed text within one level.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.errors import BadInput, ConfigError

PLACEHOLDERS = ("application_id", "dev_eui", "event", "command")
_PLACEHOLDER = re.compile(r"\{([^{}/]*)\}")
_UNSAFE = re.compile(r"[/+#\x00-\x1f]")


class TopicTemplate:
    """A topic with named places: matches topics, fills them in, or subscribes to them all.

    Raises
    ------
    ConfigError
        A placeholder is unknown, or a brace stands alone.

    """

    def __init__(self, template: str) -> None:
        self.template = template
        self.names = tuple(dict.fromkeys(_PLACEHOLDER.findall(template)))
        if unknown := [name for name in self.names if name not in PLACEHOLDERS]:
            allowed = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise ConfigError(
                f"topic template {template!r}: unknown {{{unknown[0]}}}; allowed: {allowed}."
            )
        if set(_PLACEHOLDER.sub("", template)) & set("{}+#"):
            raise ConfigError(f"topic template {template!r}: stray brace or wildcard.")
        self._pattern = re.compile(self._expression())

    def match(self, topic: str) -> Mapping[str, str] | None:
        """Return what stands in each named place, None when the topic is not of this form."""
        found = self._pattern.fullmatch(topic)
        return None if found is None else found.groupdict()

    def subscription(self, **fixed: str) -> str:
        """Return the filter that finds these topics; a level with a place left open becomes `+`."""
        return "/".join(self._level(level, fixed) for level in self.template.split("/"))

    def fill(self, **parts: str) -> str:
        """Return the topic with every place filled; parts that it has no place for are ignored.

        Raises
        ------
        BadInput
            `invalid_topic_part`: a part is missing, empty, or would change the topic's levels.

        """
        for name in self.names:
            part = parts.get(name, "")
            if not part or _UNSAFE.search(part):
                raise BadInput("invalid_topic_part", f"{name} = {part!r} cannot stand in a topic")
        return _PLACEHOLDER.sub(lambda place: parts[place[1]], self.template)

    def _level(self, level: str, fixed: Mapping[str, str]) -> str:
        if any(name not in fixed for name in _PLACEHOLDER.findall(level)):
            return "+"
        return _PLACEHOLDER.sub(lambda place: fixed[place[1]], level)

    def _expression(self) -> str:
        seen: set[str] = set()
        expression, end = "", 0
        for place in _PLACEHOLDER.finditer(self.template):
            name = place[1]
            expression += re.escape(self.template[end : place.start()])
            expression += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+)"
            seen.add(name)
            end = place.end()
        return expression + re.escape(self.template[end:])
