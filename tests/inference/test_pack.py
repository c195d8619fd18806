import io
import zipfile
from pathlib import Path

import model_packs as packs
import numpy as np
import pytest

from gateway.errors import PackError
from gateway.inference import BUILTIN, load_model, read_pack


def golden_with(**changes: np.ndarray) -> bytes:
    with np.load(io.BytesIO(packs.members()["golden.npz"])) as arrays:
        golden = {name: arrays[name] for name in arrays.files}
    buffer = io.BytesIO()
    np.savez(buffer, **(golden | changes))
    return buffer.getvalue()


def refused(path: Path) -> PackError:
    with pytest.raises(PackError) as caught:
        load_model(path)
    assert str(caught.value).endswith(caught.value.remedy)
    assert caught.value.remedy
    return caught.value


def test_the_built_in_pack_loads_and_its_golden_windows_come_out_right() -> None:
    model = load_model()
    assert (model.context, model.horizon) == (512, 96)
    assert model.name.startswith(read_pack(BUILTIN).manifest.name + "@sha256:")


def test_a_row_of_the_built_in_model_does_not_depend_on_its_batch() -> None:
    model, golden = load_model(), read_pack(BUILTIN).golden
    together = model.run(golden["values"], golden["mask"], golden["clock"])
    for at in range(len(golden["values"])):
        row = slice(at, at + 1)
        alone = model.run(golden["values"][row], golden["mask"][row], golden["clock"][row])
        scale = np.abs(together.quantiles[at]).max()
        assert np.abs(alone.quantiles[0] - together.quantiles[at]).max() <= 1e-4 * scale


@pytest.mark.parametrize(
    ("reason", "make"),
    [
        ("no_manifest", lambda: {"model.onnx": b"x"}),
        ("bad_manifest", lambda: packs.members() | {"manifest.json": b"{"}),
        ("bad_manifest", lambda: packs.changed_manifest(lambda m: m.pop("needs"))),
        ("bad_manifest", lambda: packs.changed_manifest(lambda m: m.update(format=2))),
        ("damaged", lambda: packs.members() | {"model.onnx": b"short"}),
        ("missing_file", lambda: packs.changed_manifest(lambda m: m["files"].pop("golden.npz"))),
        ("unsafe_member", lambda: packs.members() | {"../evil": b""}),
        ("unsafe_member", lambda: packs.members() | {"/evil": b""}),
        ("too_large", lambda: packs.members() | {f"f{n}": b"" for n in range(70)}),
        (
            "unsupported",
            lambda: packs.changed_manifest(lambda m: m["model"].update(quantiles=[0.5])),
        ),
        (
            "missing_output",
            lambda: packs.changed_manifest(lambda m: m["model"]["outputs"].pop("embedding")),
        ),
        (
            "missing_input",
            lambda: packs.changed_manifest(lambda m: m["model"]["inputs"].pop("mask")),
        ),
        (
            "wrong_shape",
            lambda: packs.changed_manifest(lambda m: m["model"].update(context=256)),
        ),
        (
            "wrong_shape",
            lambda: packs.changed_manifest(
                lambda m: m["model"]["inputs"]["clock"].update(shape=["B", 3])
            ),
        ),
        ("opset_too_new", lambda: packs.changed_manifest(lambda m: m["needs"].update(opset=99))),
        (
            "wrong_architecture",
            lambda: packs.changed_manifest(lambda m: m["needs"].update(machines=["riscv64"])),
        ),
        (
            "wrong_python",
            lambda: packs.changed_manifest(lambda m: m["needs"].update(python="9.1")),
        ),
        (
            "not_enough_memory",
            lambda: packs.changed_manifest(lambda m: m["needs"].update(memory_mb=1e9)),
        ),
        (
            "runtime_too_old",
            lambda: packs.changed_manifest(lambda m: m["needs"].update(onnxruntime="99.0")),
        ),
        ("not_loadable", lambda: packs.replaced("model.onnx", b"not a graph")),
        ("bad_golden", lambda: packs.replaced("golden.npz", b"not arrays")),
        (
            "golden_differs",
            lambda: packs.replaced(
                "golden.npz",
                golden_with(quantiles=read_pack(BUILTIN).golden["quantiles"] * np.float32(1.1)),
            ),
        ),
    ],
)
def test_each_way_a_pack_can_be_wrong_has_its_own_reason(reason, make, tmp_path: Path) -> None:  # noqa: ANN001
    assert refused(packs.write(tmp_path / "pack.zip", make())).reason == reason


def test_a_pack_that_is_not_there_or_not_a_zip_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.zip").reason == "missing"
    torn = tmp_path / "torn.zip"
    torn.write_bytes(BUILTIN.read_bytes()[:5000])
    assert refused(torn).reason == "truncated"
    assert str(torn) in refused(torn).detail


def test_a_flipped_byte_in_the_model_is_found(tmp_path: Path) -> None:
    content = bytearray(BUILTIN.read_bytes())
    with zipfile.ZipFile(BUILTIN) as archive:
        at = archive.getinfo("model.onnx").header_offset + 5000
    content[at] ^= 1
    damaged = tmp_path / "flipped.zip"
    damaged.write_bytes(bytes(content))
    assert refused(damaged).reason in {"damaged", "not_a_zip"}
