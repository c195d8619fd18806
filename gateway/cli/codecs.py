"""`lora-gateway codec`: payload codecs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import AsJson, ConfigFile, config_path

codec = typer.Typer(
    name="codec",
    no_args_is_help=True,
    help="Payload codecs: test, run, add, import, list.",
)
DEFAULT_CODECS = Path("/var/lib/lora-gateway/codecs")
CodecFolder = Annotated[
    Path,
    typer.Option("--folder", envvar="LORA_GATEWAY_CODECS", help="The folder of your own codecs."),
]
CodecName = Annotated[
    str, typer.Argument(metavar="CODEC", help="A .js or .toml file, or a codec's name.")
]
Variables = Annotated[
    list[str] | None, typer.Option("--variables", help="KEY=VALUE of the device; repeat it.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace a codec that is there.")]


@codec.command("test")
def codec_test(
    path: Annotated[Path, typer.Argument(help="A codec, a folder of codecs, or a checkout.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Run the examples beside a codec, or of a whole device repository, and show what differs."""
    from gateway.commands import codec_open, codec_test

    raise SystemExit(
        codec_test.run(
            path,
            as_json=as_json,
            make_codec=codec_open.make_codec,
            evaluate_json5=codec_open.evaluate_json5,
        )
    )


@codec.command("run")
def codec_run(
    name: CodecName,
    *,
    hex_data: Annotated[str, typer.Option("--hex", help="The payload, as hex.")],
    f_port: Annotated[int, typer.Option("--fport", min=0, max=255, help="LoRaWAN FPort.")] = 1,
    variables: Variables = None,
    time: Annotated[
        str | None, typer.Option("--time", help="When it was received (RFC 3339); now.")
    ] = None,
    downlink: Annotated[
        bool, typer.Option("--downlink", help="The bytes are a downlink's.")
    ] = False,
    folder: CodecFolder = DEFAULT_CODECS,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Decode one payload: the object, its warnings, and the readings it becomes."""
    from gateway.commands import codec_open, codec_run

    raise SystemExit(
        codec_run.run(
            codec_open.open_codec(name, folder),
            hex_data=hex_data,
            f_port=f_port,
            variables=variables or (),
            time_text=time,
            downlink=downlink,
            config_path=config_path(config),
            as_json=as_json,
        )
    )


@codec.command("encode")
def codec_encode(
    name: CodecName,
    *,
    object_json: Annotated[str, typer.Option("--object", help="The command, a JSON object.")],
    f_port: Annotated[
        int | None, typer.Option("--fport", min=1, max=223, help="Port, if the codec has none.")
    ] = None,
    variables: Variables = None,
    folder: CodecFolder = DEFAULT_CODECS,
    as_json: AsJson = False,
) -> None:
    """Encode one command: its port and bytes."""
    from gateway.commands import codec_open, codec_run

    raise SystemExit(
        codec_run.encode(
            codec_open.open_codec(name, folder),
            object_json=object_json,
            variables=variables or (),
            f_port=f_port,
            as_json=as_json,
        )
    )


@codec.command("add")
def codec_add(
    paths: Annotated[list[Path], typer.Argument(help="Codec files (.js, .toml) or folders.")],
    *,
    force: Force = False,
    folder: CodecFolder = DEFAULT_CODECS,
) -> None:
    """Copy codecs, with the examples beside them, into your folder; each must load."""
    from gateway.commands import codec_library, codec_open

    raise SystemExit(
        codec_library.add(
            paths,
            folder,
            force=force,
            make_codec=codec_open.make_codec,
            evaluate_json5=codec_open.evaluate_json5,
        )
    )


@codec.command("import")
def codec_import(
    *,
    checkout: Annotated[Path, typer.Option("--from", help="Your checkout of a device repository.")],
    device: Annotated[str, typer.Option("--device", metavar="VENDOR/MODEL", help="The device.")],
    force: Force = False,
    folder: CodecFolder = DEFAULT_CODECS,
) -> None:
    """Copy one device's codec and examples from a checkout of a device repository."""
    from gateway.commands import codec_library, codec_open

    raise SystemExit(
        codec_library.import_device(
            checkout,
            device,
            folder,
            force=force,
            make_codec=codec_open.make_codec,
            evaluate_json5=codec_open.evaluate_json5,
        )
    )


@codec.command("fetch")
def codec_fetch(
    *,
    profile: Annotated[str | None, typer.Option(help="One device profile, by name or id.")] = None,
    folder: CodecFolder = DEFAULT_CODECS,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Take the codecs of your ChirpStack server's device profiles, over its API."""
    from gateway.commands import codec_fetch as command

    raise SystemExit(
        command.run(config_path(config), profile=profile, folder=folder, as_json=as_json)
    )


@codec.command("list")
def codec_list(*, folder: CodecFolder = DEFAULT_CODECS, as_json: AsJson = False) -> None:
    """List the codecs there are: in your folder, and those that come with the gateway."""
    from gateway.commands import codec_library

    raise SystemExit(codec_library.list_codecs(folder, as_json=as_json))
