"""From an uplink's bytes to what they say: the server's word, our codec's, or both compared.

A codec that goes on meeting its limits is left alone for a while, longer each time: each attempt
would cost every other device a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.codecs.payloads.assignment import Assignments
from gateway.codecs.payloads.compare import disagreements
from gateway.codecs.payloads.contract import Decoded, Encoded, Frame, PayloadCodec
from gateway.codecs.payloads.javascript import JavaScriptCodec
from gateway.codecs.payloads.layouts import LayoutCodec
from gateway.codecs.payloads.layouts.commands import CommandForm
from gateway.codecs.payloads.library import CodecLibrary
from gateway.config import CodecsConfig
from gateway.errors import BadInput
from gateway.types import DeviceInfo, Json, Uplink

COSTLY = frozenset({"codec_time_limit", "codec_memory_limit", "codec_crash"})
PATIENCE = 3
FIRST_REST_S = 60.0
LONGEST_REST_S = 3600.0


@dataclass(frozen=True, slots=True)
class Payload:
    """What an uplink's bytes say, and how that came about.

    `uplink` carries the object to go on with. `codec` is the codec that was asked, "" for none;
    `failure` why it gave nothing; `differences` where it and the server disagree.
    """

    uplink: Uplink
    codec: str = ""
    failure: BadInput | None = None
    differences: tuple[str, ...] = ()
    rejects: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Rest:
    """How often in a row a codec met its limits, and until when it is left alone."""

    strikes: int = 0
    until_s: float = 0.0
    next_s: float = field(default=FIRST_REST_S)


class PayloadDecoder:
    """Decodes uplinks and encodes commands with the codec that each device has."""

    def __init__(
        self, settings: CodecsConfig, library: CodecLibrary, assignments: Assignments
    ) -> None:
        self._settings = settings
        self._library = library
        self._assignments = assignments
        self._rests: dict[str, _Rest] = {}

    def decode(self, uplink: Uplink) -> Payload:
        """Return the uplink with the object that goes; a codec's failure never costs the uplink."""
        name = self._assignments.codec_of(uplink.device)
        if name is None or uplink.f_port == 0 or not uplink.data:
            return Payload(uplink)
        choice = self._assignments.decoding_of(uplink.device)
        theirs = uplink.object
        if choice == "server" or (theirs is not None and choice == "auto" and not self._compares):
            return Payload(uplink)
        try:
            decoded, codec = self._run(name, uplink)
        except BadInput as error:
            return Payload(uplink, name, error)
        differ = (
            disagreements(theirs, decoded.data) if theirs is not None and self._compares else []
        )
        goes = uplink if theirs is not None and choice == "auto" else _with(uplink, decoded, codec)
        rejects = decoded.rejects if goes is not uplink else ()
        return Payload(goes, name, None, tuple(differ), rejects)

    def encode(
        self, device: DeviceInfo, command: Mapping[str, Json], f_port: int | None
    ) -> Encoded | None:
        """Return a command's bytes, None when the device has no codec here.

        Raises
        ------
        BadInput
            The codec does not encode it; `codec_no_function` when it encodes nothing at all.

        """
        name = self._assignments.codec_of(device)
        if name is None:
            return None
        codec = self._library.get(name)
        variables = self._assignments.variables_of(device)
        if isinstance(codec, JavaScriptCodec):
            return codec.encode(command, variables, f_port)
        return codec.encode(command, variables)

    def commands(self, device: DeviceInfo) -> tuple[CommandForm, ...]:
        """Return what the device's codec says of the commands it encodes; () when nothing."""
        name = self._assignments.codec_of(device)
        try:
            codec = self._library.get(name) if name is not None else None
        except BadInput:
            return ()
        return codec.commands if isinstance(codec, LayoutCodec) else ()

    def resting(self, now_s: float) -> Mapping[str, float]:
        """Return the codecs that are left alone, with the seconds that remain."""
        return {
            name: rest.until_s - now_s
            for name, rest in self._rests.items()
            if rest.until_s > now_s
        }  # fmt: skip

    def reloaded(self, names: list[str]) -> None:
        """Give codecs that were written anew a new chance."""
        for name in names:
            self._rests.pop(name, None)

    @property
    def _compares(self) -> bool:
        return self._settings.compare

    def _run(self, name: str, uplink: Uplink) -> tuple[Decoded, PayloadCodec]:
        rest = self._rests.get(name)
        if rest is not None and uplink.received_s < rest.until_s:
            raise BadInput(
                "codec_resting",
                f"{name} met its limits {rest.strikes} times in a row and is left alone",
            )
        codec = self._library.get(name)
        frame = Frame(
            data=uplink.data,
            f_port=uplink.f_port,
            time_s=uplink.time_s,
            variables=self._assignments.variables_of(uplink.device),
        )
        try:
            decoded = codec.decode(frame)
        except BadInput as error:
            self._note(name, error, uplink.received_s)
            raise
        self._rests.pop(name, None)
        return decoded, codec

    def _note(self, name: str, error: BadInput, now_s: float) -> None:
        if error.reason not in COSTLY:
            self._rests.pop(name, None)
            return
        rest = self._rests.setdefault(name, _Rest())
        rest.strikes += 1
        if rest.strikes >= PATIENCE:
            rest.until_s = now_s + rest.next_s
            rest.next_s = min(2 * rest.next_s, LONGEST_REST_S)


def _with(uplink: Uplink, decoded: Decoded, codec: PayloadCodec) -> Uplink:
    units = codec.units if isinstance(codec, LayoutCodec) else {}
    return replace(
        uplink, object=decoded.data, normalized=decoded.normalized, object_units=units
    )  # fmt: skip
