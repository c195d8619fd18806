"""`lora-gateway codec fetch`: the payload codecs of a ChirpStack server, as files to keep.

Each profile's script goes to `FOLDER/chirpstack/<profile id>.js`, Cayenne LPP to a `.toml` of one
line, and `index.json` beside them says whose they are. Files are replaced whole and only when they
change; a profile that is gone from the server keeps its file, for a device may still use it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from gateway.codecs import format_rfc3339
from gateway.config import load
from gateway.errors import ConfigError, GatewayError, LinkRefused
from gateway.links.chirpstack_api import ChirpStackApi
from gateway.types import ServerCodec

FOLDER = "chirpstack"
INDEX = "index.json"
CAYENNE_LPP = b'kind = "cayenne_lpp"\n'

State = Literal["new", "changed", "same", "no codec", "refused", "gone"]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one profile; `file` is "" where there is none."""

    profile_id: str
    name: str
    runtime: str
    state: State
    file: str = ""
    detail: str = ""


def run(
    config_path: Path | None,
    *,
    profile: str | None,
    folder: Path,
    as_json: bool,
    now_s: Callable[[], float] = time.time,
) -> int:
    """Fetch every codec, or those of the one profile named by name or id; return 0.

    Returns 1 when the server refused one of them.

    Raises
    ------
    GatewayError
        The server is not reached, has no such profile, or a file cannot be written.

    """
    config = load(config_path).chirpstack.api
    if not config.server:
        raise ConfigError(
            'No server to fetch from: set server = "host:port" and token_file in [chirpstack.api].'
        )
    api = ChirpStackApi(config, warn=_warn)
    fetched = asyncio.run(_fetch(api, profile))
    rows = _keep(fetched, folder / FOLDER, format_rfc3339(now_s()), whole=profile is None)
    if as_json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        _print(rows)
    return 1 if any(row.state == "refused" for row in rows) else 0


async def _fetch(api: ChirpStackApi, profile: str | None) -> list[ServerCodec | Row]:
    """Return the codecs of the wanted profiles, a row instead of each that was refused."""
    try:
        found: list[ServerCodec | Row] = []
        for profile_id, name in await _wanted(api, profile):
            try:
                found.append(await api.profile_codec(profile_id))
            except LinkRefused as error:
                found.append(Row(profile_id, name, "", "refused", detail=str(error)))
        return found
    finally:
        await api.close()


async def _wanted(api: ChirpStackApi, profile: str | None) -> list[tuple[str, str]]:
    if profile is not None and _is_id(profile):
        return [(profile.lower(), "")]  # needs no listing, which a tenant's key may not do
    listed = [(item.profile_id, item.name) for item in await api.profiles()]
    if profile is None:
        return listed
    named = [pair for pair in listed if pair[1] == profile]
    if not named:
        names = ", ".join(sorted(name for _, name in listed)) or "none"
        raise GatewayError(f"The server has no device profile {profile!r}; it has: {names}.")
    return named


def _keep(
    fetched: Iterable[ServerCodec | Row], folder: Path, now: str, *, whole: bool
) -> list[Row]:
    """Write what has changed and the index; return a row for each profile, lost ones last."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        index = _read_index(folder / INDEX)
        before = json.dumps(index)
        rows = [
            one if isinstance(one, Row) else _keep_one(one, folder, index, now) for one in fetched
        ]
        if json.dumps(index) != before:
            _write(folder / INDEX, f"{json.dumps(index, indent=2, sort_keys=True)}\n".encode())
    except OSError as error:
        raise GatewayError(f"{error.filename or folder}: {error.strerror}.") from error
    if whole:
        seen = {row.profile_id for row in rows}
        rows += [
            Row(profile_id, entry["name"], entry["runtime"], "gone", detail="its file is kept")
            for profile_id, entry in sorted(index.items())
            if profile_id not in seen
        ]
    return rows


def _keep_one(codec: ServerCodec, folder: Path, index: dict[str, Any], now: str) -> Row:
    if not _is_id(codec.profile_id):  # it becomes a file's name
        raise GatewayError(f"The server's profile id {codec.profile_id[:64]!r} is no UUID.")
    if codec.runtime == "none":
        return Row(codec.profile_id, codec.name, codec.runtime, "no codec")
    content, ending = (
        (codec.script.encode(), "js") if codec.runtime == "js" else (CAYENNE_LPP, "toml")
    )
    path = folder / f"{codec.profile_id}.{ending}"
    state: State = "new" if not path.exists() else "changed"
    if state == "changed" and path.read_bytes() == content:
        state = "same"
    else:
        _write(path, content)
        path.with_suffix(".toml" if ending == "js" else ".js").unlink(missing_ok=True)
    entry = {
        "name": codec.name,
        "runtime": codec.runtime,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    known = index.get(codec.profile_id, {})
    if state != "same" or known | entry != known:
        index[codec.profile_id] = {**entry, "fetched": now}
    return Row(codec.profile_id, codec.name, codec.runtime, state, str(path))


def _read_index(path: Path) -> dict[str, Any]:
    """Return the index of an earlier fetch; one that cannot be read is made anew."""
    try:
        index = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(index, dict):
        return {}
    return {
        profile_id: entry
        for profile_id, entry in index.items()
        if isinstance(entry, dict)
        and all(isinstance(entry.get(key), str) for key in ("name", "runtime", "sha256", "fetched"))
    }


def _write(path: Path, content: bytes) -> None:
    """Replace a file whole: whoever reads it meanwhile sees the old one or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _print(rows: list[Row]) -> None:
    if not rows:
        print("The server has no device profile.")
        return
    width = max(len(_plain(row.name)) for row in rows)
    for row in rows:
        name = _plain(row.name)
        print(
            f"{row.state:<8}  {row.runtime:<11}  {name:<{width}}  {row.profile_id}  "
            f"{row.file or row.detail}".rstrip()
        )


def _plain(name: str) -> str:
    """Return a stranger's name without what would steer a terminal."""
    return "".join(mark if mark.isprintable() else "?" for mark in name)


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _warn(text: str) -> None:
    print(text, file=sys.stderr)
