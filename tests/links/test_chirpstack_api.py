"""The API link against a real gRPC server on loopback, and its twin beside it."""

from __future__ import annotations

# ruff: noqa: ANN401 - settings of every type, and gRPC's context, which has none
import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from authorities import write_authority
from brokers import free_port
from fake_chirpstack import ADMIN, CAYENNE_LPP, JS, NONE, Server, serving

from gateway.config import ChirpStackApiConfig
from gateway.errors import ConfigError, LinkError, LinkRefused
from gateway.links import Backoff
from gateway.links.chirpstack_api import MAX_SCRIPT_BYTES, PAGE, ChirpStackApi
from gateway.links.memory_chirpstack import MemoryChirpStackApi
from gateway.sources import ServerCodecs
from gateway.types import DevEui, ServerCodec, ServerDevice

pytestmark = [pytest.mark.network]

TENANT_KEY = "tenant-key"
SCRIPT = "function decodeUplink(input) { return {data: {°: input.bytes[0]}}; }"


@asynccontextmanager
async def asking(
    address: str, warnings: list[str] | None = None, **more: Any
) -> AsyncIterator[ChirpStackApi]:
    config = ChirpStackApiConfig(server=address, **{"token": ADMIN, **more})
    api = ChirpStackApi(config, warn=None if warnings is None else warnings.append)
    try:
        yield api
    finally:
        await api.close()


@pytest.mark.parametrize(
    ("runtime", "name", "script"),
    [(JS, "js", SCRIPT), (CAYENNE_LPP, "cayenne_lpp", ""), (NONE, "none", "")],
)
async def test_a_profile_gives_its_codec(runtime: int, name: str, script: str) -> None:
    server = Server()
    profile = server.add_profile(server.add_tenant(), "Soil", runtime=runtime, script=SCRIPT)
    async with serving(server), asking(server.address) as api:
        codec = await api.profile_codec(profile.id)
    assert codec == ServerCodec(profile.id, "Soil", name, script, 1_700_000_000.0)  # type: ignore[arg-type]
    assert server.calls == [("DeviceProfile.Get", f"Bearer {ADMIN}")]


async def test_a_device_gives_its_variables() -> None:
    server = Server()
    tenant_id = server.add_tenant()
    profile = server.add_profile(tenant_id, "Soil")
    server.add_device("a84041000181c061", server.add_application(tenant_id), profile, zero="4.2")
    async with serving(server), asking(server.address) as api:
        assert await api.device_variables("a84041000181c061") == {"zero": "4.2"}


@pytest.mark.parametrize("count", [0, 1, PAGE, PAGE + 1, 2 * PAGE + 50])
async def test_a_listing_comes_whole_whatever_its_pages(count: int) -> None:
    server = Server()
    tenant_id = server.add_tenant()
    for number in range(count):
        server.add_profile(tenant_id, f"profile {number:04}")
    async with serving(server), asking(server.address) as api:
        profiles = await api.profiles()
    assert [profile.name for profile in profiles] == [f"profile {n:04}" for n in range(count)]
    assert {profile.profile_id for profile in profiles} == set(server.profiles)


async def test_an_administrator_sees_the_devices_of_every_tenant() -> None:
    server = Server()
    for number in (1, 2):
        tenant_id = server.add_tenant(f"tenant {number}")
        profile = server.add_profile(tenant_id, f"profile {number}")
        server.add_device(f"{number:016x}", server.add_application(tenant_id), profile)
    async with serving(server), asking(server.address) as api:
        found = await api.devices()
    assert {(device.dev_eui, device.profile_name) for device in found} == {
        ("0000000000000001", "profile 1"),
        ("0000000000000002", "profile 2"),
    }


async def test_a_tenants_key_lists_its_own_and_is_told_to_name_it() -> None:
    server = Server()
    mine, other = server.add_tenant("mine", key=TENANT_KEY), server.add_tenant("other")
    own, foreign = server.add_profile(mine, "own"), server.add_profile(other, "foreign")
    async with serving(server):
        async with asking(server.address, token=TENANT_KEY, tenant_id=mine) as api:
            assert [profile.name for profile in await api.profiles()] == ["own"]
            assert (await api.profile_codec(own.id)).name == "own"
            with pytest.raises(LinkError, match="the key may not see this"):
                await api.profile_codec(foreign.id)
        async with asking(server.address, token=TENANT_KEY) as api:
            with pytest.raises(LinkError, match="set `tenant_id`"):
                await api.profiles()


