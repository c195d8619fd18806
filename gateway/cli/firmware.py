"""`lora-gateway firmware`: the radio board's firmware."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

firmware = typer.Typer(
    name="firmware", no_args_is_help=True, help="The radio board's firmware: flash it."
)


@firmware.command("flash")
def firmware_flash(
    port: Annotated[str, typer.Argument(help="The board's serial port; `detect` lists them.")],
    *,
    board: Annotated[str, typer.Option(help="uno, nano, nano-old or pro-mini.")] = "uno",
    file: Annotated[
        Path | None, typer.Option(help="A HEX file instead of the one that ships.")
    ] = None,
) -> None:
    """Write the radio firmware onto an Arduino board, through avrdude."""
    from gateway.commands import firmware as command

    raise SystemExit(command.flash(port, board, file))
