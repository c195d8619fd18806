"""Every way in which a pack cannot be installed, as the person at the terminal reads it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import model_packs as packs
import numpy as np
import pytest
from full_disks import files_of_at_most
from onnx_bytes import OnnxFile, floats, node, tensor

from gateway.cli import main
from gateway.commands import models_sign
from gateway.inference import BUILTIN

MB = 2**20


def manifest(**changes: object) -> dict[str, bytes]:
    return packs.changed_manifest(lambda m: m.update(changes))


def needs(**changes: object) -> dict[str, bytes]:
    return packs.changed_manifest(lambda m: m["needs"].update(changes))


def entry(side: str, name: str, **changes: object) -> dict[str, bytes]:
    return packs.changed_manifest(lambda m: m["model"][side][name].update(changes))


def without(side: str, name: str) -> dict[str, bytes]:
    return packs.changed_manifest(lambda m: m["model"][side].pop(name))


def nan() -> OnnxFile:
    log = [node("Sub", ["still", "one"], "low"), node("Log", ["low"], "bad")]
    return OnnxFile(nodes=log, weights=[tensor("one", floats(1.0))], seed="bad")


def slow() -> OnnxFile:
    """Return a graph that multiplies two matrices of 3,000 rows for every call."""
    size = tensor("size", np.array([3000, 3000], np.int64))
    work = [
        node("ReduceSum", ["values"], "sum", keepdims=0),
        node("Expand", ["sum", "size"], "matrix"),
        node("MatMul", ["matrix", "matrix"], "product"),
        node("ReduceMean", ["product"], "mean", keepdims=0),
        node("Mul", ["mean", "nothing"], "none"),
        node("Add", ["still", "none"], "slow"),
    ]
    return OnnxFile(nodes=work, weights=[size, tensor("nothing", floats(0.0))], seed="slow")


def not_to_be_run() -> OnnxFile:
    """Return a graph whose shapes do not fit, which only shows at run time: 32 x 2 into B x 3."""
    odd = [
        node("Shape", ["still"], "size"),
        node("Add", ["size", "more"], "larger"),
        node("Reshape", ["still", "larger"], "torn"),
        node("Mul", ["torn", "column"], "odd"),
        node("ReduceSum", ["odd"], "total", keepdims=0),
        node("Add", ["still", "total"], "bad"),
    ]
    return OnnxFile(nodes=odd, weights=[tensor("more", np.array([5, 5], np.int64))], seed="bad")


def stranger() -> OnnxFile:
    evil = [node("Evil", ["still"], "odd", domain="acme")]
    return OnnxFile(nodes=evil, domains=("acme",), seed="odd")


def outside() -> OnnxFile:
    return OnnxFile(weights=[tensor("far", np.zeros((1, 1), np.float32), external=True)])


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


Files = dict[str, bytes]
BROKEN: dict[str, tuple[Callable[[], Files | bytes], str]] = {
    "cut": (lambda: cut(BUILTIN.read_bytes()), "breaks off"),
    "other": (lambda: b"MZ\x90" * 999, "is not a readable zip file"),
    "empty": (lambda: b"", "is not a readable zip file"),
    "flipped": (lambda: flipped(BUILTIN.read_bytes()), "Get the file again"),
    "checksum": (lambda: packs.members() | {"model.onnx": b"x"}, "is not what the manifest says"),
    "members": (lambda: packs.members() | {f"f{n}": b"" for n in range(70)}, "more than 64 files"),
    "path": (lambda: packs.members() | {"../evil": b""}, "'../evil'"),
    "bare": (lambda: {"model.onnx": b"x"}, "holds no manifest.json"),
    "json": (lambda: packs.members() | {"manifest.json": b"{"}, "is not JSON"),
    "format": (lambda: manifest(format=2), "manifest.json: format:"),
    "files": (lambda: packs.changed_manifest(lambda m: m["files"].pop("golden.npz")),
              "lists no golden.npz"),
    "processor": (lambda: needs(machines=["riscv64"]), "is for riscv64, this machine is"),
    "python": (lambda: needs(python="9.1"), "needs Python 9.1, this is"),
    "runtime": (lambda: needs(onnxruntime="99.0"), "needs ONNX Runtime 99.0, this is"),
    "opset": (lambda: needs(opset=99), "needs opset 99"),
    "memory": (lambda: needs(memory_mb=1e9), "MB are free. Stop other programs"),
    "quantiles": (lambda: packs.changed_manifest(lambda m: m["model"].update(quantiles=[0.5])),
                  "its quantiles are [0.5]"),
    "input": (lambda: without("inputs", "mask"), "it has no input 'mask'"),
    "output": (lambda: without("outputs", "embedding"), "it has no output 'embedding'"),
    "shape": (lambda: entry("inputs", "clock", shape=["B", 3]), "'clock' has shape ['B', 3]"),
    "golden": (lambda: packs.replaced("golden.npz", b"none"), "golden.npz cannot be used"),
    "wrong": (lambda: packs.replaced("golden.npz", packs.zeros()), "differ from the golden ones"),
    "no onnx": (lambda: packs.replaced("model.onnx", b"no graph"), "not an ONNX file"),
    "graph's opset": (lambda: packs.around(OnnxFile(opset=50)), "needs opset 50"),
    "graph's input": (
        lambda: packs.around(OnnxFile({"values": (512,), "mask": (512,)})),
        "graph has no input 'clock'",
    ),
    "graph's shape": (
        lambda: packs.around(OnnxFile({"values": (512,), "mask": (512,), "clock": (3,)})),
        "the manifest says otherwise",
    ),
    "external": (lambda: packs.around(outside()), "weights in a file outside itself"),
    "operator": (lambda: packs.around(stranger()), "operators that this runtime lacks: acme.Evil"),
    "loading": (lambda: packs.around(OnnxFile(seed="nobody")), "cannot load the model"),
    "running": (lambda: packs.around(not_to_be_run()), "loads but does not run"),
    "nan": (lambda: packs.around(nan()), "are not numbers (NaN or infinite)"),
    "slow": (lambda: packs.around(slow()), "over 25 ms. Use a smaller pack"),
    "useless": (lambda: packs.around(OnnxFile()), "On known windows its forecasts err"),
}  # fmt: skip


@dataclass
class Terminal:
    """A gateway without a database, its settings, and what its command line prints."""

    folder: Path
    key: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def packs(self) -> Path:
        return self.folder / "packs"

    def config(self, **more: str) -> Path:
        lines = [f"{name} = '{value}'" for name, value in {"packs": self.packs, **more}.items()]
        trusted = self.key.with_suffix(".pub").read_text().strip()
        text = "\n".join(["[inference]", *lines, f"trusted_keys = ['{trusted}']"])
        database = self.folder / "none.db"
        file = self.folder / "c.toml"
        file.write_text(f"{text}\n[store]\npath = '{database}'\n")
        return file

    def refused(self, *words: str, **more: str) -> str:
        """Run `lora-gateway models …`, which fails; return what it says."""
        arguments = ["models", *words, "--config", str(self.config(**more))]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["lora-gateway", *arguments])
            with pytest.raises(SystemExit) as left:
                main()
        printed = self.capsys.readouterr()
        assert left.value.code == 1
        assert printed.out == ""
        assert printed.err.startswith("lora-gateway: ")
        assert printed.err.count("\n") == 1
        assert not (self.packs / "current").exists()
        return printed.err


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    key = tmp_path / "maker.key"
    models_sign.keygen(key)
    key.with_suffix(".pub").write_text(capsys.readouterr().out)
    return Terminal(tmp_path, key, capsys)


def made(folder: Path, what: Files | bytes) -> Path:
    file = folder / "new.zip"
    if isinstance(what, bytes):
        file.write_bytes(what)
        return file
    return packs.write(file, what)


@pytest.mark.parametrize("name", BROKEN)
def test_a_pack_that_is_no_good_is_refused_with_its_reason_and_a_remedy(
    terminal: Terminal, name: str
) -> None:
    make, phrase = BROKEN[name]
    said = terminal.refused("install", "--unsigned", str(made(terminal.folder, make())))
    assert phrase in said
    assert said.strip().endswith(".")
    assert said.count(". ") >= 1, "a remedy follows"
    assert not list(terminal.packs.glob("*.part"))


def test_a_file_that_is_not_there_or_is_a_folder_is_named(terminal: Terminal) -> None:
    assert "none.zip does not exist" in terminal.refused("install", "--unsigned", "none.zip")
    folder = str(terminal.folder)
    assert "cannot be read: Is a directory" in terminal.refused("install", "--unsigned", folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(terminal: Terminal) -> None:
    file = made(terminal.folder, packs.members())
    file.chmod(0)
    assert "cannot be read: Permission denied" in terminal.refused(
        "install", "--unsigned", str(file)
    )


def test_a_file_too_large_for_a_pack_is_not_even_read(terminal: Terminal) -> None:
    file = terminal.folder / "huge.zip"
    with file.open("wb") as sparse:
        sparse.truncate(300 * MB)
    assert "has 300 MB, over 256 MB" in terminal.refused("install", "--unsigned", str(file))


def test_a_pack_needs_a_signature_a_true_one_and_by_a_key_that_is_known(terminal: Terminal) -> None:
    file = made(terminal.folder, packs.members())
    assert "The pack is not signed." in terminal.refused("install", str(file))
    other = terminal.folder / "other.key"
    models_sign.keygen(other)
    models_sign.sign(file, other)
    terminal.capsys.readouterr()
    assert "which is not trusted here" in terminal.refused("install", str(file))
    models_sign.sign(file, terminal.key)
    signature = packs.members(file)["signature"]
    forged = packs.write(file, manifest(version="9") | {"signature": signature})
    terminal.capsys.readouterr()
    assert "does not belong to its manifest" in terminal.refused("install", str(forged))


def test_a_checksum_that_a_person_was_told_is_held_against_the_file(terminal: Terminal) -> None:
    file = made(terminal.folder, packs.members())
    said = terminal.refused("install", "--unsigned", "--sha256", "0" * 64, str(file))
    assert "not 0000" in said
    assert "get it again from who made it" in said


def test_a_pack_named_in_the_settings_is_not_overruled(terminal: Terminal) -> None:
    file = made(terminal.folder, packs.members())
    for named in (str(BUILTIN), "tiny"):
        said = terminal.refused("install", "--unsigned", str(file), pack=named)
        assert f"`inference.pack` names {named}" in said


def test_without_an_earlier_pack_there_is_nothing_to_go_back_to(terminal: Terminal) -> None:
    assert "No earlier pack is kept" in terminal.refused("rollback")


def test_a_folder_that_cannot_be_written_is_named(terminal: Terminal) -> None:
    terminal.packs.write_text("a file where the folder should be")
    file = made(terminal.folder, packs.members())
    said = terminal.refused("install", "--unsigned", str(file))
    assert f"{terminal.packs} cannot be written" in said
    assert "Try with sudo" in said


def test_a_disk_that_fills_up_while_the_pack_is_copied_leaves_no_half_of_it(
    terminal: Terminal,
) -> None:
    file = made(terminal.folder, packs.members())
    with files_of_at_most(100_000):
        said = terminal.refused("install", "--unsigned", str(file))
    assert f"There is too little room in {terminal.packs}" in said
    assert list(terminal.packs.iterdir()) == []


@pytest.fixture
def small_disk(terminal: Terminal) -> Iterator[Path]:
    """Mount a filesystem of 1 MB where the packs are to lie."""
    terminal.packs.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(terminal.packs)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    yield terminal.packs
    subprocess.run(["umount", str(terminal.packs)], check=True)


def test_a_disk_that_is_too_small_is_not_filled_to_the_brim(
    terminal: Terminal, small_disk: Path
) -> None:
    file = made(terminal.folder, packs.members())
    said = terminal.refused("install", "--unsigned", str(file))
    assert f"There is too little room in {small_disk}" in said
    assert "lower `store.max_mb`" in said
    assert list(small_disk.iterdir()) == []