async def test_what_the_server_does_not_have_is_a_refusal() -> None:
    server = Server()
    absent = str(uuid.uuid4())
    async with serving(server), asking(server.address) as api:
        with pytest.raises(LinkRefused, match=f"does not exist.*{absent}"):
            await api.profile_codec(absent)
        with pytest.raises(LinkRefused, match="does not exist"):
            await api.device_variables("a84041000181c061")
        with pytest.raises(LinkRefused, match="an id of this server"):
            await api.profile_codec("no id")


async def test_a_wrong_token_is_told_with_the_remedy_and_a_new_one_needs_no_restart(
    tmp_path: Path,
) -> None:
    server = Server()
    profile = server.add_profile(server.add_tenant(), "Soil")
    file = tmp_path / "token"
    file.write_text("old-key\n")
    async with serving(server), asking(server.address, token="", token_file=file) as api:
        with pytest.raises(LinkError, match=r"under API keys.*InvalidSignature") as told:
            await api.profile_codec(profile.id)
        assert not isinstance(told.value, LinkRefused)
        assert "old-key" not in str(told.value)
        file.write_text(f"{ADMIN}\n")
        assert (await api.profile_codec(profile.id)).name == "Soil"
        file.unlink()
        with pytest.raises(ConfigError, match="token_file"):
            await api.profile_codec(profile.id)


@pytest.mark.parametrize(
    ("code", "words", "refusal"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "does not let this token", True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "no room", False),
        (grpc.StatusCode.UNIMPLEMENTED, "ChirpStack 4 is needed", False),
        (grpc.StatusCode.INTERNAL, "its log says more", False),
        (grpc.StatusCode.DATA_LOSS, "DATA_LOSS", False),
    ],
)
async def test_every_other_status_is_a_sentence(
    code: grpc.StatusCode, words: str, *, refusal: bool
) -> None:
    async def fail(context: Any) -> None:
        await context.abort(code, "its words")

    server = Server(before=fail)
    async with serving(server), asking(server.address) as api:
        with pytest.raises(LinkError, match=rf"{words}.*\(its words\)\.$") as told:
            await api.profile_codec(str(uuid.uuid4()))
    assert isinstance(told.value, LinkRefused) is refusal


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    async def hang(_context: Any) -> None:
        await asyncio.sleep(60)

    server = Server(before=hang)
    async with serving(server), asking(server.address, timeout_s=0.2) as api:
        with pytest.raises(LinkError, match=r"did not answer within 0\.2 s"):
            await api.profile_codec(str(uuid.uuid4()))


async def test_a_script_is_taken_up_to_a_megabyte_and_not_above() -> None:
    server = Server()
    tenant_id = server.add_tenant()
    most = server.add_profile(tenant_id, "most", script="x" * MAX_SCRIPT_BYTES)
    more = server.add_profile(tenant_id, "more", script="x" * (MAX_SCRIPT_BYTES + 1))
    far_more = server.add_profile(tenant_id, "far more", script="x" * 3 * MAX_SCRIPT_BYTES)
    async with serving(server), asking(server.address) as api:
        assert len((await api.profile_codec(most.id)).script) == MAX_SCRIPT_BYTES
        with pytest.raises(LinkRefused, match="1 MB"):
            await api.profile_codec(more.id)
        with pytest.raises(LinkRefused, match="larger than 1 MB"):
            await api.profile_codec(far_more.id)


async def test_a_server_that_is_away_is_told_and_found_again_when_it_is_back() -> None:
    port = free_port()
    server = Server()
    profile = server.add_profile(server.add_tenant(), "Soil")
    async with asking(f"127.0.0.1:{port}") as api:
        with pytest.raises(LinkError, match="Nothing listens at"):
            await api.profile_codec(profile.id)
        async with serving(server, port=port):
            assert await eventually_named(api, profile.id) == "Soil"
        with pytest.raises(LinkError):
            await api.profile_codec(profile.id)


async def eventually_named(api: ChirpStackApi, profile_id: str) -> str:
    for _ in range(100):
        try:
            return (await api.profile_codec(profile_id)).name
        except LinkError:
            await asyncio.sleep(0.1)
    raise AssertionError("never answered")


async def test_the_feed_gets_everything_once_a_server_that_was_away_has_come() -> None:
    port = free_port()
    server = Server()
    tenant_id = server.add_tenant()
    profile = server.add_profile(tenant_id, "Soil", script=SCRIPT)
    server.add_device("a84041000181c061", server.add_application(tenant_id), profile, zero="1")
    codecs: list[str] = []
    told = asyncio.Event()

    async def on_codec(codec: ServerCodec) -> None:
        codecs.append(codec.script)

    async def on_variables(dev_eui: DevEui, variables: Mapping[str, str]) -> None:
        assert (dev_eui, variables) == ("a84041000181c061", {"zero": "1"})
        told.set()

    async with asking(f"127.0.0.1:{port}") as api:
        feed = ServerCodecs(
            api, on_codec=on_codec, on_variables=on_variables, backoff=Backoff(0.05, 0.2)
        )
        feed.ask(profile.id, "a84041000181c061")
        task = asyncio.create_task(feed.run())
        while not feed.health()["failed"]:  # noqa: ASYNC110 - a health report is no event
            await asyncio.sleep(0.01)
        assert "Nothing listens at" in str(feed.health()["last_error"])
        async with serving(server, port=port), asyncio.timeout(30):
            await told.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert codecs == [SCRIPT]


