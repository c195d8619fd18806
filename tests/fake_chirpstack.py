"""A ChirpStack v4 server's API on loopback, made of the stubs that its clients are made of.

Its queues do what the real one's do: first in, first out; expiry is looked at when an item's turn
comes; an unconfirmed item is gone once transmitted, a confirmed one with the device's next uplink,
acknowledged or not; a join empties the queue; over MQTT every error is a line in its log alone.

What it answers is read off the server's own `api` modules: without a token and with a wrong one
UNAUTHENTICATED; a tenant's key sees its own tenant, and what is not its own is UNAUTHENTICATED
with no text; an id that is none INVALID_ARGUMENT; a listing has no scripts, and `limit` 0 counts.
"""

from __future__ import annotations

# ruff: noqa: ANN401, N802 - generated messages have no types, and methods are called as in the API
import base64
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc.aio
from chirpstack_api import api, integration
from google.protobuf import empty_pb2, json_format
from google.protobuf.message import DecodeError
from server_events import ack, log, txack

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
class Item:
    """One downlink in a device's queue; `data` is what the device would get."""

    id: str
    f_port: int
    data: bytes
    confirmed: bool = False
    expires_s: float | None = None
    is_pending: bool = False


class Queues:
    """The downlink queues by device. `log` is the server's own, which nobody outside sees."""

    def __init__(self) -> None:
        self.items: dict[str, list[Item]] = {}
        self.transmitted: list[tuple[str, str, bytes]] = []
        self.log: list[str] = []
        self.most_bytes = 51  # DR0 in EU868
        self.json = True  # the encoding of the MQTT integration, events and commands alike

    def put(self, dev_eui: str, item: Item) -> bool:
        """Queue an item; an id that is in any queue already is an error."""
        if any(one.id == item.id for items in self.items.values() for one in items):
            self.log.append(f"duplicate key {item.id}")
            return False
        self.items.setdefault(dev_eui, []).append(item)
        return True

    def command(self, topic: str, payload: bytes) -> None:
        """Take `command/down` as the MQTT integration does: nothing ever comes back."""
        try:
            body = json.loads(payload) if self.json else _command_tree(payload)
            dev_eui = topic.split("/")[3]
            if body["devEui"] != dev_eui:
                self.log.append("devEui does not match the topic")
                return
            expires = body.get("expiresAt")
            self.put(
                dev_eui,
                Item(
                    body.get("id") or str(uuid.uuid4()),
                    body["fPort"],
                    base64.b64decode(body.get("data", "")),  # an object without a codec: nothing
                    body.get("confirmed", False),
                    datetime.fromisoformat(expires).timestamp() if expires else None,
                ),
            )
        except (ValueError, KeyError, IndexError, TypeError, DecodeError) as error:
            self.log.append(repr(error))

    def uplink(
        self, dev_eui: str, now_s: float, *, acknowledges: bool = False, loses: bool = False
    ) -> list[tuple[str, bytes]]:
        """Let a class A device speak; return the events of what its receive windows bring.

        `loses`: the radio gateway cannot transmit, and the item stays.
        """
        events: list[tuple[str, bytes]] = []
        items = self.items.setdefault(dev_eui, [])
        if items and items[0].is_pending:
            settled = items.pop(0)
            events.append(ack(dev_eui, now_s, settled.id, acknowledged=acknowledges))
        while items:
            item = items[0]
            if item.expires_s is not None and item.expires_s < now_s:
                events.append(log(dev_eui, now_s, "EXPIRED", items.pop(0).id))
            elif len(item.data) > self.most_bytes:
                events.append(log(dev_eui, now_s, "DOWNLINK_PAYLOAD_SIZE", items.pop(0).id))
            elif loses:
                events.append(log(dev_eui, now_s, "DOWNLINK_GATEWAY", item.id))
                break
            else:
                events.append(self._transmit(dev_eui, item, now_s))
                break
        return events

    def _transmit(self, dev_eui: str, item: Item, now_s: float) -> tuple[str, bytes]:
        self.transmitted.append((dev_eui, item.id, item.data))
        if item.confirmed:
            item.is_pending = True
        else:
            self.items[dev_eui].remove(item)
        return txack(dev_eui, now_s, item.id)

    def join(self, dev_eui: str) -> None:
        """Empty a queue, as a join does by default."""
        self.items[dev_eui] = []

    def flush(self, dev_eui: str, *, pending: bool = True) -> None:
        kept = [one for one in self.items.get(dev_eui, []) if one.is_pending and not pending]
        self.items[dev_eui] = kept


