"""Finding one device's codec in a checkout, by whatever a person calls it.

A device is known by its codec's name, its own file's name, or its product name; case and
punctuation are passed over, so `LSE01`, `lse-01` and `lse01-codec` are all the same.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.codecs.payloads.checkouts.examples import EvaluateJson5
from gateway.codecs.payloads.checkouts.files import FileTree
from gateway.codecs.payloads.checkouts.find import find
from gateway.codecs.payloads.checkouts.source import CodecSource
from gateway.codecs.payloads.checkouts.yaml12 import read_yaml
from gateway.errors import BadInput
from gateway.types import Json

_VENDOR_FOLDERS = ("vendor", "vendors", "devices")
_NEAR = 5


@dataclass(frozen=True, slots=True)
class _Device:
    """A device's file: what it may be called, and its codecs in the file's order."""

    names: tuple[str, ...]
    codecs: tuple[str, ...]


def find_device(
    checkout: Path, wanted: str, evaluate_json5: EvaluateJson5 | None = None
) -> CodecSource:
    """Return the codec of `VENDOR/MODEL`.

    Named by a device, its `model` is the device's own id, whatever the codec's file is called: one
    codec may serve several devices, and each is looked for by its own name.

    Raises
    ------
    BadInput
        `no_such_path`, `no_such_vendor`, `no_such_device` (each with the nearest names),
        `several_codecs` (with their names).

    """
    vendor, slash, model = wanted.partition("/")
    if not slash or not vendor or not model:
        raise BadInput("no_such_device", f"{wanted!r} is not VENDOR/MODEL")
    folder = _vendor_folder(checkout, vendor)
    sources = list(find(folder, evaluate_json5).sources())
    return _chosen(sources, _devices(FileTree(folder.resolve())), wanted, model)


def _vendor_folder(checkout: Path, vendor: str) -> Path:
    root = find(checkout).tree.root
    folders = {
        _plain(folder.name): folder
        for name in (*_VENDOR_FOLDERS, "")
        for folder in sorted((root / name).glob("*/"))
        if folder.is_dir() and not folder.is_symlink() and folder.name not in _VENDOR_FOLDERS
    }
    if _plain(root.name) == _plain(vendor):
        folders.setdefault(_plain(vendor), root)
    if (found := folders.get(_plain(vendor))) is not None:
        return found
    near = _near(vendor, [folder.name for folder in folders.values()])
    raise BadInput("no_such_vendor", f"there is no vendor {vendor!r} in {checkout}{near}")


def _chosen(
    sources: list[CodecSource], devices: Iterator[_Device], wanted: str, model: str
) -> CodecSource:
    by_codec: dict[str, CodecSource] = {}
    for source in sources:
        by_codec.setdefault(_plain(source.model), source)
        by_codec.setdefault(_plain(f"{source.model}-codec"), source)
        by_codec.setdefault(_plain(f"{source.model}{source.suffix}"), source)
    if (found := by_codec.get(_plain(model))) is not None:
        return found
    listed = list(devices)
    called = [device for device in listed if _plain(model) in map(_plain, device.names)]
    codecs = {_plain(codec): codec for device in called for codec in device.codecs}
    chosen = [by_codec[plain] for plain in codecs if plain in by_codec]
    if len(chosen) == 1:
        return replace(chosen[0], model=called[0].names[0])
    if chosen:
        names = ", ".join(source.model for source in chosen)
        raise BadInput("several_codecs", f"{wanted!r} has several: name one of {names}")
    by_script = [s for s in sources if _plain(model) in (_plain(s.path.stem), _plain(s.path.name))]
    if by_script:
        return by_script[0]
    if called:
        raise BadInput("no_such_device", f"{wanted!r} is there, and has no codec")
    known = [source.model for source in sources] + [n for d in listed for n in d.names]
    raise BadInput("no_such_device", f"there is no {wanted!r}{_near(model, known)}")


def _devices(tree: FileTree) -> Iterator[_Device]:
    """Yield the devices of one vendor's folder; a file that cannot be read is none."""
    for folder, names in tree.folders():
        for name in names:
            stem, _, suffix = name.rpartition(".")
            try:
                if suffix == "yaml" and not stem.endswith(("-codec", "-profile")):
                    yield from _of_yaml(stem, read_yaml(tree.read(folder, name)))
                elif suffix == "toml" and folder.name == "devices":
                    yield from _of_toml(stem, tomllib.loads(tree.read(folder, name)))
            except (BadInput, tomllib.TOMLDecodeError):
                continue


def _of_yaml(stem: str, device: Json) -> Iterator[_Device]:
    """Yield a The Things Network device: each firmware has a profile, and codec, per region."""
    if not isinstance(device, Mapping) or not isinstance(device.get("firmwareVersions"), list):
        return
    codecs = [
        profile.get("codec")
        for version in device["firmwareVersions"]
        if isinstance(version, Mapping) and isinstance(version.get("profiles"), Mapping)
        for profile in version["profiles"].values()
        if isinstance(profile, Mapping)
    ]
    yield _device((stem, device.get("name")), codecs)


def _of_toml(stem: str, file: Mapping[str, Json]) -> Iterator[_Device]:
    """Yield a ChirpStack device: each firmware names its codec's file."""
    device = file.get("device")
    if not isinstance(device, Mapping):
        return
    firmware = device.get("firmware")
    codecs = [
        version.get("codec")
        for version in (firmware if isinstance(firmware, list) else [])
        if isinstance(version, Mapping)
    ]
    yield _device((stem, device.get("name"), device.get("id")), codecs)


def _device(names: tuple[Json, ...], codecs: list[Json]) -> _Device:
    return _Device(
        tuple(name for name in names if isinstance(name, str) and name),
        tuple(dict.fromkeys(codec for codec in codecs if isinstance(codec, str) and codec)),
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def _near(wanted: str, known: list[str]) -> str:
    """Return `; did you mean …` with the nearest names, or nothing."""
    by_plain = {_plain(name): name for name in known}
    plain = _plain(wanted)
    close = difflib.get_close_matches(plain, by_plain, n=_NEAR, cutoff=0.5)
    close += [name for name in by_plain if plain and plain in name and name not in close]
    if not close:
        return ""
    return f"; did you mean {', '.join(by_plain[name] for name in close[:_NEAR])}?"
