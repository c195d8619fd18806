"""`lora-gateway models adapt`: train an adapter on a site's own history.

The gateway itself never trains: this gathers the history (a table, or the gateway's store) and
hands it to `python -m models.adapt` in another process, on a laptop or server that has PyTorch.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import gateway
from gateway.commands import models_install
from gateway.commands.inspect import reading
from gateway.commands.models_sign import sign
from gateway.commands.series import read_table
from gateway.config import Config, load
from gateway.errors import ConfigError, GatewayError
from gateway.inference import active
from gateway.inference.adaptation import site_of
from gateway.recollection import is_judged, is_report
from gateway.store import DeviceRecord

STORE = "store"
_HEADER = ("device", "channel", "time", "value")
_MOST_UPLINKS = 200_000
_FROM_TABLE = "table"
_SOURCE = Path(gateway.__file__).parents[1]
_NEEDED = ("torch", "onnx", "onnxscript")

Row = tuple[str, str, float, float]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom the adapter is to serve, as given on the command line."""

    profiles: Sequence[str] = ()
    devices: Sequence[str] = ()
    sites: Sequence[str] = ()

    def has(self, device: DeviceRecord) -> bool:
        """Tell whether a device is one of them."""
        info = device.info
        return (
            info.profile in self.profiles
            or info.dev_eui in self.devices
            or (bool(site_of(info)) and site_of(info) in self.sites)
        )  # fmt: skip

    def options(self) -> list[str]:
        """Return the same for the training's command line."""
        pairs = [
            *(("--profile", name) for name in self.profiles),
            *(("--device", name) for name in self.devices),
            *(("--site", name) for name in self.sites),
        ]
        return [word for pair in pairs for word in pair]


def run(
    history: str,
    wanted: Wanted,
    out: Path | None,
    config_path: Path | None,
    *,
    name: str = "",
    key: Path | None = None,
    rank: int = 8,
    install: bool = False,
    as_json: bool = False,
) -> int:
    """Train, compare, and keep the adapter only where it is better; return the exit status.

    Raises
    ------
    GatewayError
        PyTorch or the training code is not here, or the history cannot be used.
    ConfigError
        It is not said whom the adapter is for.

    """
    config = load(config_path)
    named = name or _name(wanted)
    python = trainer()
    out = out or Path(f"{named}.zip")
    with tempfile.TemporaryDirectory(prefix="lora-gateway-") as folder:
        table = Path(folder) / "history.csv"
        count = _write(table, rows(history, wanted, config))
        if not count:
            raise GatewayError(
                f"{history}: no readings of {_whom(wanted)}. `lora-gateway devices` shows the "
                "devices with their profiles."
            )
        pack = str(active(config.inference).absolute())
        facts = _train(
            [str(python), "-m", "models.adapt", str(table), "--name", named, "--pack", pack,
             "--out", str(out.absolute()), "--rank", str(rank), *wanted.options()]
        )  # fmt: skip
    if facts["written"] and key is not None:
        sign(out, key)
    _tell(facts, named, as_json=as_json)
    if facts["written"] and install:
        return models_install.install(out, config_path, unsigned=key is None, as_json=as_json)
    return 0 if facts["written"] else 1


def trainer(
    source: Path = _SOURCE, found: Callable[[str], object] = importlib.util.find_spec
) -> Path:
    """Return the Python that can train: this one, or the one that `models/train` has made.

    `source` is the folder that should hold `models/`; `found` finds a package.

    Raises
    ------
    GatewayError
        There is none; it says what to do.

    """
    if not (source / "models" / "adapt.py").is_file():
        raise GatewayError(
            "Training an adapter is a job for a laptop or a server with the source of the gateway; "
            "the installed package has no training code. There, in the source's folder, run: "
            "python -m pip install --editable '.[train]', then this command with --history FILE, "
            "or with the copy of the database that `lora-gateway backup` makes."
        )
    if all(found(package) for package in _NEEDED):
        return Path(sys.executable)
    made = source / ".train-venv" / "bin" / "python"
    if made.is_file():
        return made
    raise GatewayError(
        "Training an adapter needs PyTorch, which is not installed here. On a laptop or a server "
        f"(not on the gateway), in {source}, run: python -m pip install --editable '.[train]'."
    )


