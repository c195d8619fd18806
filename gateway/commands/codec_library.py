"""The user's own folder of codecs: `codec add`, `codec import`, `codec list`.

A codec is `<vendor>/<model>.js` or `.toml` there, its examples `<model>.examples.json` beside it.
Nothing is written that does not load; a file is there whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.codecs.payloads.builtin import builtin_names, builtin_text
from gateway.codecs.payloads.checkouts import CodecSource, MakeCodec, find, find_device, to_listing
from gateway.codecs.payloads.checkouts.examples import EvaluateJson5, read_json
from gateway.codecs.payloads.library import FORMATS
from gateway.errors import BadInput, ConfigError
from gateway.types import Json

MODE = 0o644
_EXAMPLES = ".examples.json"
_UNSAFE = re.compile(r"[^a-z0-9._-]+")
_WIDTH = 120
_FUNCTIONS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "decode": r"\b(?:decodeUplink|Decoder|Decode)\s*(?:=|\()",
        "encode": r"\b(?:encodeDownlink|Encoder|Encode)\s*(?:=|\()",
        "decode downlink": r"\bdecodeDownlink\s*(?:=|\()",
        "normalize": r"\bnormalizeUplink\s*(?:=|\()",
    }.items()
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One codec of the folder. `origin` is where it was taken from, as far as it is known."""

    name: str
    kind: str
    functions: tuple[str, ...]
    origin: str
    sha256: str
    examples: int


def add(
    paths: Iterable[Path],
    folder: Path,
    *,
    force: bool,
    make_codec: MakeCodec,
    evaluate_json5: EvaluateJson5 | None = None,
) -> int:
    """Copy codecs, and their examples, into the folder; return 1 where one does not load, else 0.

    Raises
    ------
    ConfigError
        A path has no codec, or one is in the folder already and `force` is not given.

    """
    failed = False
    for path in paths:
        sources = _sources(path, evaluate_json5)
        if not sources:
            raise ConfigError(
                f"There is no codec in {path}: give a .js or .toml file, or a folder."
            )
        for source in sources:
            try:
                file = save(source, folder, path.name, force=force, make_codec=make_codec)
                print(f"{source.name}: {file}")
            except BadInput as error:
                print(f"{source.name}: not added, {error}")
                failed = True
    return int(failed)


def import_device(
    checkout: Path,
    device: str,
    folder: Path,
    *,
    force: bool,
    make_codec: MakeCodec,
    evaluate_json5: EvaluateJson5 | None = None,
) -> int:
    """Copy one device's codec and examples out of the user's own checkout.

    Raises
    ------
    ConfigError
        There is no such device (the nearest are named), or it is in the folder already.
    BadInput
        Its codec does not load.

    """
    try:
        source = find_device(checkout, device, evaluate_json5)
    except BadInput as error:
        raise ConfigError(f"{error.detail}.") from None
    origin = f"{checkout.name or checkout}/{source.name}"
    file = save(source, folder, origin, force=force, make_codec=make_codec)
    name = file.relative_to(folder).with_suffix("").as_posix()
    print(f"{name}: {file}, with {len(source.examples)} examples")
    return 0


def save(
    source: CodecSource, folder: Path, origin: str, *, force: bool, make_codec: MakeCodec
) -> Path:
    """Write one codec and its examples; return the codec's file.

    Raises
    ------
    ConfigError
        It is there already and `force` is not given, or the folder cannot be written.
    BadInput
        It cannot be read, or does not load.

    """
    if not source.script:
        reason = "; ".join(f"{file}: {why}" for file, why in source.problems)
        raise BadInput("codec_syntax", reason or "it is empty")
    make_codec(source.name, source.suffix, source.script)
    vendor, model = "-".join(_safe(p) for p in source.vendor.split("/") if p), _safe(source.model)
    file = folder / vendor / f"{model}{source.suffix}"
    twins = [file.with_name(f"{model}{suffix}") for suffix in (".js", ".toml")]
    there = next((twin for twin in twins if twin.exists()), None)
    if there is not None and not force:
        raise ConfigError(f"{there} is there already: add --force to replace it.")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        listing = to_listing(source.examples, origin)
        _write(file.with_name(f"{model}{_EXAMPLES}"), json.dumps(listing, indent=1) + "\n")
        _write(file, source.script)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}.") from None
    for twin in twins:
        if twin != file:
            twin.unlink(missing_ok=True)
    return file


def list_codecs(folder: Path, *, as_json: bool) -> int:
    """Print every codec: the folder's, then those that ship with the gateway."""
    entries = [*entries_of(folder), *_shipped()]
    if as_json:
        print(json.dumps([_row(entry) for entry in entries], ensure_ascii=False))
        return 0
    table = Table()
    for title in ("name", "kind", "functions", "from", "sha256", "examples"):
        table.add_column(title, overflow="fold", justify="right" if title == "examples" else "left")
    for entry in entries:
        row = _row(entry)
        cells = (row["name"], row["kind"], ", ".join(entry.functions), row["from"], row["sha256"])
        table.add_row(*(Text(str(cell)) for cell in cells), str(entry.examples))
    console = Console()
    (console if console.is_terminal else Console(width=_WIDTH)).print(table)
    return 0


def entries_of(folder: Path) -> Iterator[Entry]:
    """Yield what the folder holds, by name; none when it is not there."""
    if not folder.is_dir():
        return
    for source in sorted(find(folder).sources(), key=lambda source: source.name):
        layout = source.suffix == ".toml"
        found = (name for name, pattern in _FUNCTIONS.items() if pattern.search(source.script))
        yield Entry(
            name=source.name,
            kind="layout" if layout else "JavaScript",
            functions=() if layout else tuple(found),
            origin=_origin(source.path.with_name(f"{source.path.stem}{_EXAMPLES}")),
            sha256=hashlib.sha256(source.script.encode()).hexdigest()[:12],
            examples=len(source.examples),
        )


def _shipped() -> Iterator[Entry]:
    """Yield the built-in layouts and formats; a folder's codec of the same name goes before."""
    for name in builtin_names():
        suffix, text = builtin_text(name)
        kind = "layout" if suffix == ".toml" else "JavaScript"
        sha256 = hashlib.sha256(text.encode()).hexdigest()[:12]
        yield Entry(name, kind, (), "built-in", sha256, text.count("[[example]]"))
    for name in FORMATS:
        yield Entry(name, "format", ("decode", "encode", "decode downlink"), "built-in", "", 0)


def _row(entry: Entry) -> Mapping[str, Json]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "functions": list(entry.functions),
        "from": entry.origin,
        "sha256": entry.sha256,
        "examples": entry.examples,
    }


def _sources(path: Path, evaluate_json5: EvaluateJson5 | None) -> list[CodecSource]:
    try:
        return list(find(path, evaluate_json5).sources())
    except BadInput as error:
        raise ConfigError(f"{error.detail}.") from None


def _origin(file: Path) -> str:
    try:
        listing = read_json(file.read_text("utf-8"), None)
    except (OSError, UnicodeDecodeError, BadInput):
        return ""
    origin = listing.get("from", "") if isinstance(listing, Mapping) else ""
    return origin if isinstance(origin, str) else ""


def _safe(name: str) -> str:
    """Return a name that is safe as a file's, in lower case."""
    safe = _UNSAFE.sub("-", name.lower()).strip(".-")
    if not safe:
        raise BadInput("codec_syntax", f"{name!r} gives no file name")
    return safe


def _write(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as temporary:
            temporary.write(text)
            temporary.flush()
            os.fsync(temporary.fileno())
        Path(name).chmod(MODE)
        Path(name).replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
