"""`lora-gateway alerts`: what is wrong, and what people do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import AsJson, ConfigFile, config_path

alerts = typer.Typer(
    name="alerts",
    help="Alerts: list, show, acknowledge, snooze, comment on, call false; undo that.",
    invoke_without_command=True,
)
Which = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="The alert's id, or how it begins.")
]
One = Annotated[str, typer.Argument(metavar="ID", help="The alert's id, or how it begins.")]
Device = Annotated[str | None, typer.Option("--device", help="DevEUI: all alerts of a device.")]
By = Annotated[str | None, typer.Option(help="Operator of the settings; signs where it has a key.")]
Text = Annotated[str, typer.Option("--text", help="A remark that stays with the alert.")]
Wait = Annotated[float, typer.Option(min=1, help="Seconds to wait for the answer.")]
WAIT_S = 10.0


@alerts.callback()
def open_now(context: typer.Context, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """List open alerts; show, acknowledge, snooze, comment on them, or call them false."""
    if context.invoked_subcommand is not None:
        context.obj = config
        return
    from gateway.commands import alerts as command

    raise SystemExit(command.list_open(config_path(config), None, as_json=as_json))


@alerts.command("list")
def list_(
    context: typer.Context,
    config: ConfigFile = None,
    *,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """List what is open, those in the digest included."""
    from gateway.commands import alerts as command

    raise SystemExit(command.list_open(_settings(context, config), device, as_json=as_json))


@alerts.command()
def history(
    context: typer.Context,
    config: ConfigFile = None,
    *,
    device: Device = None,
    days: Annotated[float, typer.Option(min=0.01, help="How far back.")] = 7.0,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List alerts that are over, the newest first."""
    from gateway.commands import alerts as command

    found = command.list_over(_settings(context, config), device, days, limit, as_json=as_json)
    raise SystemExit(found)


@alerts.command()
def show(
    context: typer.Context, alert: One, config: ConfigFile = None, *, as_json: AsJson = False
) -> None:
    """Show everything of one alert, open or over."""
    from gateway.commands import alerts as command

    raise SystemExit(command.show(_settings(context, config), alert, as_json=as_json))


@alerts.command()
def adjustments(
    context: typer.Context, config: ConfigFile = None, *, as_json: AsJson = False
) -> None:
    """List what false alarms have made less sensitive."""
    from gateway.commands import alerts as command

    raise SystemExit(command.adjustments(_settings(context, config), as_json=as_json))


@alerts.command()
def digest(context: typer.Context, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Show the newest digest: what was not told one by one."""
    from gateway.commands import alerts as command

    raise SystemExit(command.digest(_settings(context, config), as_json=as_json))


@alerts.command()
def ack(
    context: typer.Context,
    alert: Which = None,
    config: ConfigFile = None,
    *,
    device: Device = None,
    by: By = None,
    text: Text = "",
    wait: Wait = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Take an alert on: it is told again only when it becomes worse."""
    _do(context, config, "ack", alert, device, by=by, text=text, wait_s=wait, as_json=as_json)


@alerts.command()
def unack(
    context: typer.Context,
    alert: Which = None,
    config: ConfigFile = None,
    *,
    device: Device = None,
    by: By = None,
    wait: Wait = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Take an acknowledgement back."""
    _do(context, config, "unack", alert, device, by=by, wait_s=wait, as_json=as_json)


@alerts.command()
def snooze(
    context: typer.Context,
    alert: Which = None,
    config: ConfigFile = None,
    *,
    for_: Annotated[str | None, typer.Option("--for", help="90m, 2h, 3d; else a day.")] = None,
    until: Annotated[str | None, typer.Option(help="A time, such as 2026-06-01T07:00Z.")] = None,
    device: Device = None,
    by: By = None,
    text: Text = "",
    wait: Wait = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Let an alert rest for a while; what becomes worse is told all the same."""
    _do(
        context, config, "snooze", alert, device, by=by, text=text, wait_s=wait, as_json=as_json,
        until=until, **{"for": for_},
    )  # fmt: skip


@alerts.command()
def unsnooze(
    context: typer.Context,
    alert: Which = None,
    config: ConfigFile = None,
    *,
    device: Device = None,
    by: By = None,
    wait: Wait = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """End a snooze early."""
    _do(context, config, "unsnooze", alert, device, by=by, wait_s=wait, as_json=as_json)


@alerts.command()
def comment(
    context: typer.Context,
    alert: One,
    text: Annotated[str, typer.Argument(help="What to say of it.")],
    config: ConfigFile = None,
    *,
    by: By = None,
    wait: Wait = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Leave a remark with an alert."""
    _do(context, config, "comment", alert, None, by=by, text=text, wait_s=wait, as_json=as_json)


@alerts.command("false-alarm")
def false_alarm(
    context: typer.Context,
    alert: One,
    config: ConfigFile = None,
    *,
    by: By = None,
    text: Text = "",
    wait: Wait = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """End an alert as false, and make what raised it less sensitive for a while."""
    _do(context, config, "false-alarm", alert, None, by=by, text=text, wait_s=wait, as_json=as_json)


@alerts.command()
def undo(
    context: typer.Context,
    alert: Which = None,
    config: ConfigFile = None,
    *,
    device: Device = None,
    channel: Annotated[
        str | None, typer.Option(help="One channel of it, or `silence` or `link`.")
    ] = None,
    by: By = None,
    wait: Wait = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Take back what a false alarm has changed."""
    _do(
        context, config, "undo", alert, device, by=by, wait_s=wait, as_json=as_json, channel=channel
    )


def _do(
    context: typer.Context,
    config: Path | None,
    verb: str,
    alert: str | None,
    device: str | None,
    *,
    by: str | None,
    wait_s: float,
    as_json: bool,
    **fields: str | None,
) -> None:
    from gateway.commands import alerts as command

    fields |= {"id": alert, "dev_eui": device.lower() if device else None}
    given = {name: text for name, text in fields.items() if text}
    raise SystemExit(
        command.ask_for(
            _settings(context, config), verb, given, by=by, wait_s=wait_s, as_json=as_json
        )
    )


def _settings(context: typer.Context, config: Path | None) -> Path | None:
    """Return the settings file, given before or after the subcommand."""
    given: Path | None = context.obj
    return config_path(config or given)
