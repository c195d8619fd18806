"""ChirpStack's own API over gRPC: payload codecs, variables, devices, and their downlink queues.

gRPC and the generated stubs cost much memory and start-up time, so they are imported at the first
call and not before. The channel reconnects by itself (with gRPC's own backoff) and is never pinged
while nothing is asked: a server may end connections that ping too often.
"""

from __future__ import annotations

import functools
import importlib
import os
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Literal

from gateway.config import ChirpStackApiConfig, ConnectionConfig
from gateway.errors import LinkError, LinkRefused
from gateway.links import chirpstack_wording as wording
from gateway.types import Downlink, QueueItem, ServerCodec, ServerDevice, ServerProfile

MAX_SCRIPT_BYTES = 2**20
PAGE = 100
"""Items asked for at once."""

MOST = 100_000
"""Items of one listing; a server that claims more is not believed."""

_RUNTIMES: dict[int, Literal["none", "js", "cayenne_lpp"]] = {1: "cayenne_lpp", 2: "js"}
_OPTIONS = (
    ("grpc.max_receive_message_length", 2 * MAX_SCRIPT_BYTES),
    ("grpc.max_send_message_length", MAX_SCRIPT_BYTES),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.initial_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 30_000),
    ("grpc.enable_retries", 0),  # who asks decides when to ask again
    ("grpc.enable_http_proxy", 0),  # the server is the user's own, as the broker is
)


class ChirpStackApi:
    """One channel to one server, opened at the first call and closed by `close`.

    Every method raises `LinkRefused` for what the server does not have or give, `LinkError` when
    it is not reached or does not accept our token, `ConfigError` for files that cannot be used.
    The token is read again for each call, so a new one needs no restart. `warn` is told once when
    the token crosses a network in the clear.
    """

    def __init__(
        self, config: ChirpStackApiConfig, warn: Callable[[str], None] | None = None
    ) -> None:
        self._config = config
        self._warn = warn
        self._channel: Any = None

    async def profile_codec(self, profile_id: str) -> ServerCodec:
        """Return the codec of one device profile."""
        api = _api()
        answer = await self._call(
            api.DeviceProfileServiceStub, "Get", api.GetDeviceProfileRequest(id=profile_id)
        )
        profile = answer.device_profile
        runtime = _RUNTIMES.get(profile.payload_codec_runtime, "none")
        script = profile.payload_codec_script if runtime == "js" else ""
        if (size := len(script.encode())) > MAX_SCRIPT_BYTES:
            raise wording.too_long(profile.name, size)
        return ServerCodec(
            profile_id=profile.id,
            name=profile.name,
            runtime=runtime,
            script=script,
            changed_s=_seconds(answer.updated_at),
        )

    async def device_variables(self, dev_eui: str) -> dict[str, str]:
        """Return the variables of one device, as the server hands them to a codec."""
        api = _api()
        answer = await self._call(
            api.DeviceServiceStub, "Get", api.GetDeviceRequest(dev_eui=dev_eui)
        )
        return dict(answer.device.variables)

    async def profiles(self) -> tuple[ServerProfile, ...]:
        """Return every device profile this token may see, each once.

        Of `tenant_id` alone where it is set, else of every tenant (an administrator's key).
        """
        api = _api()
        found: dict[str, ServerProfile] = {}
        async for tenant_id in self._tenants():
            pages = self._pages(
                api.DeviceProfileServiceStub,
                functools.partial(api.ListDeviceProfilesRequest, tenant_id=tenant_id),
            )
            async for item in pages:
                found[item.id] = ServerProfile(item.id, item.name, _seconds(item.updated_at))
        return tuple(found.values())

    async def devices(self) -> tuple[ServerDevice, ...]:
        """Return every device of every application this token may see."""
        api = _api()
        found: dict[str, ServerDevice] = {}
        async for tenant_id in self._tenants():
            applications = self._pages(
                api.ApplicationServiceStub,
                functools.partial(api.ListApplicationsRequest, tenant_id=tenant_id),
            )
            async for application in applications:
                devices = self._pages(
                    api.DeviceServiceStub,
                    functools.partial(api.ListDevicesRequest, application_id=application.id),
                )
                async for item in devices:
                    found[item.dev_eui] = ServerDevice(
                        item.dev_eui, item.name, item.device_profile_id, item.device_profile_name
                    )
        return tuple(found.values())

    async def enqueue(self, downlink: Downlink, *, flush: bool = False) -> str:
        """Put a downlink in its device's queue; return the id that the server gave it there.

        The server takes no id of ours (its `api/device.rs` makes a new one), so asking again may
        queue it twice: look into `queue` first. `flush` empties the queue before, of all that was
        not transmitted yet.
        """
        api = _api()
        item = api.DeviceQueueItem(
            dev_eui=downlink.dev_eui,
            confirmed=downlink.confirmed,
            f_port=downlink.f_port,
            data=downlink.data,
        )
        if downlink.object is not None:
            item.object.update(dict(downlink.object))
        item.expires_at.FromMicroseconds(int(downlink.expires_s * 1e6))
        request = api.EnqueueDeviceQueueItemRequest(queue_item=item, flush_queue=flush)
        try:
            answer = await self._call(api.DeviceServiceStub, "Enqueue", request)
        except LinkError as error:
            # The server's codec could not encode the object: asked again it could not either.
            if downlink.object is not None and _code_of(error) == "INTERNAL":
                raise LinkRefused(str(error)) from error
            raise
        return str(answer.id)

    async def enqueue_multicast(
        self, multicast_group_id: str, f_port: int, data: bytes, expires_s: float
    ) -> int:
        """Put a frame in a multicast group's queue; return the counter the server gave it.

        It goes out to class B or C devices that are in the group there, and none acknowledges it.
        """
        api = _api()
        item = api.MulticastGroupQueueItem(
            multicast_group_id=multicast_group_id, f_port=f_port, data=data
        )
        if "expires_at" in item.DESCRIPTOR.fields_by_name:  # older stubs have none
            item.expires_at.FromMicroseconds(int(expires_s * 1e6))
        request = api.EnqueueMulticastGroupQueueItemRequest(queue_item=item)
        answer = await self._call(api.MulticastGroupServiceStub, "Enqueue", request)
        return int(answer.f_cnt)

    async def queue(self, dev_eui: str) -> tuple[QueueItem, ...]:
        """Return what waits in a device's queue, the next one first."""
        api = _api()
        answer = await self._call(
            api.DeviceServiceStub, "GetQueue", api.GetDeviceQueueItemsRequest(dev_eui=dev_eui)
        )
        return tuple(
            QueueItem(item.id, item.f_port, item.data, item.confirmed, item.is_pending)
            for item in answer.result
        )

    async def flush(self, dev_eui: str) -> None:
        """Empty a device's queue, also of what was transmitted and is not answered yet."""
        api = _api()
        request = api.FlushDeviceQueueRequest(dev_eui=dev_eui)
        await self._call(api.DeviceServiceStub, "FlushQueue", request)

    async def close(self) -> None:
        """End the calls under way and close the channel; a later call opens a new one."""
        if self._channel is not None:
            channel, self._channel = self._channel, None
            await channel.close()

    async def _tenants(self) -> AsyncIterator[str]:
        if self._config.tenant_id:
            yield self._config.tenant_id
            return
        api = _api()
        async for tenant in self._pages(
            api.TenantServiceStub, api.ListTenantsRequest, listing_tenants=True
        ):
            yield tenant.id

    async def _pages(
        self,
        stub: Callable[..., Any],
        request: Callable[..., Any],
        *,
        listing_tenants: bool = False,
    ) -> AsyncIterator[Any]:
        offset = 0
        while offset < MOST:
            page = await self._call(
                stub, "List", request(limit=PAGE, offset=offset), listing_tenants=listing_tenants
            )
            for item in page.result:
                yield item
            offset += len(page.result)
            if not page.result or offset >= page.total_count:
                return
        raise LinkRefused(f"ChirpStack at {self._config.server} lists more than {MOST} items.")

    async def _call(
        self,
        stub: Callable[..., Any],
        method: str,
        request: object,
        *,
        listing_tenants: bool = False,
    ) -> Any:  # noqa: ANN401 - generated messages have no types of their own
        metadata = (("authorization", f"Bearer {self._config.secret()}"),)
        grpc = _grpc()
        if self._channel is None:
            self._channel = self._open()
        call = getattr(stub(self._channel), method)
        try:
            return await call(request, metadata=metadata, timeout=self._config.timeout_s)
        except grpc.AioRpcError as error:
            raise wording.error_of(
                error.code().name,
                error.details() or "",
                self._config,
                listing_tenants=listing_tenants,
            ) from error
        except grpc.UsageError as error:  # closed by somebody else meanwhile
            raise wording.error_of("CANCELLED", str(error), self._config) from error

    def _open(self) -> Any:  # noqa: ANN401 - gRPC has no types
        config, grpc = self._config, _grpc()
        if config.exposed and self._warn is not None:
            self._warn(wording.EXPOSED.format(server=config.server))
            self._warn = None
        if not config.tls:
            return grpc.insecure_channel(config.server, options=_OPTIONS)
        return grpc.secure_channel(config.server, _credentials(config), options=_OPTIONS)


