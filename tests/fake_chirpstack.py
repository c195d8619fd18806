"""A ChirpStack v4 server's API on loopback, made of the stubs that its clients are made of.

What it answers is read off the server's own `api` modules: without a token and with a wrong one
UNAUTHENTICATED; a tenant's key sees its own tenant, and what is not its own is UNAUTHENTICATED
with no text; an id that is none INVALID_ARGUMENT; a listing has no scripts, and `limit` 0 counts.
"""

from __future__ import annotations

# ruff: noqa: ANN401, N802 - generated messages have no types, and methods are called as in the API
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
from chirpstack_api import api

ADMIN = "admin-key"
NONE, CAYENNE_LPP, JS = 0, 1, 2


@dataclass
class Profile:
    tenant_id: str
    name: str
    runtime: int = JS
    script: str = ""
    changed: int = 1_700_000_000
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass
class Device:
    dev_eui: str
    application_id: str
    profile_id: str
    name: str = ""
    variables: dict[str, str] = field(default_factory=dict)


@dataclass
class Server:
    """What it knows, to be changed at any time; `calls` lists method and token of each call."""

    tenants: dict[str, str] = field(default_factory=dict)
    applications: dict[str, str] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=lambda: {ADMIN: ""})
    calls: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[Any], Any] | None = None
    port: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add_tenant(self, name: str = "Farm", key: str = "") -> str:
        tenant_id = str(uuid.uuid4())
        self.tenants[tenant_id] = name
        if key:
            self.keys[key] = tenant_id
        return tenant_id

    def add_profile(self, tenant_id: str, name: str, **more: Any) -> Profile:
        profile = Profile(tenant_id, name, **more)
        self.profiles[profile.id] = profile
        return profile

    def add_application(self, tenant_id: str) -> str:
        application_id = str(uuid.uuid4())
        self.applications[application_id] = tenant_id
        return application_id

    def add_device(
        self, dev_eui: str, application_id: str, profile: Profile, **variables: str
    ) -> None:
        self.devices[dev_eui] = Device(
            dev_eui, application_id, profile.id, f"device {dev_eui}", variables
        )


