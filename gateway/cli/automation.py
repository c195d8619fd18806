"""`lora-gateway automation`: irrigation programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import AsJson, ConfigFile, config_path

automation = typer.Typer(
    name="automation",
    help="Irrigation programs: list, simulate, run, stop, skip, enable, disable.",
    no_args_is_help=True,
)
Name = Annotated[str, typer.Argument(metavar="PROGRAM", help="As in [programs.NAME].")]
By = Annotated[str | None, typer.Option(help="Operator of the settings; signs where it has a key.")]
Wait = Annotated[float, typer.Option(min=1, help="Seconds to wait for the answer.")]


@automation.command("list")
def list_(config: ConfigFile = None, *, wait: Wait = 10.0, as_json: AsJson = False) -> None:
    """Show how each program of the running gateway stands: its next start, how the last ended."""
    from gateway.commands import automation as command

    raise SystemExit(command.list_programs(config_path(config), wait_s=wait, as_json=as_json))


@automation.command("simulate")
def simulate(
    config: ConfigFile = None,
    *,
    days: Annotated[float, typer.Option(min=0.01, max=366, help="How far ahead.")] = 7.0,
    program: Annotated[
        list[str] | None, typer.Option(help="This one only; may be given again.")
    ] = None,
    weather: Annotated[
        Path | None,
        typer.Option(help="CSV of channels by time (or device/channel), taken to come true."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what would run when, and why; nothing is sent and no broker is needed."""
    from gateway.commands import automation as command

    raise SystemExit(
        command.simulate(
            config_path(config), days=days, names=program or [], weather=weather, as_json=as_json
        )
    )


@automation.command("run")
def run(
    name: Name,
    config: ConfigFile = None,
    *,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, max=1440, help="For each valve, not as configured.")
    ] = None,
    by: By = None,
    wait: Wait = 10.0,
    as_json: AsJson = False,
) -> None:
    """Run a program now, whatever its calendar and the weather say; safety has its say still."""
    more = {} if minutes is None else {"minutes": minutes}
    _order(config, "run", name, by=by, more=more, wait=wait, as_json=as_json)


@automation.command("stop")
def stop(
    name: Name,
    config: ConfigFile = None,
    *,
    by: By = None,
    wait: Wait = 10.0,
    as_json: AsJson = False,
) -> None:
    """End a run now: the pump first, then the valves."""
    _order(config, "stop", name, by=by, more={}, wait=wait, as_json=as_json)


@automation.command("skip")
def skip(
    name: Name,
    config: ConfigFile = None,
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Not after all.")] = False,
    by: By = None,
    wait: Wait = 10.0,
    as_json: AsJson = False,
) -> None:
    """Leave the next start out, and only that."""
    more = {"undo": True} if undo else {}
    _order(config, "skip", name, by=by, more=more, wait=wait, as_json=as_json)


@automation.command("enable")
def enable(
    name: Name,
    config: ConfigFile = None,
    *,
    by: By = None,
    wait: Wait = 10.0,
    as_json: AsJson = False,
) -> None:
    """Switch a program on, also over a restart, whatever its `enabled` says."""
    _order(config, "enable", name, by=by, more={}, wait=wait, as_json=as_json)


@automation.command("disable")
def disable(
    name: Name,
    config: ConfigFile = None,
    *,
    by: By = None,
    wait: Wait = 10.0,
    as_json: AsJson = False,
) -> None:
    """Switch a program off: it starts no more until it is enabled; a run goes on to its end."""
    _order(config, "disable", name, by=by, more={}, wait=wait, as_json=as_json)


def _order(
    config: Path | None,
    verb: str,
    name: str,
    *,
    by: str | None,
    more: Mapping[str, object],
    wait: float,
    as_json: bool,
) -> None:
    from gateway.commands import automation as command

    raise SystemExit(
        command.order(
            config_path(config), verb, name, by=by, more=more, wait_s=wait, as_json=as_json
        )
    )
