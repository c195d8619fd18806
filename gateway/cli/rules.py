"""`lora-gateway rules`: people's own rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.options import AsJson, ConfigFile, config_path

rules = typer.Typer(
    name="rules",
    no_args_is_help=True,
    help="Your own rules in the running gateway: list, add, test, switch on and off.",
)

Name = Annotated[str, typer.Argument(help="The rule's name.")]
By = Annotated[str | None, typer.Option(help="Operator of the settings; signs where it has a key.")]
Wait = Annotated[float, typer.Option(min=1, help="Seconds to wait for the answer.")]


@rules.command("list")
def rules_list(config: ConfigFile = None, *, wait: Wait = 10.0, as_json: AsJson = False) -> None:
    """Show every rule in a sentence: its source, on or off, how often it fired."""
    from gateway.commands import rules as command

    raise SystemExit(command.run(config_path(config), "list", wait_s=wait, as_json=as_json))


@rules.command("add")
def rules_add(
    file: Annotated[Path, typer.Argument(help="TOML with [[rule]] tables.")],
    *,
    by: By = None,
    wait: Wait = 10.0,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Give the gateway the rules of a file; one of the same name is replaced."""
    from gateway.commands import rules as command

    raise SystemExit(
        command.run(config_path(config), "add", file=file, by=by, wait_s=wait, as_json=as_json)
    )


@rules.command("remove")
def rules_remove(
    name: Name,
    *,
    by: By = None,
    wait: Wait = 10.0,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Remove a rule that was added; its open alerts end."""
    _about(config, "remove", name, by, wait, as_json=as_json)


@rules.command("enable")
def rules_enable(
    name: Name,
    *,
    by: By = None,
    wait: Wait = 10.0,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Switch a rule on."""
    _about(config, "enable", name, by, wait, as_json=as_json)


@rules.command("disable")
def rules_disable(
    name: Name,
    *,
    by: By = None,
    wait: Wait = 10.0,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Switch a rule off, also one of the settings; its open alerts end."""
    _about(config, "disable", name, by, wait, as_json=as_json)


@rules.command("test")
def rules_test(
    name: Annotated[str, typer.Argument(help="A rule's name, or a TOML file with rules.")],
    *,
    days: Annotated[int, typer.Option(min=1, max=90, help="Days of the store.")] = 7,
    by: By = None,
    wait: Wait = 120.0,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Say how often a rule would have fired in the last days; nothing is switched on."""
    from gateway.commands import rules as command

    file = Path(name) if name.endswith(".toml") else None
    raise SystemExit(
        command.run(
            config_path(config),
            "test",
            name="" if file else name,
            file=file,
            days=days,
            by=by,
            wait_s=wait,
            as_json=as_json,
        )
    )


def _about(
    config: Path | None, verb: str, name: str, by: str | None, wait: float, *, as_json: bool
) -> None:
    from gateway.commands import rules as command

    raise SystemExit(
        command.run(config_path(config), verb, name=name, by=by, wait_s=wait, as_json=as_json)
    )