class Service:
    """What every service does first: tells who calls, and whether they may."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def caller(self, context: Any, method: str) -> str:
        """Return the tenant of the caller's key, "" for an administrator's."""
        given = dict(context.invocation_metadata()).get("authorization")
        self.server.calls.append((method, given or ""))
        if self.server.before is not None:
            await self.server.before(context)
        if given is None:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no authorization provided")
        if not given.startswith("Bearer "):
            await context.abort(
                grpc.StatusCode.UNAUTHENTICATED,
                "authorization metadata must in format 'Bearer <TOKEN>",
            )
        key = given.removeprefix("Bearer ")
        if key not in self.server.keys:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidSignature")
        return self.server.keys[key]

    async def may(self, context: Any, caller: str, tenant_id: str | None) -> None:
        if caller and caller != tenant_id:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "")

    async def absent(self, context: Any, key: str) -> None:
        await context.abort(grpc.StatusCode.NOT_FOUND, f"Object does not exist (id: {key})")

    async def is_id(self, context: Any, text: str) -> None:
        try:
            uuid.UUID(text)
        except ValueError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "invalid character in id")


def page(items: Sequence[Any], request: Any) -> Sequence[Any]:
    return items[request.offset : request.offset + request.limit]


class Tenants(Service, api.TenantServiceServicer):
    async def List(self, request: Any, context: Any) -> Any:
        if await self.caller(context, "Tenant.List"):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "")
        items = [api.TenantListItem(id=key, name=name) for key, name in self.server.tenants.items()]
        return api.ListTenantsResponse(total_count=len(items), result=page(items, request))


class Applications(Service, api.ApplicationServiceServicer):
    async def List(self, request: Any, context: Any) -> Any:
        caller = await self.caller(context, "Application.List")
        await self.is_id(context, request.tenant_id)
        await self.may(context, caller, request.tenant_id)
        items = [
            api.ApplicationListItem(id=key, name=key)
            for key, tenant_id in self.server.applications.items()
            if tenant_id == request.tenant_id
        ]
        return api.ListApplicationsResponse(total_count=len(items), result=page(items, request))


class DeviceProfiles(Service, api.DeviceProfileServiceServicer):
    async def Get(self, request: Any, context: Any) -> Any:
        caller = await self.caller(context, "DeviceProfile.Get")
        await self.is_id(context, request.id)
        profile = self.server.profiles.get(request.id)
        await self.may(context, caller, profile.tenant_id if profile else None)
        if profile is None:
            await self.absent(context, request.id)
            return None
        answer = api.GetDeviceProfileResponse(
            device_profile=api.DeviceProfile(
                id=profile.id,
                tenant_id=profile.tenant_id,
                name=profile.name,
                payload_codec_runtime=profile.runtime,
                payload_codec_script=profile.script,
            )
        )
        answer.updated_at.seconds = profile.changed
        return answer

    async def List(self, request: Any, context: Any) -> Any:
        caller = await self.caller(context, "DeviceProfile.List")
        await self.is_id(context, request.tenant_id)
        await self.may(context, caller, request.tenant_id)
        items = [
            api.DeviceProfileListItem(id=profile.id, name=profile.name)
            for profile in sorted(self.server.profiles.values(), key=lambda one: one.name)
            if profile.tenant_id == request.tenant_id
        ]
        return api.ListDeviceProfilesResponse(total_count=len(items), result=page(items, request))


class Devices(Service, api.DeviceServiceServicer):
    async def Get(self, request: Any, context: Any) -> Any:
        caller = await self.caller(context, "Device.Get")
        device = self.server.devices.get(request.dev_eui)
        tenant_id = self.server.applications[device.application_id] if device else None
        await self.may(context, caller, tenant_id)
        if device is None:
            await self.absent(context, request.dev_eui)
            return None
        return api.GetDeviceResponse(
            device=api.Device(
                dev_eui=device.dev_eui,
                name=device.name,
                application_id=device.application_id,
                device_profile_id=device.profile_id,
                variables=device.variables,
            )
        )

    async def List(self, request: Any, context: Any) -> Any:
        caller = await self.caller(context, "Device.List")
        await self.is_id(context, request.application_id)
        await self.may(context, caller, self.server.applications.get(request.application_id))
        items = [
            api.DeviceListItem(
                dev_eui=device.dev_eui,
                name=device.name,
                device_profile_id=device.profile_id,
                device_profile_name=self.server.profiles[device.profile_id].name,
            )
            for device in self.server.devices.values()
            if device.application_id == request.application_id
        ]
        return api.ListDevicesResponse(total_count=len(items), result=page(items, request))


@asynccontextmanager
async def serving(
    server: Server, *, keys: Path | None = None, port: int = 0
) -> AsyncIterator[Server]:
    """Serve on loopback; with `keys` (see `authorities.py`) over TLS, a client's certificate too.

    `port` 0 is any free one.
    """
    grpc_server = grpc.aio.server()
    api.add_TenantServiceServicer_to_server(Tenants(server), grpc_server)
    api.add_ApplicationServiceServicer_to_server(Applications(server), grpc_server)
    api.add_DeviceProfileServiceServicer_to_server(DeviceProfiles(server), grpc_server)
    api.add_DeviceServiceServicer_to_server(Devices(server), grpc_server)
    if keys is None:
        server.port = grpc_server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        server.port = grpc_server.add_secure_port(f"127.0.0.1:{port}", credentials(keys))
    await grpc_server.start()
    try:
        yield server
    finally:
        await grpc_server.stop(None)


def credentials(keys: Path) -> Any:
    return grpc.ssl_server_credentials(
        [((keys / "server.key").read_bytes(), (keys / "server.crt").read_bytes())],
        root_certificates=(keys / "ca.crt").read_bytes(),
        require_client_auth=True,
    )
