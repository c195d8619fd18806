"""The command line: what there is and what it takes; each command's work is in `commands/`.

Exit status: 0 done, 1 failed, 2 wrong usage or configuration. Heavy imports happen in the commands
that need them, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from gateway.cli.alerts import alerts
from gateway.cli.automation import automation
from gateway.cli.codecs import codec
from gateway.cli.devices import devices
from gateway.cli.firmware import firmware
from gateway.cli.models import models
from gateway.cli.options import DEFAULT_CONFIG, AsJson, ConfigFile, config_path
from gateway.cli.rules import rules
from gateway.errors import ConfigError, GatewayError

app = typer.Typer(
    name="lora-gateway",
    help="LoRa edge gateway: hears sensors, judges their readings, tells people what is wrong.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


for group in (models, codec, firmware, devices, alerts, rules, automation):
    app.add_typer(group, name=group.info.name)

TimeColumn = Annotated[str | None, typer.Option("--time", help="Name of the time column.")]
Adapter = Annotated[
    str,
    typer.Option("--adapter", help="Judge with this adapter: its name when installed, or a file."),
]
Columns = Annotated[str | None, typer.Option(help="Columns to use, with commas between.")]


def main() -> None:
    """Run the command line; an expected failure is one plain sentence on stderr."""
    try:
        app(prog_name="lora-gateway")
    except ConfigError as error:
        print(f"lora-gateway: {error}", file=sys.stderr)  # noqa: T201 - this is its output
        raise SystemExit(2) from None
    except GatewayError as error:
        print(f"lora-gateway: {error}", file=sys.stderr)  # noqa: T201 - this is its output
        raise SystemExit(1) from None
    except BrokenPipeError:
        raise SystemExit(1) from None
    finally:
        _flush_to_whoever_still_reads()


def _flush_to_whoever_still_reads() -> None:
    """Write out what is buffered; where the reader has gone, the interpreter must not try again."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


@app.command()
def demo(
    *,
    duration: Annotated[
        float | None, typer.Option(min=1, help="Stop after so many seconds.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same farm, same faults.")] = 1,
    broker: Annotated[
        str | None, typer.Option(help="HOST:PORT of a real broker instead of the built-in one.")
    ] = None,
    days: Annotated[
        float, typer.Option(min=1, help="How long the farm's story is, in its own days.")
    ] = 8.25,
    language: Annotated[
        Literal["en", "zh_CN"], typer.Option(help="In which alerts are told.")
    ] = "en",
    units: Annotated[
        Literal["metric", "imperial"], typer.Option(help="In which alerts are told.")
    ] = "metric",
    as_json: AsJson = False,
) -> None:
    """Show it all at once: a simulated farm, a broker, the gateway, and what it notices."""
    from gateway.commands import demo as command

    raise SystemExit(
        command.run(
            duration_s=duration,
            seed=seed,
            broker=broker,
            days=days,
            as_json=as_json,
            language=language,
            units=units,
        )
    )


@app.command()
def run(config: ConfigFile = None) -> None:
    """Run the gateway until it is stopped."""
    from gateway.commands import run as command

    raise SystemExit(command.run(config_path(config)))


