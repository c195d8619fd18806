"""Packs are signed, checked, taken into use and rolled back; each refusal changes nothing."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import model_packs as packs
import numpy as np
import pytest

from gateway.commands import models_canary, models_install, models_sign
from gateway.config import load
from gateway.errors import PackError
from gateway.inference import BUILTIN, Outputs, active, load_model
from gateway.inference.proof import fast_enough
from gateway.types import FloatArray


@pytest.fixture
def key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    file = tmp_path / "maker.key"
    assert models_sign.keygen(file) == 0
    return file, capsys.readouterr().out.strip()


@pytest.fixture
def settings(tmp_path: Path, key: tuple[Path, str]) -> Path:
    file = tmp_path / "c.toml"
    file.write_text(f"[inference]\npacks = '{tmp_path / 'packs'}'\ntrusted_keys = ['{key[1]}']\n")
    return file


def pack_of(folder: Path, version: str, key: Path | None) -> Path:
    made = packs.write(
        folder / f"{version}.zip", packs.changed_manifest(lambda m: m.update(version=version))
    )
    if key is not None:
        models_sign.sign(made, key)
    return made


def in_use(settings: Path) -> Path:
    return active(load(settings).inference)


def refused(file: Path, settings: Path) -> str:
    before = in_use(settings)
    with pytest.raises(PackError) as caught:
        models_install.install(file, settings)
    assert caught.value.remedy
    assert in_use(settings) == before
    return caught.value.reason


def test_a_signed_pack_is_installed_and_the_one_before_comes_back(
    tmp_path: Path, settings: Path, key: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_use(settings) == BUILTIN
    for version in ("2", "3"):
        models_install.install(pack_of(tmp_path, version, key[0]), settings)
        assert in_use(settings).name.startswith(f"base-{version}-")
    models_install.rollback(settings)
    assert in_use(settings).name.startswith("base-2-")
    models_install.rollback(settings)
    assert in_use(settings).name.startswith("base-3-")
    capsys.readouterr()
    assert models_install.doctor(None, settings, as_json=True) == 0
    assert all(check["ok"] for check in json.loads(capsys.readouterr().out))


def test_the_pack_before_the_first_installed_one_is_the_one_that_ships(
    tmp_path: Path, settings: Path, key: tuple[Path, str]
) -> None:
    models_install.install(pack_of(tmp_path, "2", key[0]), settings)
    models_install.rollback(settings)
    assert in_use(settings) == BUILTIN


def test_an_unsigned_pack_is_refused_unless_asked_for(tmp_path: Path, settings: Path) -> None:
    made = pack_of(tmp_path, "2", None)
    assert refused(made, settings) == "unsigned"
    assert models_install.install(made, settings, unsigned=True) == 0


def test_a_pack_signed_by_somebody_else_is_refused(tmp_path: Path, settings: Path) -> None:
    models_sign.keygen(tmp_path / "other.key")
    assert refused(pack_of(tmp_path, "2", tmp_path / "other.key"), settings) == "unknown_key"


def test_a_manifest_changed_after_signing_is_refused(
    tmp_path: Path, settings: Path, key: tuple[Path, str]
) -> None:
    signed = pack_of(tmp_path, "2", key[0])
    with zipfile.ZipFile(signed) as archive:
        signature = archive.read("signature")
    files = packs.changed_manifest(lambda m: m.update(version="9"))
    forged = packs.write(tmp_path / "forged.zip", {**files, "signature": signature})
    assert refused(forged, settings) == "bad_signature"


def test_a_pack_that_the_configuration_would_overrule_is_not_installed(
    tmp_path: Path, settings: Path, key: tuple[Path, str]
) -> None:
    settings.write_text(settings.read_text() + f"pack = '{BUILTIN}'\n")
    assert refused(pack_of(tmp_path, "2", key[0]), settings) == "fixed_by_configuration"


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, settings: Path, key: tuple[Path, str]
) -> None:
    (tmp_path / "packs").write_text("a file where the folder should be")
    assert refused(pack_of(tmp_path, "2", key[0]), settings) == "not_writable"


def test_there_is_nothing_to_roll_back_to_at_first(settings: Path) -> None:
    with pytest.raises(PackError) as caught:
        models_install.rollback(settings)
    assert caught.value.reason == "no_previous"


def test_the_doctor_says_what_fails_and_what_to_do(
    tmp_path: Path, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torn = tmp_path / "torn.zip"
    torn.write_bytes(BUILTIN.read_bytes()[:9000])
    assert models_install.doctor(torn, settings) == 1
    said = capsys.readouterr().out
    assert "truncated" in said
    assert "copy or download it again" in said


def test_a_slow_model_is_refused() -> None:
    with pytest.raises(PackError) as caught:
        fast_enough(31.0)
    assert caught.value.reason == "too_slow"


def test_a_key_is_secret_and_never_written_over(key: tuple[Path, str]) -> None:
    assert key[0].stat().st_mode & 0o077 == 0
    with pytest.raises(PackError):
        models_sign.keygen(key[0])


def test_a_folder_becomes_a_signed_pack_with_its_hashes_filled_in(
    tmp_path: Path, settings: Path, key: tuple[Path, str]
) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    for name, content in packs.changed_manifest(lambda m: m.update(files={})).items():
        (folder / name).write_bytes(content)
    models_sign.pack(folder, tmp_path / "own.zip", key[0])
    assert models_install.install(tmp_path / "own.zip", settings) == 0


@pytest.mark.parametrize("content", ["", "short", "!!!"])
def test_what_is_no_key_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "no.key").write_text(content)
    with pytest.raises(PackError) as caught:
        models_sign.sign(packs.write(tmp_path / "p.zip", packs.members()), tmp_path / "no.key")
    assert caught.value.reason == "no_key"


class Wrong:
    """A model that foretells the opposite of what was."""

    name, context, horizon = "wrong@sha256:0", 512, 96

    def run(self, values: FloatArray, mask: FloatArray, clock: FloatArray) -> Outputs:  # noqa: ARG002
        quantiles = np.repeat(-5.0 * values[:, -96:, None], 11, axis=2)
        return Outputs(quantiles, values, np.zeros((len(values), 2), np.float32))


def test_a_canary_that_errs_far_more_than_the_pack_in_use_is_refused(settings: Path) -> None:
    with pytest.raises(PackError) as caught:
        models_canary.canary(Wrong(), load(settings))
    assert caught.value.reason == "canary_failed"


def test_the_same_model_is_a_good_canary(settings: Path) -> None:
    models_canary.canary(load_model(), load(settings))
