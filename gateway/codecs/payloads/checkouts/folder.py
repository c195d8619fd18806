"""One folder of a checkout, and the codecs in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gateway.codecs.payloads.checkouts.examples import (
    EvaluateJson5,
    Example,
    Kind,
    of_definition,
    of_layout,
    of_listing,
    read_json,
)
from gateway.codecs.payloads.checkouts.files import FileTree
from gateway.codecs.payloads.checkouts.source import CodecSource
from gateway.codecs.payloads.checkouts.yaml12 import read_yaml
from gateway.errors import BadInput
from gateway.types import Json

SUFFIXES = (".js", ".toml")
"""What a codec's own file may end in."""

_DEFINITION = re.compile(
    r"^[^#\n]*\b(?:uplinkDecoder|downlinkEncoder|downlinkDecoder)[\"']?\s*:", re.MULTILINE
)
_SITE = re.compile(r'"codecs"\s*:\s*\{\s*"')
_TESTS = {
    "test_decode_": Kind.UPLINK,
    "test_encode_": Kind.ENCODE,
    "test_decode_downlink_": Kind.DOWNLINK,
}
_EXAMPLE_ENDS = (".examples.json", ".examples.toml", ".examples.yaml")
_NO_CODEC = re.compile(
    r"(?:.*\.(?:spec|test|config|min)\.js|(?:vendor|pyproject|Cargo|taplo|rust-toolchain)\.toml"
    r"|.*\.examples\.toml)",
    re.IGNORECASE,
)
_PACKAGE_SCRIPTS = ("index.js", "main.js")
_NO_VENDOR = {"vendor", "vendors", "devices", "drivers", "codecs", "examples", "src", ""}


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for the whole search. `only` is the one file it is for, None for a tree."""

    layout: str
    evaluate_json5: EvaluateJson5 | None = None
    only: Path | None = None


class Folder:
    """One folder and the names of its files."""

    def __init__(self, tree: FileTree, folder: Path, names: list[str], rules: Rules) -> None:
        self._tree = tree
        self._folder = folder
        self._names = names
        self._rules = rules

    def sources(self) -> Iterator[CodecSource]:
        """Yield the folder's codecs; a script that a definition names is no codec of its own."""
        claimed: set[Path] = set()
        for name in self._names:
            found: Iterator[CodecSource] = iter(())
            if name.endswith((".yaml", ".yml")) and not name.endswith(_EXAMPLE_ENDS):
                found = self._of_yaml(name)
            elif name == "index.json":
                found = self._of_site(name)
            for source in found:
                claimed.add(source.path)
                yield source
        yield from self._beside(claimed)

    # --- definitions that name their script ------------------------------------------------

    def _of_yaml(self, name: str) -> Iterator[CodecSource]:
        stem = name.rpartition(".")[0]
        model = stem.removesuffix("-codec")
        try:
            text = self._tree.read(self._folder, name)
        except BadInput as error:
            if model != stem:  # only its name says that it would be a codec
                yield self._broken(name, model, error)
            return
        if _DEFINITION.search(text) is None:
            return
        try:
            definition = read_yaml(text)
            if isinstance(definition, Mapping):
                definition = definition.get("payloadEncoding", definition)
            scripts = list(of_definition(definition))
        except BadInput as error:
            yield self._broken(name, model, error)
            return
        yield from self._defined(scripts, self._folder, self._folder / name, model)

    def _of_site(self, name: str) -> Iterator[CodecSource]:
        """Yield the codecs of a published device page: the same for many regions, told once."""
        try:
            text = self._tree.read(self._folder, name)
        except BadInput:
            return
        if _SITE.search(text) is None:
            return
        try:
            page = read_json(text, None)
            regions = page.get("codecs") if isinstance(page, Mapping) else None
            scripts = _of_regions(regions if isinstance(regions, Mapping) else {})
        except BadInput as error:
            yield self._broken(name, self._folder.name, error)
            return
        yield from self._defined(
            scripts, self._folder / "codecs", self._folder / name, self._folder.name
        )

    def _defined(
        self, scripts: list[tuple[str, list[Example]]], folder: Path, origin: Path, model: str
    ) -> Iterator[CodecSource]:
        owner = self._folder if folder == self._folder else self._folder.parent
        for index, (script, examples) in enumerate(scripts):
            source = self._source(folder, script, examples, _stem(script) if index else model)
            yield replace(source, vendor=owner.name, origins=source.origins | {origin})

    # --- scripts with their examples beside -------------------------------------------------

    def _beside(self, claimed: set[Path]) -> Iterator[CodecSource]:
        found: dict[str, list[Example]] = {}
        origins: dict[str, set[Path]] = {}
        problems: dict[str, list[tuple[str, str]]] = {}
        for name in self._names:
            for file, script, kind in self._example_files(name):
                origins.setdefault(script, set()).add(self._folder / file)
                try:
                    examples = of_listing(self._parsed(file), kind)
                    found.setdefault(script, []).extend(examples)
                except BadInput as error:
                    problems.setdefault(script, []).append((file, str(error)))
        for name in self._names:
            mine = name not in origins and self._folder / name not in claimed
            if mine and self._is_codec(name):
                origins[name] = set()
        for script in sorted(origins):
            source = self._source(self._folder, script, found.get(script, []), _stem(script))
            yield replace(
                self._named(source),
                origins=source.origins | origins[script],
                problems=(*source.problems, *problems.get(script, [])),
            )

    def _example_files(self, name: str) -> Iterator[tuple[str, str, Kind | None]]:
        """Yield (examples' file, its script, what its entries are) where `name` is such a file."""
        for prefix in sorted(_TESTS, key=len, reverse=True):
            if name.startswith(prefix) and name.endswith(".json"):
                stem = name.removeprefix(prefix).removesuffix(".json")
                if prefix != "test_decode_" and f"{stem}.js" not in self._names:
                    continue  # `test_decode_downlink_x` may be the test of a `downlink_x.js`
                yield name, f"{stem}.js", _TESTS[prefix]
                return
        for end in _EXAMPLE_ENDS:
            if name.endswith(end):
                stem = name.removesuffix(end)
                suffix = ".toml" if f"{stem}.toml" in self._names else ".js"
                if f"{stem}{suffix}" in self._names or self._folder.name != "examples":
                    yield name, f"{stem}{suffix}", None
                return
        if name == "examples.json" and (script := self._package_script()) is not None:
            yield name, script, None
        if name == "package.json" and (script := self._package_script()) is not None:
            for file in self._files_of_examples_folder():
                yield file, script, None

    def _files_of_examples_folder(self) -> list[str]:
        folder = self._folder / "examples"
        if not folder.is_dir() or folder.is_symlink():
            return []
        return sorted(f"examples/{file.name}" for file in folder.glob("*.json"))

    def _package_script(self) -> str | None:
        """Return a package's script: what `package.json` calls `main`, or the usual names."""
        if "package.json" in self._names:
            try:
                package = read_json(self._tree.read(self._folder, "package.json"), None)
                main = package.get("main") if isinstance(package, Mapping) else None
                if isinstance(main, str) and main.endswith(".js"):
                    self._tree.inside(self._folder, main)
                    return str(PurePosixPath(main))
            except BadInput:
                pass  # its `main` may be built later; the usual names are tried
        for name in _PACKAGE_SCRIPTS:
            if name in self._names:
                return name
        scripts = [n for n in self._names if n.endswith(".js") and not _NO_CODEC.fullmatch(n)]
        return scripts[0] if len(scripts) == 1 else None

    def _is_codec(self, name: str) -> bool:
        """Say whether a file without examples is a codec by where it stands."""
        if not name.endswith(SUFFIXES) or _NO_CODEC.fullmatch(name):
            return False
        if self._rules.only is not None:
            return self._rules.only == self._folder / name
        if self._of_profiles() and name.endswith(".js"):
            return True
        return self._rules.layout == "codecs"

    def _of_profiles(self) -> bool:
        """Say whether this is the `codecs` folder of a vendor in ChirpStack's device profiles."""
        vendor = self._folder.parent
        return self._folder.name == "codecs" and (
            vendor.parent.name == "vendors" or (vendor / "vendor.toml").is_file()
        )

    def _parsed(self, name: str) -> Json:
        text = self._tree.read(self._folder, name)
        if name.endswith(".json"):
            return read_json(text, self._rules.evaluate_json5)
        if name.endswith(".yaml"):
            return read_yaml(text)
        try:
            return tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise BadInput("invalid_toml", str(error)) from None

    # --- what they have in common ----------------------------------------------------------

    def _source(
        self, folder: Path, script: str, examples: list[Example], model: str
    ) -> CodecSource:
        """Return the codec of one script, its text empty and the reason told when unreadable."""
        name = PurePosixPath(script)
        text, path = "", folder / name.name
        problems: tuple[tuple[str, str], ...] = ()
        try:
            path = self._tree.inside(folder, script)
            text = self._tree.read(folder, script)
        except BadInput as error:
            problems = ((script, str(error)),)
        if name.suffix == ".toml":
            examples = [*(one for one in of_layout(text) if one not in examples), *examples]
        return CodecSource(
            vendor="",
            model=model,
            suffix=name.suffix or ".js",
            script=text,
            examples=tuple(examples),
            path=path,
            origins=frozenset({path}),
            problems=problems,
        )

    def _named(self, source: CodecSource) -> CodecSource:
        """Name a codec by its folders."""
        folder = self._folder
        if "drivers" in folder.parts:
            at = len(folder.parts) - 1 - folder.parts[::-1].index("drivers")
            vendor, model = folder.parts[at - 1], "-".join(folder.parts[at + 1 :])
            return replace(source, vendor=_known(vendor), model=model or source.model)
        if self._of_profiles():
            return replace(source, vendor=folder.parent.name)
        if self._rules.only is not None:
            return source
        if source.path.name in _PACKAGE_SCRIPTS or "package.json" in self._names:
            parent = "" if folder == self._tree.root else folder.parent.name
            return replace(source, vendor=_known(parent), model=folder.name)
        relative = folder.relative_to(self._tree.root).as_posix()
        return replace(source, vendor="" if relative == "." else relative)

    def _broken(self, name: str, model: str, error: BadInput) -> CodecSource:
        path = self._folder / name
        return CodecSource(
            vendor=self._folder.name,
            model=model,
            suffix=".js",
            script="",
            examples=(),
            path=path,
            origins=frozenset({path}),
            problems=((name, str(error)),),
        )


def _of_regions(regions: Mapping[str, Json]) -> list[tuple[str, list[Example]]]:
    """Return (script, examples) of a page that tells the same codec once for every region."""
    scripts: dict[str, list[Example]] = {}
    for definition in regions.values():
        for script, examples in of_definition(definition):
            known = scripts.setdefault(script, [])
            known.extend(example for example in examples if example not in known)
    return list(scripts.items())


def _stem(script: str) -> str:
    return PurePosixPath(script).stem


def _known(vendor: str) -> str:
    return "" if vendor in _NO_VENDOR else vendor
