"""`lora-gateway models`: model packs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import AsJson, ConfigFile

models = typer.Typer(
    name="models",
    no_args_is_help=True,
    help="Model packs and adapters: install, verify, sign, roll back, adapt.",
)


@models.command("list")
def models_list(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Show the packs: those that ship, the installed, which is in use and why; and adapters."""
    from gateway.commands import models as command

    raise SystemExit(command.list_packs(config, as_json=as_json))


@models.command("verify")
def models_verify(
    file: Annotated[
        Path | None, typer.Argument(help="A pack or adapter; without it, what is in use.")
    ] = None,
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
        str,
        typer.Argument(
            help="A pack or an adapter: a file, or an https:// address.", metavar="FILE|URL"
        ),
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
def models_rollback(
    config: ConfigFile = None,
    *,
    adapter: Annotated[str, typer.Option(help="The name of an adapter, instead of the pack.")] = "",
    as_json: AsJson = False,
) -> None:
    """Take the pack, or the adapter, that was in use before into use again."""
    if adapter:
        from gateway.commands import models_adapters

        raise SystemExit(models_adapters.go_back(adapter, config, as_json=as_json))
    from gateway.commands import models_install as command

    raise SystemExit(command.rollback(config, as_json=as_json))


@models.command("remove")
def models_remove(
    name: Annotated[str, typer.Argument(help="The name of an installed adapter.")],
    config: ConfigFile = None,
) -> None:
    """Take an adapter out of use; its devices are judged by the base again."""
    from gateway.commands import models_adapters as command

    raise SystemExit(command.take_out(name, config))


@models.command("adapt")
def models_adapt(
    *,
    history: Annotated[
        str, typer.Option(help="A CSV file as `backtest` takes it, or `store`.")
    ] = "store",
    profile: Annotated[
        list[str] | None, typer.Option(help="Device profile that it is for; repeat it.")
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option(help="DevEUI that it is for; repeat it.")
    ] = None,
    site: Annotated[
        list[str] | None, typer.Option(help="Site (tag `site`, or application) that it is for.")
    ] = None,
    name: Annotated[str, typer.Option(help="Its name; else as whom it is for.")] = "",
    out: Annotated[Path | None, typer.Option(help="The file to write; else NAME.zip.")] = None,
    key: Annotated[Path | None, typer.Option(help="Sign it with this private key.")] = None,
    rank: Annotated[int, typer.Option(min=1, max=64, help="Rank of the pairs.")] = 8,
    install: Annotated[
        bool, typer.Option("--install", help="Take it into use on this machine, if it is better.")
    ] = False,
    schedule: Annotated[
        bool, typer.Option("--schedule", help="Print how to do this monthly; train nothing.")
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Train an adapter on a site's own history (needs PyTorch: a job for a laptop or server)."""
    from gateway.cli.options import config_path
    from gateway.commands import models_adapt as command

    wanted = command.Wanted(profile or (), [eui.lower() for eui in device or ()], site or ())
    if schedule:
        raise SystemExit(command.schedule(wanted))
    raise SystemExit(
        command.run(
            history, wanted, out, config_path(config),
            name=name, key=key, rank=rank, install=install, as_json=as_json,
        )
    )  # fmt: skip


@models.command("doctor")
def models_doctor(
    file: Annotated[
        Path | None, typer.Argument(help="A pack or adapter; without it, what is in use.")
    ] = None,
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
    file: Annotated[Path, typer.Argument(help="A pack or adapter; it is signed in place.")],
    key: Annotated[Path, typer.Option(help="The private key that `keygen` wrote.")],
) -> None:
    """Sign a pack or an adapter."""
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