def rows(history: str, wanted: Wanted, config: Config) -> Iterator[Row]:
    """Yield device, channel, time and value of every sample to learn from."""
    if history == STORE:
        yield from _stored(wanted, config)
        return
    table = read_table(Path(history))
    for name, values in table.columns.items():
        for row in table.order():
            if values[row] == values[row]:
                yield _FROM_TABLE, name, float(table.times_s[row]), float(values[row])


def _stored(wanted: Wanted, config: Config) -> Iterator[Row]:
    with reading(config) as store:
        for device in filter(wanted.has, store.devices()):
            eui = device.info.dev_eui
            for row in store.history(eui, _MOST_UPLINKS):
                if is_report(row.record.readings):
                    continue
                for one in filter(is_judged, row.record.readings):
                    yield eui, str(one.channel), one.time_s, float(one.value)


def _write(path: Path, found: Iterator[Row]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADER)
        for row in found:
            writer.writerow(row)
            count += 1
    return count


def _train(command: Sequence[str]) -> dict[str, object]:
    done = subprocess.run(  # noqa: S603 - our own module, by the Python that runs this
        command, cwd=_SOURCE, stdout=subprocess.PIPE, text=True, check=False
    )
    last = done.stdout.strip().splitlines()[-1:]
    try:
        facts = json.loads(last[0]) if last else None
    except ValueError:
        facts = None
    if not isinstance(facts, dict) or "written" not in facts:
        raise GatewayError(
            f"The training ended with status {done.returncode}; what went wrong stands above."
        )
    return facts


def _tell(facts: dict[str, object], name: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(facts))
    elif facts["reason"] == "too_little_history":
        print(
            f"{name}: too little history. A channel needs 800 samples, and some that nothing has "
            "looked at are held back; nothing was written."
        )
    elif not facts["written"]:
        print(f"{name} is not kept: {facts['detail']}. The base stays in use.")
    else:
        print(f"{facts['written']}: {_figures(facts['metrics'])}.")


def _figures(metrics: object) -> str:
    if not isinstance(metrics, dict):
        return ""
    ours, base = metrics["adapter"], metrics["base"]
    return (
        f"on the end of the history, which was held back, its pinball loss is "
        f"{ours['pinball']:.4f} (base {base['pinball']:.4f}, "
        f"{ours['pinball'] / base['pinball'] - 1:+.1%}), with {ours['episodes']} alarm episodes "
        f"(base {base['episodes']})"
    )


def _name(wanted: Wanted) -> str:
    given = [*wanted.profiles, *wanted.sites, *wanted.devices]
    if not given:
        raise ConfigError(
            "Say whom the adapter is for: --profile NAME, --device EUI or --site NAME."
        )
    return "".join(c if (c.isalnum() and c.isascii()) or c in "._-" else "-" for c in given[0])[:64]


def _whom(wanted: Wanted) -> str:
    return ", ".join((*wanted.profiles, *wanted.devices, *wanted.sites))


SCHEDULE = """\
An adapter is trained where PyTorch is: on a laptop or a server, not on the gateway. Once a month is
enough. The job fetches a copy of the gateway's database, trains, and brings back what is better;
where nothing is better, it ends with status 1 and the gateway stays as it is.

# adapt.sh: HOST is the gateway, KEY the private key whose public one it trusts
set -eu
ssh HOST lora-gateway backup /tmp/history.db
scp HOST:/tmp/history.db history.db
# where the gateway uses a pack of its own, copy it too and add [inference] with pack = its file
printf '[store]\\npath = "history.db"\\n' > adapt.toml
lora-gateway models adapt --history store --config adapt.toml {whom} --key KEY --out adapter.zip
scp adapter.zip HOST:/tmp/adapter.zip
ssh HOST 'sudo lora-gateway models install /tmp/adapter.zip && sudo systemctl restart lora-gateway'

# ~/.config/systemd/user/adapt.service
[Service]
Type=oneshot
WorkingDirectory=%h/adapt
ExecStart=/bin/sh adapt.sh

# ~/.config/systemd/user/adapt.timer; then: systemctl --user enable --now adapt.timer
[Timer]
OnCalendar=monthly
RandomizedDelaySec=6h
Persistent=true

[Install]
WantedBy=timers.target

# or in a crontab:
17 3 1 * *  cd ~/adapt && sh adapt.sh
"""


def schedule(wanted: Wanted) -> int:
    """Print how to train regularly, on a laptop or server."""
    whom = shlex.join(wanted.options())
    print(SCHEDULE.format(whom=whom or "--profile NAME"), end="")
    return 0
