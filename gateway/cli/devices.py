"""`lora-gateway devices`: who was heard, and the registry of a radio of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import AsJson, ConfigFile, config_path

devices = typer.Typer(
    name="devices",
    help="Devices that were heard and how they do; add, list, show, remove, import your radio's.",
    invoke_without_command=True,
)
KeyText = Annotated[str | None, typer.Option(help="32 hex digits; - reads it from stdin.")]
Eui = Annotated[str, typer.Argument(metavar="DEVEUI", help="DevEUI, 16 hex digits.")]


@devices.callback()
def heard(context: typer.Context, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """List the devices that were heard; add, list, show, remove, import your own radio's."""
    if context.invoked_subcommand is not None:
        context.obj = config
        return
    from gateway.commands import inspect as command

    raise SystemExit(command.devices(config_path(config), as_json=as_json))


@devices.command("add")
def add(
    context: typer.Context,
    *,
    dev_eui: Annotated[str | None, typer.Option(help="As printed on the device.")] = None,
    join_eui: Annotated[str | None, typer.Option(help="AppEUI; without it, any.")] = None,
    app_key: KeyText = None,
    dev_addr: Annotated[str | None, typer.Option(help="Of a device set up by hand (ABP).")] = None,
    nwk_s_key: KeyText = None,
    app_s_key: KeyText = None,
    f_cnt_up: Annotated[
        str | None, typer.Option(help="Where its counter is, beyond 65535.")
    ] = None,
    node_id: Annotated[str | None, typer.Option(help="Of a home-made node; 0x for hex.")] = None,
    key: KeyText = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="The node sends plain frames: no key, no proof.")
    ] = False,
    generate_key: Annotated[
        bool, typer.Option("--generate-key", help="Make the keys (ABP, node), show them once.")
    ] = False,
    keys_file: Annotated[
        Path | None, typer.Option(help="Lines such as app_key = 32 hex digits.")
    ] = None,
    name: str = "",
    profile: str = "",
    codec: Annotated[str, typer.Option(help="Name of its payload codec.")] = "",
    device_class: Annotated[str, typer.Option("--class", help="A or C.")] = "",
    region: Annotated[str, typer.Option(help="Without it, the radio's.")] = "",
    counter_reset: Annotated[
        str, typer.Option(help="never, once or always: may its counter begin again?")
    ] = "",
    nonces: Annotated[str, typer.Option(help="seen, or rising (LoRaWAN 1.0.4).")] = "",
    rx_delay: Annotated[str, typer.Option(help="Seconds to RX1.")] = "",
    rx1_dr_offset: str = "",
    rx2_frequency: Annotated[str, typer.Option(help="Hz or MHz.")] = "",
    rx2_data_rate: str = "",
    force: Annotated[bool, typer.Option("--force", help="Change one that is there.")] = False,
    config: ConfigFile = None,
) -> None:
    """Register a device; a key that is left out is asked for, so that no shell remembers it."""
    from gateway.commands import devices as command
    from gateway.commands.device_keys import KeyWishes

    fields = {
        "dev_eui": dev_eui, "join_eui": join_eui, "dev_addr": dev_addr, "f_cnt_up": f_cnt_up,
        "node_id": node_id, "name": name, "profile": profile, "codec": codec,
        "class": device_class, "region": region, "counter_reset": counter_reset,
        "nonces": nonces, "rx_delay_s": rx_delay, "rx1_dr_offset": rx1_dr_offset,
        "rx2_frequency_hz": rx2_frequency, "rx2_data_rate": rx2_data_rate,
    }  # fmt: skip
    keys = {"app_key": app_key, "nwk_s_key": nwk_s_key, "app_s_key": app_s_key, "key": key}
    wishes = KeyWishes(
        given={name: text for name, text in keys.items() if text is not None},
        file=keys_file,
        generate=generate_key,
        plain=plain,
    )
    given = {name: text for name, text in fields.items() if text}
    raise SystemExit(command.add(_settings(context, config), given, wishes, force=force))


@devices.command("list")
def list_(context: typer.Context, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """List the registered devices, and what each was last heard saying."""
    from gateway.commands import device_views as command

    raise SystemExit(command.list_devices(_settings(context, config), as_json=as_json))


@devices.command("health")
def health(context: typer.Context, config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Tell how every device does, the worst first: battery, link, restarts, alerts."""
    from gateway.commands import device_health as command

    raise SystemExit(command.run(_settings(context, config), as_json=as_json))


@devices.command("show")
def show(
    context: typer.Context, dev_eui: Eui, config: ConfigFile = None, *, as_json: AsJson = False
) -> None:
    """Show everything of one device but its keys."""
    from gateway.commands import device_views as command

    raise SystemExit(command.show(_settings(context, config), dev_eui, as_json=as_json))


@devices.command("remove")
def remove(
    context: typer.Context,
    dev_eui: Eui,
    config: ConfigFile = None,
    *,
    forget: Annotated[
        bool, typer.Option("--forget", help="Its sessions and counters too.")
    ] = False,
) -> None:
    """Take a device out; should it come back with the same keys, it goes on counting."""
    from gateway.commands import devices as command

    raise SystemExit(command.remove(_settings(context, config), dev_eui, forget=forget))


@devices.command("restart")
def restart(context: typer.Context, dev_eui: Eui, config: ConfigFile = None) -> None:
    """Allow a device's counters or DevNonces to begin again, after a reset or a new battery."""
    from gateway.commands import devices as command

    raise SystemExit(command.restart(_settings(context, config), dev_eui))


@devices.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV or JSON; - reads it from stdin.")],
    config: ConfigFile = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check it, change nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Change those that are there.")] = False,
) -> None:
    """Register a file of devices, ours or ChirpStack's or The Things Stack's: all or none."""
    from gateway.commands import device_import as command

    raise SystemExit(command.run(_settings(context, config), file, dry_run=dry_run, force=force))


def _settings(context: typer.Context, config: Path | None) -> Path | None:
    """Return the settings file, given before or after the subcommand."""
    given: Path | None = context.obj
    return config_path(config or given)
