"""The command line as a person or a script meets it: words, exit status, and clean output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from chirpstack_events import eui, up

from gateway.cli import app, main
from gateway.cli.devices import devices

ROOT = Path(__file__).parents[1]
RECORDING = Path(__file__).parent / "vectors" / "replay_small.jsonl"
COMMANDS = sorted(
    [
        *(
            command.name or str(command.callback.__name__)
            for command in app.registered_commands
            if command.callback
        ),
        *(str(group.name) for group in app.registered_groups),
    ]
)
OF_DEVICES = [f"devices {command.name}" for command in devices.registered_commands]
EUI = eui(1)


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


class CommandLine:
    """Runs `lora-gateway` in this process: a new one takes seconds on a busy machine."""

    def __init__(self, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[str]) -> None:
        self._patch = patch
        self._captured = captured
        patch.setenv("LORA_GATEWAY_INFERENCE__ENABLED", "false")

    def run(self, *arguments: object, **environment: str) -> Ended:
        with self._patch.context() as patch:
            patch.setattr(sys, "argv", ["lora-gateway", *map(str, arguments)])
            for name, value in environment.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        printed = self._captured.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    def said(self, *arguments: object, **environment: str) -> tuple[int, str]:
        """Return the exit status and the last line of what it complained of."""
        ended = self.run(*arguments, **environment)
        assert ended.out == ""
        return ended.code, [line for line in ended.err.splitlines() if line.strip()][-1]


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def test_help_names_every_command_of_the_design(line: CommandLine) -> None:
    wanted = {"demo", "init", "check", "doctor", "run", "devices", "downlink", "backtest",
              "forecast", "replay", "backup", "restore", "dump"}  # fmt: skip
    assert wanted <= set(COMMANDS)
    ended = line.run("--help")
    assert ended.code == 0
    assert all(f"  {name} " in ended.out for name in COMMANDS)


@pytest.mark.parametrize("command", [*COMMANDS, *OF_DEVICES, "models list", "models verify"])
def test_every_command_has_its_help(line: CommandLine, command: str) -> None:
    ended = line.run(*command.split(), "--help")
    assert ended.code == 0
    assert f"Usage: lora-gateway {command} " in ended.out
    assert len(ended.out.splitlines()) > 3


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nonsense"], "Error: No such command 'nonsense'."),
        (["replay"], "Error: Missing argument 'file'."),
        (
            ["replay", RECORDING, "--broker", "x"],
            "lora-gateway: --broker 'x' is not HOST:PORT, such as 127.0.0.1:1883.",
        ),
        (
            ["downlink", "zz", "--hex", "01"],
            "lora-gateway: 'zz' is not a DevEUI: give its 16 hex digits.",
        ),
        (["downlink", EUI], "lora-gateway: Give exactly one of --hex, --object and --command."),
        (
            ["downlink", EUI, "--hex", "1", "--object", "{}"],
            "lora-gateway: Give exactly one of --hex, --object and --command.",
        ),
        (
            ["downlink", EUI, "--object", "[1]"],
            """lora-gateway: --object must be a JSON object, such as '{"valve": true}'.""",
        ),
        (
            ["check", "--config", "/nowhere.toml"],
            (
                "lora-gateway: /nowhere.toml does not exist. `lora-gateway init --out "
                "/nowhere.toml` writes one."
            ),
        ),
        (
            ["run", "--config", "/nowhere.toml"],
            (
                "lora-gateway: /nowhere.toml does not exist. `lora-gateway init --out "
                "/nowhere.toml` writes one."
            ),
        ),
    ],
)
def test_wrong_usage_ends_with_two_and_says_what_is_right(
    line: CommandLine, arguments: list[object], complaint: str
) -> None:
    assert line.said(*arguments) == (2, complaint)


def test_a_wrong_setting_ends_with_two_from_any_command(line: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[mqtt]\nhots = 'x'\n")
    complaint = f"lora-gateway: {path}: unknown key 'mqtt.hots'; did you mean 'host'?"
    for command in (["check"], ["run"], ["devices"], ["replay", RECORDING], ["doctor"]):
        assert line.said(*command, "--config", path) == (2, complaint)
    code, words = line.said("check", LORA_GATEWAY_MQTT__PORT="x")
    assert code == 2
    assert "LORA_GATEWAY_MQTT__PORT" in words


def test_a_limit_with_a_built_in_name_is_found_by_check_not_at_the_start(
    line: CommandLine, tmp_path: Path
) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[[alerts.threshold]]\nname = 'silence'\nchannel = 'x'\nabove = 1\n")
    code, words = line.said("check", "--config", path)
    assert code == 2
    assert "alerts.threshold.name = 'silence' is the name of a built-in rule" in words


def test_a_failure_ends_with_one_and_one_plain_sentence(line: CommandLine, tmp_path: Path) -> None:
    store = {"LORA_GATEWAY_STORE__PATH": str(tmp_path / "none.db")}
    for command in (["devices"], ["backup", tmp_path / "out"]):
        code, words = line.said(*command, **store)
        assert code == 1
        assert words.endswith("is not there: the gateway has not run yet.")
    assert line.said("replay", tmp_path / "none.jsonl")[0] == 1
    assert line.said("restore", tmp_path / "none.db", **store)[0] == 1
    assert line.said("models", "verify", tmp_path / "none.zip")[0] == 1
    (tmp_path / "file").write_text("")
    assert line.said("init", "--out", tmp_path / "file" / "below")[0] == 1


def test_a_database_that_cannot_be_made_ends_the_daemon_with_one(
    line: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    code, words = line.said("run", LORA_GATEWAY_STORE__PATH=str(tmp_path / "file" / "g.db"))
    assert code == 1
    assert words.startswith("lora-gateway: ")


def test_json_is_all_there_is_on_standard_output(line: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    assert line.run("init", "--out", path).code == 0
    for command in (
        ["check", "--config", path, "--json"],
        ["models", "list", "--json"],
        ["replay", RECORDING, "--json"],
        ["dump", "--config", path],
    ):
        ended = line.run(*command)
        assert ended.code == 0, ended.err
        json.loads(ended.out)
    assert "input_quarantined" in line.run("replay", RECORDING, "--json").err


def test_a_reader_that_goes_away_is_no_crash(tmp_path: Path) -> None:
    topic, payload = up(EUI, 1, 1_790_000_000.0, {"t": 1})
    record = {"tst": "2026-09-21T14:13:20Z", "topic": topic, "payload": json.loads(payload)}
    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps(record) + "\n")
    for command in (["replay", file, "--json"], ["--help"]):
        reading, writing = os.pipe()
        os.close(reading)
        ended = subprocess.run(
            [sys.executable, "-m", "gateway", *map(str, command)],
            stdout=writing, stderr=subprocess.PIPE, text=True, cwd=ROOT, timeout=60, check=False,
        )  # fmt: skip
        os.close(writing)
        assert "Traceback" not in ended.stderr
        assert "BrokenPipe" not in ended.stderr
        assert ended.returncode == 1
