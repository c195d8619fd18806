"""`lora-gateway models`: model packs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import AsJson, ConfigFile

models = typer.Typer(
    name="models",
    no_args_is_help=True,
    help="Model packs: install, verify, sign, roll back.",
)


@models.command("list")
def models_list(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Show the model packs: those that ship, the installed, which is in use and why."""
    from gateway.commands import models as command

    raise SystemExit(command.list_packs(config, as_json=as_json))


@models.command("verify")
def models_verify(
    file: Annotated[Path | None, typer.Argument(help="A pack; without it, the one in use.")] = None,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Check a pack: whole, fitting this machine, loading, right on its golden windows, fast."""
    from gateway.commands import models as command

    raise SystemExit(command.verify(file, config, as_json=as_json))


@models.command("install")
def models_install(
    source: Annotated[
        str, typer.Argument(help="A pack: a file, or an https:// address.", metavar="FILE|URL")
    ],
    config: ConfigFile = None,
    *,
    sha256: Annotated[
        str, typer.Option("--sha256", help="Its SHA-256, as its maker told it by another way.")
    ] = "",
    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Install it though no trusted key signed it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a pack and take it into use, on trial; the one before is kept for `rollback`."""
    from gateway.commands import models_install as command

    raise SystemExit(
        command.install(source, config, unsigned=unsigned, sha256=sha256, as_json=as_json)
    )


@models.command("rollback")
def models_rollback(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Take the pack that was in use before into use again."""
    from gateway.commands import models_install as command

    raise SystemExit(command.rollback(config, as_json=as_json))


@models.command("doctor")
def models_doctor(
    file: Annotated[Path | None, typer.Argument(help="A pack; without it, the one in use.")] = None,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Go through every check of a pack, and say at the first that fails what to do."""
    from gateway.commands import models_install as command

    raise SystemExit(command.doctor(file, config, as_json=as_json))


@models.command("keygen")
def models_keygen(
    out: Annotated[Path, typer.Argument(help="Where to write the private key; keep it secret.")],
) -> None:
    """Make a key to sign packs with, and print the public key for `trusted_keys`."""
    from gateway.commands import models_sign as command

    raise SystemExit(command.keygen(out))


@models.command("sign")
def models_sign(
    file: Annotated[Path, typer.Argument(help="A pack; it is signed in place.")],
    key: Annotated[Path, typer.Option(help="The private key that `keygen` wrote.")],
) -> None:
    """Sign a pack."""
    from gateway.commands import models_sign as command

    raise SystemExit(command.sign(file, key))


@models.command("pack")
def models_pack(
    folder: Annotated[Path, typer.Argument(help="manifest.json, model.onnx, golden.npz, …")],
    out: Annotated[Path, typer.Option(help="The pack to write.")],
    key: Annotated[Path | None, typer.Option(help="Sign it with this private key.")] = None,
) -> None:
    """Make a pack of a folder: sizes and hashes in its manifest are filled in."""
    from gateway.commands import models_sign as command

    raise SystemExit(command.pack(folder, out, key))