async def test_an_unknown_host_is_told() -> None:
    async with asking("no-such-host.invalid:8080", tls=True) as api:
        with pytest.raises(LinkError, match="is not known here"):
            await api.profile_codec(str(uuid.uuid4()))


async def test_tls_needs_the_right_authority_and_our_certificate(tmp_path: Path) -> None:
    keys = write_authority(tmp_path / "keys")
    stranger = write_authority(tmp_path / "stranger")
    ours = {
        "tls": True,
        "ca_file": keys / "ca.crt",
        "cert_file": keys / "client.crt",
        "key_file": keys / "client.key",
    }
    server = Server()
    profile = server.add_profile(server.add_tenant(), "Soil")
    async with serving(server, keys=keys):
        async with asking(server.address, **ours) as api:
            assert (await api.profile_codec(profile.id)).name == "Soil"
        for settings, words in (
            ({**ours, "ca_file": stranger / "ca.crt"}, "is not trusted"),
            ({"tls": True, "ca_file": keys / "ca.crt"}, "cert_file"),
            (
                {**ours, "cert_file": stranger / "client.crt", "key_file": stranger / "client.key"},
                "our certificate",
            ),
            ({}, r"tls = true"),
        ):
            async with asking(server.address, **settings) as api:
                with pytest.raises(LinkError, match=words):
                    await api.profile_codec(profile.id)
        for settings in (
            {**ours, "ca_file": tmp_path / "none"},
            {**ours, "key_file": stranger / "client.key"},
        ):
            async with asking(server.address, **settings) as api:
                with pytest.raises(ConfigError, match="cannot be used"):
                    await api.profile_codec(profile.id)


async def test_tls_to_a_port_without_it_is_told() -> None:
    async with serving(Server()) as server, asking(server.address, tls=True) as api:
        with pytest.raises(LinkError, match="does not speak TLS"):
            await api.profile_codec(str(uuid.uuid4()))


async def test_a_token_in_the_clear_is_warned_of_once_and_never_on_loopback() -> None:
    warnings: list[str] = []
    async with asking("no-such-host.invalid:8080", warnings) as api:
        for _ in range(2):
            with pytest.raises(LinkError):
                await api.profile_codec(str(uuid.uuid4()))
            await api.close()
    assert len(warnings) == 1
    assert "in the clear" in warnings[0]
    assert ADMIN not in warnings[0]
    async with serving(Server()) as server, asking(server.address, warnings) as api:
        await api.profiles()
    assert len(warnings) == 1


async def test_a_closed_link_opens_again_when_it_is_asked() -> None:
    server = Server()
    profile = server.add_profile(server.add_tenant(), "Soil")
    async with serving(server), asking(server.address) as api:
        await api.profile_codec(profile.id)
        await api.close()
        await api.close()
        assert (await api.profile_codec(profile.id)).name == "Soil"


def test_making_the_link_imports_no_grpc() -> None:
    code = (
        "import sys; from gateway.links.chirpstack_api import ChirpStackApi; "
        "from gateway.config import ChirpStackApiConfig; "
        "ChirpStackApi(ChirpStackApiConfig(server='h:1', token='t')); "
        "print('grpc' in sys.modules, 'chirpstack_api' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False"]


async def test_the_twin_answers_and_refuses_as_the_server_does() -> None:
    codec = ServerCodec("p", "Soil", "js", SCRIPT, 1.0)
    device = ServerDevice("e", "field", "p", "Soil")
    twin = MemoryChirpStackApi({"p": codec}, {"e": {"zero": "1"}}, {"e": device})
    assert await twin.profile_codec("p") == codec
    assert await twin.device_variables("e") == {"zero": "1"}
    assert [profile.name for profile in await twin.profiles()] == ["Soil"]
    assert await twin.devices() == (device,)
    with pytest.raises(LinkRefused, match="does not exist"):
        await twin.profile_codec("q")
    with pytest.raises(LinkRefused, match="does not exist"):
        await twin.device_variables("f")
    twin.failure = LinkError("away")
    with pytest.raises(LinkError, match="away"):
        await twin.profile_codec("p")
    await twin.close()