def _command_tree(payload: bytes) -> dict[str, Any]:
    """Read a command as a server does that was not set to JSON; JSON is no message to it."""
    command = integration.DownlinkCommand.FromString(payload)
    return json_format.MessageToDict(command, always_print_fields_with_no_presence=True)


@dataclass
class Server:
    """What it knows, to be changed at any time; `calls` lists method and token of each call."""

    tenants: dict[str, str] = field(default_factory=dict)
    applications: dict[str, str] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=lambda: {ADMIN: ""})
    calls: list[tuple[str, str]] = field(default_factory=list)
    queues: Queues = field(default_factory=Queues)
    multicasts: dict[str, list[Item]] = field(default_factory=dict)
    unanswered: int = 0  # so many enqueues are carried out and not answered
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
    async def _own(self, context: Any, method: str, dev_eui: str) -> None:
        caller = await self.caller(context, method)
        device = self.server.devices.get(dev_eui)
        tenant_id = self.server.applications[device.application_id] if device else None
        await self.may(context, caller, tenant_id)
        if device is None:
            await self.absent(context, dev_eui)

    async def Enqueue(self, request: Any, context: Any) -> Any:
        """Queue an item under an id of the server's own, whatever id the caller gives."""
        given = request.queue_item
        await self._own(context, "Device.Enqueue", given.dev_eui)
        if not 1 <= given.f_port <= 255:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "FPort must be between 1 - 255")
        data = given.data
        if given.HasField("object"):
            data = await self._encoded(context, given.dev_eui)
        if request.flush_queue:
            self.server.queues.flush(given.dev_eui, pending=False)
        expires_s = (
            given.expires_at.ToMicroseconds() / 1e6 if given.HasField("expires_at") else None
        )
        item = Item(str(uuid.uuid4()), given.f_port, data, given.confirmed, expires_s)
        self.server.queues.put(given.dev_eui, item)
        if self.server.unanswered:
            self.server.unanswered -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        return api.EnqueueDeviceQueueItemResponse(id=item.id)

    async def _encoded(self, context: Any, dev_eui: str) -> bytes:
        """Encode an object: without a codec to nothing, with one that fails to INTERNAL."""
        profile = self.server.profiles[self.server.devices[dev_eui].profile_id]
        if profile.runtime == JS and "throw" in profile.script:
            await context.abort(grpc.StatusCode.INTERNAL, "JS error: Error: no such valve")
        return b"" if profile.runtime == NONE else b"\x2a"

    async def GetQueue(self, request: Any, context: Any) -> Any:
        await self._own(context, "Device.GetQueue", request.dev_eui)
        items = [
            api.DeviceQueueItem(
                id=one.id,
                dev_eui=request.dev_eui,
                confirmed=one.confirmed,
                f_port=one.f_port,
                data=one.data,
                is_pending=one.is_pending,
            )
            for one in self.server.queues.items.get(request.dev_eui, [])
        ]
        return api.GetDeviceQueueItemsResponse(total_count=len(items), result=items)

    async def FlushQueue(self, request: Any, context: Any) -> Any:
        await self._own(context, "Device.FlushQueue", request.dev_eui)
        self.server.queues.flush(request.dev_eui)
        return empty_pb2.Empty()

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


class MulticastGroups(Service, api.MulticastGroupServiceServicer):
    async def Enqueue(self, request: Any, context: Any) -> Any:
        """Queue a frame; the answer is its counter, and nothing ever tells more of it."""
        await self.caller(context, "MulticastGroup.Enqueue")
        given = request.queue_item
        await self.is_id(context, given.multicast_group_id)
        frames = self.server.multicasts.get(given.multicast_group_id)
        if frames is None:
            await self.absent(context, given.multicast_group_id)
            return None
        expires_s = given.expires_at.ToMicroseconds() / 1e6
        frames.append(Item(str(uuid.uuid4()), given.f_port, given.data, False, expires_s))
        if self.server.unanswered:
            self.server.unanswered -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        return api.EnqueueMulticastGroupQueueItemResponse(f_cnt=len(frames))


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
    api.add_MulticastGroupServiceServicer_to_server(MulticastGroups(server), grpc_server)
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