def _code_of(error: LinkError) -> str:
    """Return the name of gRPC's status that an error was made of, "" where there was none."""
    cause: Any = error.__cause__
    return str(cause.code().name) if isinstance(cause, _grpc().AioRpcError) else ""


def _credentials(config: ChirpStackApiConfig) -> Any:  # noqa: ANN401 - gRPC has no types
    """Return gRPC's credentials; a file that is not what it should be raises ConfigError."""
    from gateway.links.wording import tls_context  # noqa: PLC0415 - it brings paho

    # gRPC tells nothing about a bad file: ssl reads the same ones first, and does.
    tls_context(
        ConnectionConfig(
            ca_file=config.ca_file, cert_file=config.cert_file, key_file=config.key_file
        )
    )
    authorities = config.ca_file or _system_authorities()
    return importlib.import_module("grpc").ssl_channel_credentials(
        root_certificates=_bytes(authorities),
        private_key=_bytes(config.key_file),
        certificate_chain=_bytes(config.cert_file),
    )


def _system_authorities() -> Path | None:
    """Return the system's own authorities, as MQTT uses them: gRPC would take its own list."""
    path = ssl.get_default_verify_paths().cafile
    return Path(path) if path else None


def _bytes(path: Path | None) -> bytes | None:
    return path.read_bytes() if path is not None else None


def _seconds(stamp: Any) -> float:  # noqa: ANN401 - a protobuf Timestamp
    return float(stamp.seconds + stamp.nanos / 1e9)


@functools.cache
def _grpc() -> Any:  # noqa: ANN401 - gRPC has no types
    # Its core writes every failed handshake to stderr; what matters of it is in our errors.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    return importlib.import_module("grpc.aio")


@functools.cache
def _api() -> Any:  # noqa: ANN401 - generated code has no types of its own
    return importlib.import_module("chirpstack_api.api")
