"""Settings: what may stand where, where it comes from, and what is said when it is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.config import ChirpStackApiConfig, Config, ConnectionConfig, load
from gateway.errors import ConfigError

EUI = "a84041000181c061"
SECRET = "correct horse"  # noqa: S105 - the tests' own


def wrong(tmp_path: Path, text: str, **environment: str) -> str:
    path = tmp_path / "lora-gateway.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, environment=environment)
    return str(caught.value).removeprefix(f"{path}: ")


def right(tmp_path: Path, text: str, **environment: str) -> Config:
    path = tmp_path / "lora-gateway.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, environment=environment)


LEVELS = "must be one of 'debug', 'info', 'warning', 'error'"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mqtt]\nhots = 'x'", "unknown key 'mqtt.hots'; did you mean 'host'?"),
        ("[mqqt]\nhost = 'x'", "unknown key 'mqqt'; did you mean 'mqtt'?"),
        ("[MQTT]\nhost = 'x'", "unknown key 'MQTT'; did you mean 'mqtt'?"),
        ("[alert.silence]\nmin_s = 5", "unknown key 'alert'; did you mean 'alerts'?"),
        ("[log]\nlevel = 'warn'", f"log.level = 'warn': {LEVELS}; did you mean 'warning'?"),
        ("[log]\nlevel = 5", f"log.level = 5: {LEVELS}."),
        ("[mqtt]\nport = 99999", "mqtt.port = 99999: must be at least 1 and at most 65535."),
        (
            "[mqtt]\nport = 'x'",
            "mqtt.port = 'x': must be a whole number, at least 1 and at most 65535.",
        ),
        ("[limits]\ndevices = 1.5", "limits.devices = 1.5: must be a whole number, at least 1."),
        ("[mqtt]\ntls = 'maybe'", "mqtt.tls = 'maybe': must be true or false."),
        ("[mqtt]\nhost = 5", "mqtt.host = 5: must be text in quotes."),
        ("[mqtt]\nca_file = 5", "mqtt.ca_file = 5: must be a path in quotes."),
        ("mqtt = 5", "mqtt = 5: must be a table."),
        ("[alerts]\nthreshold = 5", "alerts.threshold = 5: must be a list in [ ]."),
        (
            "[inference]\nfalse_alarm_p = 0.0",
            "inference.false_alarm_p = 0.0: must be more than 0 and less than 1.",
        ),
        (
            "[alerts.silence]\nmax_s = inf",
            "alerts.silence.max_s = inf: must be a finite number, more than 0.",
        ),
        (f"[devices.{EUI}]\nnmae = 'x'", f"unknown key 'devices.{EUI}.nmae'; did you mean 'name'?"),
        (
            "[profiles.LSE01.channels.raw]\nunits = 'm'",
            "unknown key 'profiles.LSE01.channels.raw.units'; did you mean 'unit'?",
        ),
        (
            "[[alerts.threshold]]\nname = 'a'\nabove = 1",
            "'alerts.threshold[0].channel' is required.",
        ),
        (
            "[[alerts.threshold]]\nname = 'A b'\nchannel = 'c'\nabove = 1",
            "alerts.threshold[0].name = 'A b': must match the pattern ^[a-z0-9][a-z0-9_-]*$.",
        ),
        (
            "[[alerts.threshold]]\nname = 'a'\nchannel = 'c'",
            "alerts.threshold[0]: give exactly one of `below` and `above`.",
        ),
        (
            "[inference]\npersistence = 9",
            "inference: `persistence` = 9 must not exceed `persistence_of` = 5.",
        ),
        (
            "[mqtt]\nreconnect_min_s = 60",
            "mqtt: `reconnect_min_s` = 60 must not exceed `reconnect_max_s` = 30.",
        ),
        (
            "[chirpstack]\nevent_topic = 'application/#'",
            "chirpstack.event_topic = 'application/#': the template must contain {dev_eui}.",
        ),
        ("[mqtt]\ncert_file = '/c'", "mqtt: `cert_file` and `key_file` go together."),
    ],
)
def test_a_mistake_is_told_with_its_key_its_value_and_what_is_allowed(
    tmp_path: Path, text: str, said: str
) -> None:
    assert wrong(tmp_path, text) == said


def test_a_key_like_no_other_is_told_with_those_there_are(tmp_path: Path) -> None:
    said = wrong(tmp_path, "[site]\nxyzzy = 1")
    assert said == "unknown key 'site.xyzzy'; known here: language, name, units."


def test_a_device_key_that_is_no_dev_eui_is_told_how_one_looks(tmp_path: Path) -> None:
    for key in ("A84041000181C061", "a84041", "a84041000181c06g"):
        said = wrong(tmp_path, f"[devices.{key}]\nname = 'x'")
        assert said == f"devices: device key {key!r} must be a DevEUI: 16 lower-case hex digits."


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    said = wrong(tmp_path, "[mqtt]\nhots = 'x'\nport = 0\n[log]\nlevel = 'loud'")
    assert [line.split(":")[0] for line in said.splitlines()] == [
        "mqtt.port = 0",
        "unknown key 'mqtt.hots'; did you mean 'host'?",
        "log.level = 'loud'",
    ]


def test_two_limits_of_one_name_are_told_apart(tmp_path: Path) -> None:
    limit = "[[alerts.threshold]]\nname = 'dry'\nchannel = 'soil.moisture'\nbelow = 10\n"
    assert "names must be unique; twice: dry" in wrong(tmp_path, limit * 2)


def test_a_long_value_is_cut(tmp_path: Path) -> None:
    said = wrong(tmp_path, f"[log]\nlevel = '{'x' * 5000}'")
    assert len(said) < 300


# --- files -----------------------------------------------------------------------------------


def test_a_missing_file_is_told_with_the_command_that_writes_one(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.toml"
    with pytest.raises(ConfigError, match=r"does not exist. `lora-gateway init --out "):
        load(path, environment={})


def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "lora-gateway.toml"
    path.write_text("[mqtt]\nhost = x\n")
    with pytest.raises(ConfigError, match=r"is not valid TOML: .*line 2"):
        load(path, environment={})
    path.write_bytes(b"[mqtt]\nhost = '\xff'\n")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load(path, environment={})


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, environment={})


# --- environment -----------------------------------------------------------------------------


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    config = right(
        tmp_path,
        "[mqtt]\nhost = 'file'\nport = 1\nhome_assistant = true\n",
        LORA_GATEWAY_MQTT__HOST="environment",
        LORA_GATEWAY_MQTT__PORT="1884",
        LORA_GATEWAY_MQTT__HOME_ASSISTANT="false",
        LORA_GATEWAY_CHIRPSTACK__MQTT__CLIENT_ID="other",
        LORA_GATEWAY_CONFIG="/etc/x",
        HOME="/root",
    )
    assert (config.mqtt.host, config.mqtt.port) == ("environment", 1884)
    assert config.mqtt.home_assistant is False
    assert config.chirpstack.mqtt.client_id == "other"


def test_a_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    assert wrong(tmp_path, "", LORA_GATEWAY_MQTT__PORT="x").startswith(
        "LORA_GATEWAY_MQTT__PORT: mqtt.port = 'x': must be a whole number"
    )
    assert wrong(tmp_path, "", LORA_GATEWAY_MQTT__HOTS="x") == (
        "LORA_GATEWAY_MQTT__HOTS: unknown key 'mqtt.hots'; did you mean 'host'?"
    )
    said = wrong(tmp_path, "", LORA_GATEWAY_SITE__NAME="y", LORA_GATEWAY_SITE__NAME__X="x")
    assert "LORA_GATEWAY_SITE__NAME" in said


# --- secrets ---------------------------------------------------------------------------------


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    assert ConnectionConfig(password_file=file).secret() == SECRET
    assert ConnectionConfig(password=SECRET).secret() == SECRET


def test_a_secret_file_that_cannot_be_read_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"password_file = .*cannot be read.*mode 0400"):
        ConnectionConfig(password_file=tmp_path / "none").secret()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        ConnectionConfig(password_file=tmp_path / "binary").secret()


def test_two_secrets_for_one_connection_are_a_mistake_and_neither_is_shown(tmp_path: Path) -> None:
    said = wrong(tmp_path, f"[mqtt]\npassword = '{SECRET}'\npassword_file = '/x'")
    assert said == "mqtt: give `password` or `password_file`, not both."


@pytest.mark.parametrize(
    "line", ["password = {SECRET}", "password = ['SECRET']", "pasword = 'SECRET'"]
)
def test_a_mistake_never_shows_a_secret(tmp_path: Path, line: str) -> None:
    text = f"[mqtt]\n{line}".replace("{SECRET}", "7777777").replace("SECRET", SECRET)
    said = wrong(tmp_path, text)
    assert SECRET not in said
    assert "7777777" not in said


def test_what_is_shown_of_the_settings_holds_no_secret() -> None:
    config = Config.model_validate(
        {"mqtt": {"password": SECRET}, "chirpstack": {"mqtt": {"password": SECRET}}}
    )
    shown = json.dumps(config.public(), allow_nan=False)
    assert SECRET not in shown
    assert config.public()["mqtt"]["password"] == "set"  # noqa: S105 - it says that there is one
    assert Config().public()["mqtt"]["password"] == ""
    assert Config.model_validate(Config().public()) == Config()


# --- the server's API ------------------------------------------------------------------------


def test_an_api_token_is_read_from_its_file_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "token"
    token = SECRET.replace(" ", "-")
    file.write_text(f"{token}\n")
    assert ChirpStackApiConfig(server="h:1", token_file=file).secret() == token
    config = Config.model_validate({"chirpstack": {"api": {"server": "h:1", "token": SECRET}}})
    assert SECRET not in json.dumps(config.public())
    assert config.public()["chirpstack"]["api"]["token"] == "set"  # noqa: S105 - it says so only


@pytest.mark.parametrize("text", ["", "\n", "two words", "line\nline", "tökén"])
def test_what_is_no_api_token_is_told_and_not_shown(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(ConfigError, match="holds no API key") as told:
        ChirpStackApiConfig(server="h:1", token_file=file).secret()
    assert "words" not in str(told.value)
    with pytest.raises(ConfigError, match=r"token_file = .*cannot be read.*mode 0400"):
        ChirpStackApiConfig(server="h:1", token_file=tmp_path / "none").secret()


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("server = 'host'", "chirpstack.api.server = 'host'"),
        ("server = 'http://host:8080'", "chirpstack.api.server"),
        ("server = 'host:8080'", "needs `token_file`"),
        (f"token = '{SECRET}'\ntoken_file = '/x'", "not both"),
        ("cert_file = '/x'", "go together"),
        (f"tokn = '{SECRET}'", "did you mean 'token'"),
    ],
)
def test_a_mistake_in_the_api_section_is_told(lines: str, words: str, tmp_path: Path) -> None:
    said = wrong(tmp_path, f"[chirpstack.api]\n{lines}")
    assert words in said
    assert SECRET not in said


@pytest.mark.parametrize(
    ("server", "host", "exposed"),
    [
        ("", "", False),
        ("localhost:8080", "localhost", False),
        ("127.0.0.1:8080", "127.0.0.1", False),
        ("[::1]:8080", "::1", False),
        ("192.168.1.5:8080", "192.168.1.5", True),
        ("127.0.0.1.example.org:8080", "127.0.0.1.example.org", True),
        ("chirpstack.farm:8080", "chirpstack.farm", True),
    ],
)
def test_a_token_is_exposed_off_this_machine_without_tls(
    server: str, host: str, *, exposed: bool
) -> None:
    config = ChirpStackApiConfig(server=server, token=SECRET)
    assert config.host == host
    assert config.exposed is exposed
    assert not config.model_copy(update={"tls": True}).exposed
