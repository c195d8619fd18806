"""Declarative binary layouts: a TOML file says where each value is; both directions come from it.

The format is explained in the README beside this file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.codecs.payloads.contract import Decoded, Encoded, Frame
from gateway.codecs.payloads.layouts.commands import (
    Command,
    CommandForm,
    CommandKey,
    Commands,
    compile_command,
)
from gateway.codecs.payloads.layouts.complaints import complaint, read_model
from gateway.codecs.payloads.layouts.keep import is_hidden
from gateway.codecs.payloads.layouts.messages import Message, compile_message, scan_of
from gateway.codecs.payloads.layouts.model import ExampleModel, LayoutModel
from gateway.codecs.payloads.layouts.names import (
    check_names,
    check_nesting,
    check_references,
    message_leaves,
)
from gateway.errors import BadInput
from gateway.types import Json

__all__ = ["CommandForm", "CommandKey", "LayoutCodec", "parse_layout"]


@dataclass(frozen=True, slots=True)
class LayoutCodec:
    """A codec made from a layout file (the `PayloadCodec` of contract.py).

    `units` are the units of an uplink's values by dotted key (a list's as `log.t`); `commands`
    say what may be sent, for forms and for checks before sending.
    """

    name: str
    vendor: str
    model: str
    source: str
    units: Mapping[str, str]
    messages: tuple[Message, ...]
    downlinks: Commands

    @property
    def commands(self) -> tuple[CommandForm, ...]:
        """What may be sent."""
        return tuple(command.form for command in self.downlinks.known)

    def decode(self, frame: Frame) -> Decoded:
        """Return what an uplink says."""
        scan = scan_of(frame)
        for message in self.messages:
            if message.holds(scan):
                return message.read(scan)
        if not self.messages:
            raise BadInput("codec_no_function", "this layout has no messages")
        raise BadInput(
            "codec_no_match",
            f"no message of {self.name} is for port {frame.f_port} and {len(frame.data)} bytes "
            f"that begin with {frame.data[:4].hex(' ') or 'nothing'}",
        )

    def encode(self, command: Mapping[str, Json], variables: Mapping[str, str]) -> Encoded:
        """Return a command's bytes; a layout has no use for `variables`."""
        del variables
        return self.downlinks.encode(command)

    def decode_downlink(self, frame: Frame) -> Decoded:
        """Return what a downlink's bytes command."""
        return self.downlinks.decode(frame)


def parse_layout(text: str, name: str) -> LayoutCodec:
    """Return the codec of a file, its examples checked.

    `name` is what the codec is called, and what is named in complaints. Raises
    `BadInput("codec_syntax", ...)` that says which field of which file is wrong, and the remedy.
    """
    model = read_model(text, name)
    codec = LayoutCodec(
        name,
        model.vendor,
        model.model,
        model.source,
        _units(model),
        tuple(_messages(model, name)),
        Commands(tuple(_commands(model, name)), model.combine),
    )
    for index, example in enumerate(model.example):
        _check(codec, example, f"{name}: example {index + 1}")
    return codec


def _units(model: LayoutModel) -> dict[str, str]:
    found = (leaf for message in model.message for leaf in message_leaves(message))
    return {key: field.unit for key, field in found if field.unit and not is_hidden(key)}


def _messages(model: LayoutModel, name: str) -> Iterator[Message]:
    for index, message in enumerate(model.message):
        try:
            check_names(message)
            known: set[str] = set()
            check_references(message.field, known)
            for item in message.item:
                check_references(item.field, known)
            yield compile_message(message, model.byte_order)
        except ValueError as error:
            raise complaint(name, f"{_title('message', index, message.name)}: {error}") from None


def _commands(model: LayoutModel, name: str) -> Iterator[Command]:
    for index, command in enumerate(model.command):
        try:
            check_nesting(field.name for field in command.field if field.name)
            if model.combine and command.checksum is not None:
                raise ValueError("`checksum` does not go with `combine`: remove one")  # noqa: TRY301
            yield compile_command(command, model.byte_order, model.f_port)
        except ValueError as error:
            raise complaint(name, f"{_title('command', index, command.name)}: {error}") from None


def _title(kind: str, index: int, name: str | None) -> str:
    return f"{kind} {index + 1}" + (f" `{name}`" if name else "")


def _check(codec: LayoutCodec, example: ExampleModel, name: str) -> None:
    try:
        data = bytes.fromhex(example.hex)
    except ValueError:
        raise complaint(name, "`hex` must be pairs of hexadecimal digits") from None
    try:
        if example.command is not None:
            encoded = codec.encode(example.command, {})
            wanted: Json = data
            found: Json = encoded.data
            if "f_port" in example.model_fields_set and encoded.f_port != example.f_port:
                raise complaint(name, f"goes to port {encoded.f_port}")
        else:
            found = dict(codec.decode(Frame(data, example.f_port)).data)
            wanted = example.object
    except BadInput as error:
        raise complaint(name, f"gives {error}") from None
    if found != wanted:
        shown = found.hex(" ") if isinstance(found, bytes) else found
        raise complaint(name, f"gives {shown}")