@app.command()
def init(
    out: Annotated[Path, typer.Option(help="Where to write the settings.")] = DEFAULT_CONFIG,
    *,
    acl: Annotated[
        Path | None,
        typer.Option(help="Write mosquitto's access list for the operators of --config instead."),
    ] = None,
    config: ConfigFile = None,
    force: Annotated[bool, typer.Option(help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a settings file with every default in it, commented."""
    if acl is not None:
        from gateway.commands import acl as access

        raise SystemExit(access.write(config_path(config), acl, force=force))
    from gateway.commands import setup as command

    raise SystemExit(command.init(out, force=force))


@app.command()
def detect(
    *,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Ask each port who it is; opening it resets some boards."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the serial ports of this machine and what is plugged into them."""
    from gateway.commands import detect as command

    raise SystemExit(command.run(as_json=as_json, probe=probe))


@app.command()
def check(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Read the settings and say what is wrong with them, or what they amount to."""
    from gateway.commands import setup as command

    raise SystemExit(command.check(config_path(config), as_json=as_json))


@app.command()
def doctor(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Try everything the gateway needs here: disk, database, model, brokers."""
    from gateway.commands import doctor as command

    raise SystemExit(command.run(config_path(config), as_json=as_json))


@app.command()
def downlink(
    dev_eui: Annotated[
        str | None, typer.Argument(help="DevEUI, 16 hex digits; or give --group.")
    ] = None,
    *,
    group: Annotated[
        str | None, typer.Option(help="All devices of [groups.NAME] instead of one.")
    ] = None,
    hex_data: Annotated[str | None, typer.Option("--hex", help="Bytes to send, as hex.")] = None,
    object_json: Annotated[
        str | None, typer.Option("--object", help="JSON object for the server's codec.")
    ] = None,
    command: Annotated[
        str | None,
        typer.Option(help="Name of a command in the device's schema; --object its keys."),
    ] = None,
    duration: Annotated[
        float | None, typer.Option(min=1, help="Seconds until the gateway ends what it begins.")
    ] = None,
    f_port: Annotated[int | None, typer.Option(min=1, max=223, help="LoRaWAN FPort.")] = None,
    by: Annotated[
        str | None, typer.Option(help="Operator of the settings; signs where it has a key.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all, send nothing.")] = False,
    confirmed: Annotated[bool, typer.Option(help="Ask the device to acknowledge.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Follow it for so many seconds.")] = 30.0,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Send a command to a device or a group through the running gateway, and follow it."""
    from gateway.commands import downlink as sending

    raise SystemExit(
        sending.run(
            config_path(config),
            dev_eui,
            group=group,
            hex_data=hex_data,
            object_json=object_json,
            command=command,
            duration_s=duration,
            by=by,
            dry_run=dry_run,
            f_port=f_port,
            confirmed=confirmed,
            wait_s=wait,
            as_json=as_json,
        )
    )


@app.command()
def order(
    verb: Annotated[str, typer.Argument(help="stop, resume, or confirm.")],
    *,
    command: Annotated[str | None, typer.Option(help="Id of the command to confirm.")] = None,
    by: Annotated[
        str | None, typer.Option(help="Operator of the settings; signs where it has a key.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")] = "",
    wait: Annotated[float, typer.Option(min=1, help="Seconds to wait for the answer.")] = 10.0,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Stop everything (nothing opens till that is lifted), lift it, or be the second person."""
    from gateway.commands import order as ordering

    raise SystemExit(
        ordering.run(
            config_path(config),
            verb,
            command=command,
            by=by,
            reason=reason,
            wait_s=wait,
            as_json=as_json,
        )
    )


@app.command()
def audit(
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that nothing was altered.")
    ] = False,
    head: Annotated[
        list[str] | None,
        typer.Option("--head", help="A hash written down earlier, which must be there; repeat it."),
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Print every decision on commands, or check that none was altered since."""
    from gateway.commands import audit as command

    raise SystemExit(
        command.run(config_path(config), verify_it=verify, known=head or [], as_json=as_json)
    )


@app.command()
def explain(
    alert_id: Annotated[str, typer.Argument(help="Id of an alert; of an open one, its beginning.")],
    *,
    out: Annotated[Path | None, typer.Option(help="Draw a chart (SVG).")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say why an alert was raised: observed against expected, and when it was like this before."""
    from gateway.commands import explain as command

    raise SystemExit(command.run(alert_id, config_path(config), out, as_json=as_json))


@app.command()
def backtest(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="FILE...",
            help="CSV with a time column and one per channel; for --rules also several, or a "
            "`device` column.",
        ),
    ] = None,
    *,
    out: Annotated[
        Path | None, typer.Option(help="Where to write the scores, or the firings (CSV).")
    ] = None,
    time: TimeColumn = None,
    columns: Columns = None,
    plot: Annotated[Path | None, typer.Option(help="Draw a picture: .svg, or .png.")] = None,
    rules: Annotated[
        Path | None, typer.Option(help="Try the [[rule]] tables of this file instead.")
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="With --rules: try them on the gateway's own history.")
    ] = False,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Of the store, the last days.")] = 30,
    adapter: Adapter = "",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Judge recorded series as the daemon would have, sample by sample; or try rules on them."""
    from gateway.config import load

    settings = load(config_path(config) if store else config)
    if rules is not None:
        from gateway.commands import backtest_rules as trying

        raise SystemExit(
            trying.run(
                rules, files or [], settings, days=days if store else None, time=time,
                columns=_names(columns), out=out, as_json=as_json,
            )
        )  # fmt: skip
    from gateway.commands import backtest as command
    from gateway.commands.engine_ids import EngineIds
    from gateway.errors import ConfigError

    if out is None or len(files or []) != 1 or store:
        raise ConfigError("Without --rules, give one FILE and --out.")
    (file,) = files or []
    raise SystemExit(
        command.run(
            file,
            out,
            time=time,
            columns=_names(columns),
            plot=plot,
            adapter=adapter,
            config=settings.inference,
            alert_of=EngineIds(settings),
        )
    )


@app.command()
def forecast(
    file: Annotated[Path, typer.Argument(help="CSV with a time column and one per channel.")],
    *,
    horizon: Annotated[int, typer.Option(min=1, max=100000, help="Steps ahead.")],
    out: Annotated[Path, typer.Option(help="Where to write the quantiles (CSV).")],
    time: TimeColumn = None,
    columns: Columns = None,
    adapter: Adapter = "",
    config: ConfigFile = None,
) -> None:
    """Forecast recorded series beyond their end."""
    from gateway.commands import forecast as command
    from gateway.config import load

    raise SystemExit(
        command.run(
            file,
            horizon,
            out,
            time=time,
            columns=_names(columns),
            adapter=adapter,
            config=load(config).inference,
        )
    )


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Recording: JSON lines, plain or .gz.")],
    *,
    broker: Annotated[
        str | None, typer.Option(help="Publish to HOST:PORT instead of working it here.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0, help="With --broker: times real time; 0 is as fast as it goes.")
    ] = 0.0,
    alerts: Annotated[
        Path | None, typer.Option(help="Write every step of every alert here, as JSON lines.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Put a recording through the whole pipeline in recorded time, and count what came of it."""
    from gateway.commands import replay as command

    raise SystemExit(
        command.run(
            file,
            config_path=config,
            broker=broker,
            speed=speed,
            alerts=alerts,
            as_json=as_json,
        )
    )


@app.command()
def backup(
    out: Annotated[Path, typer.Argument(help="Where to write the copy of the database.")],
    config: ConfigFile = None,
) -> None:
    """Copy the database while the gateway runs."""
    from gateway.commands import inspect as command

    raise SystemExit(command.backup(config_path(config), out))


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A copy that `backup` made.")],
    config: ConfigFile = None,
    *,
    force: Annotated[bool, typer.Option(help="Replace a database that is there.")] = False,
) -> None:
    """Put a copy back in place; the gateway must be stopped."""
    from gateway.commands import inspect as command

    raise SystemExit(command.restore(config_path(config), file, force=force))


@app.command()
def dump(config: ConfigFile = None) -> None:
    """Print what a person who helps you needs to know, without secrets (JSON)."""
    from gateway.commands import inspect as command

    raise SystemExit(command.dump(config_path(config)))


def _names(columns: str | None) -> list[str]:
    return [name.strip() for name in (columns or "").split(",") if name.strip()]
