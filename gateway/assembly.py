"""The parts that need no network, put together: what the daemon, a replay and the tests share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway import speech
from gateway.agronomy import sunrise_of
from gateway.agronomy.site import Site
from gateway.alerts import AlertEngine
from gateway.alerts.equipment import Equipment
from gateway.codecs import (
    Assignments,
    CodecLibrary,
    LinkHealth,
    PayloadDecoder,
    ReadingMapper,
    ServerEvents,
    TopicTemplate,
)
from gateway.config import Config
from gateway.control import (
    KEPT_S,
    Authority,
    Catalogue,
    CommandParser,
    Desk,
    DownlinkTracker,
    Groups,
    Orders,
    Programs,
    Safety,
)
from gateway.devices import DeviceBook
from gateway.errors import BadInput, CommandRefused, PackError, StoreError
from gateway.explanation import Explainer
from gateway.handling import Handling
from gateway.inference import Detector, candidates, load_model, read_pack
from gateway.inference.installed_adapters import adaptation, installed
from gateway.instructions import Instructions
from gateway.links import ScriptProcess
from gateway.network import Airwaves, Changes, NetworkServer, RadioDevice, Roster, from_record
from gateway.probation import Probation
from gateway.radios import radios_of
from gateway.requests import Requests
from gateway.rulebook import Rulebook
from gateway.simulation import ASKED_DAYS, Simulation, Standing, as_json
from gateway.speech import say
from gateway.stages import Stages
from gateway.store import Store
from gateway.telemetry import Telemetry
from gateway.types import Clock, DevEui, DeviceInfo, Json, ScriptEngine
from gateway.upkeep import SamplingAdviser
from gateway.weather import StoreWeather
from gateway.windows import WindowBank

CHIRPSTACK = "chirpstack"
"""Name of the source of network server events."""

AIRTIME_S = 3600.0
"""How far back airtime counts: duty cycles are kept over an hour."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """The parts that need no network: what the daemon, a replay and the tests share."""

    config: Config
    clock: Clock
    store: Store
    stages: Stages
    requests: Requests
    alerts: AlertEngine
    downlinks: DownlinkTracker
    desk: Desk
    programs: Programs
    groups: Groups
    telemetry: Telemetry
    codecs: CodecLibrary
    assignments: Assignments
    payloads: PayloadDecoder
    network: NetworkServer
    detector: Detector | None
    equipment: Equipment
    model_name: str
    model_trouble: str
    probation: Probation
    explainer: Explainer
    server_events: ServerEvents

    def summary(self) -> dict[str, object]:
        """Return what was counted, as `replay` prints it."""
        telemetry = self.telemetry
        return {
            "events": dict(telemetry.events),
            "uplinks": telemetry.counts["uplinks"],
            "duplicates": telemetry.counts["duplicates"],
            "quarantined": dict(telemetry.quarantined),
            "devices": len(self.stages.devices),
            "readings": telemetry.counts["readings"],
            "windows_scored": telemetry.counts["windows_scored"],
            "alerts": {step: telemetry.alerts[step] for step in ("new", "update", "end")},
        }


def assemble(
    config: Config,
    *,
    clock: Clock,
    store: Store,
    scripts: ScriptEngine | None = None,
    live: bool = False,
) -> Assembly:
    """Build the parts between the wires and restore their state from the store.

    `live` is the daemon, in which a new pack is on trial; a replay is none. From here on this
    process speaks the site's language (`gateway.speech`).
    """
    speech.use(config.site.language, config.site.units, config.agronomy.time_zone)
    telemetry = Telemetry()
    probation = Probation(config.inference, telemetry, clock.now_s())
    codecs = CodecLibrary(config.codecs, scripts or ScriptProcess(), telemetry.codec_said)
    assignments = Assignments(config, codecs)
    payloads = PayloadDecoder(config.codecs, codecs, assignments)
    detector, model_name, model_trouble = _detector(
        config, telemetry, probation if live else None, clock.now_s()
    )
    catalogue = _catalogue(config, store)
    downlinks = DownlinkTracker(config.downlink, catalogue.proof)
    downlinks.restore(store.open_downlinks())
    safety, authority = Safety(config.downlink, catalogue), Authority.of(config)
    lately = store.downlinks_since(clock.now_s() - KEPT_S)
    kept = store.control()
    safety.restore(lately, kept)
    downlinks.restore(lately)
    desk = Desk(config.downlink, downlinks, safety, catalogue, authority)
    desk.recall(lately)
    network, changes = _network(config, downlinks, store, clock, desk)
    requests = Requests(
        config,
        downlinks,
        store.downlink,
        payloads,
        catalogue=catalogue,
        safety=safety,
        authority=authority,
        serves=network.serves,
    )
    explainer = Explainer(store, Site.of(config.agronomy))
    alerts = AlertEngine(config, model_name, explainer.nearest)
    parser = CommandParser(config.downlink, store.downlink, safety=safety)
    adviser = SamplingAdviser(config, Equipment(), catalogue, parser)
    adviser.restore(lately, store.control())
    devices = DeviceBook(config, store)
    programs = Programs(
        config,
        catalogue=catalogue,
        safety=safety,
        weather=StoreWeather(devices, store),
        sunrise=sunrise_of(config.agronomy),
    )
    programs.restore(kept, clock.now_s())
    groups = Groups(
        config,
        lambda one: downlinks.get(one) or store.downlink(one),
        lambda one: downlinks.get(one) is not None,
    )
    groups.restore(kept)

    def info_of(dev_eui: DevEui) -> DeviceInfo | None:
        return devices.info_of(dev_eui) or network.info_of(dev_eui)

    rulebook = Rulebook(
        config, alerts.written, store, authority,
        channels=devices.channels, info_of=info_of, now_s=clock.now_s(),
    )  # fmt: skip
    for trouble in rulebook.troubles:
        telemetry.warned(trouble)
    instructions = Instructions(
        requests=requests,
        desk=desk,
        orders=Orders(desk, downlinks, safety, authority),
        alerts=alerts,
        handling=Handling(alerts, authority, store.alert),
        rulebook=rulebook,
        programs=programs,
        groups=groups,
        authority=authority,
        network=network,
        devices=devices,
        info_of=info_of,
    )
    server_events = chirpstack_decoder(config)
    stages = Stages(
        config,
        clock=clock,
        store=store,
        decoders={CHIRPSTACK: server_events},
        payloads=payloads,
        readings_of=ReadingMapper(config).readings,
        link=LinkHealth(config.limits.devices),
        windows=WindowBank(warm_samples=config.inference.warm_samples),
        detector=detector,
        alerts=alerts,
        downlinks=downlinks,
        network=network,
        desk=desk,
        instructions=instructions,
        devices=devices,
        adviser=adviser,
        telemetry=telemetry,
    )
    stages.note(network.settle_restart(clock.now_s()), changes)
    stages.settle_restart(clock.now_s())
    return Assembly(
        config, clock, store, stages, requests, alerts, downlinks, desk, programs, groups,
        telemetry, codecs, assignments, payloads, network, detector, adviser.equipment,
        model_name, model_trouble, probation, explainer, server_events,
    )  # fmt: skip


def simulated(assembly: Assembly, body: Mapping[str, Json]) -> Json:
    """Return what the programs would do in the next `days` (7) from now, of `name` or of all.

    Raises
    ------
    CommandRefused
        `malformed` or `unknown_program`.

    """
    now_s = assembly.clock.now_s()
    days, name = body.get("days", 7.0), body.get("name", "")
    if isinstance(days, bool) or not isinstance(days, int | float) or not 0 < days <= ASKED_DAYS:
        said = say("`days` is a number, more than 0 and at most {most}.", most=f"{ASKED_DAYS:g}")
        raise CommandRefused("malformed", said)
    if not isinstance(name, str) or (name and name not in assembly.programs):
        raise CommandRefused("unknown_program", say("{name} is no program.", name=str(name)[:32]))
    devices = assembly.stages.devices
    simulation = Simulation(
        assembly.config,
        {one.info.dev_eui: one.info for one in devices},
        Standing(StoreWeather(devices, assembly.store), now_s),
        sunrise_of(assembly.config.agronomy),
        assembly.store.control(),
    )
    events = simulation.run(now_s, float(days), [name] if name else [])
    return {"days": days, "events": [as_json(one) for one in events]}


def registered(store: Store) -> list[RadioDevice]:
    """Return the devices that were registered for our own radios.

    Raises
    ------
    StoreError
        What is stored cannot be read.

    """
    try:
        return [from_record(record) for record in store.radio_devices()]
    except BadInput as error:
        raise StoreError(
            f"The register of devices cannot be read ({error}). Remove the device with "
            "`lora-gateway devices remove` and add it again."
        ) from error


def _catalogue(config: Config, store: Store) -> Catalogue:
    """Build the catalogue of commands, for the devices that were heard before."""
    catalogue = Catalogue(config)
    for device in store.devices():
        catalogue.learn(device.info)
    return catalogue


def _network(
    config: Config, downlinks: DownlinkTracker, store: Store, clock: Clock, desk: Desk
) -> tuple[NetworkServer, Changes]:
    """Build our own network server with its sessions and airtime, and what is new of them."""
    roster = Roster(config.lorawan.region)
    radios = radios_of(config)
    dwell = {"auto": None, "on": True, "off": False}[config.lorawan.dwell]
    aired = store.radio_airtime(clock.now_s() - AIRTIME_S) if radios else ()
    network = NetworkServer(
        roster,
        Airwaves(radios, aired, dwell=dwell),
        downlinks,
        net_id=config.lorawan.net_id,
        class_c_wait_s=config.lorawan.class_c_wait_s,
        clear=partial(desk.clear, patient=True),
    )
    if not radios:
        return network, Changes()
    try:
        return network, roster.take_up(
            registered(store), store.radio_sessions(), store.radio_counters()
        )
    except BadInput as error:
        raise StoreError(f"A stored radio session cannot be read: {error}.") from error


def chirpstack_decoder(config: Config) -> ServerEvents:
    """Return what turns a ChirpStack message into an event."""
    chirpstack = config.chirpstack
    return ServerEvents(TopicTemplate(chirpstack.event_topic), chirpstack.encoding, config.limits)


def _detector(
    config: Config, telemetry: Telemetry, probation: Probation | None, now_s: float
) -> tuple[Detector | None, str, str]:
    """Open the model; for a pack that does not load, the one before it or the shipped one serves.

    Returns the detector, the model's name, and what is wrong with the pack that should serve.
    """
    trouble = ""
    if not config.inference.enabled:
        return None, "", "no model"
    if probation is not None:
        probation.before_loading(now_s)
    for path in candidates(config.inference):
        try:
            watched = probation.detector(path, now_s) if probation is not None else None
            detector = watched or Detector(load_model(path), config.inference)
        except PackError as error:
            telemetry.trouble("model_pack_unusable", error)
            trouble = trouble or f"The model pack {path.name} cannot be used: {error}"
        else:
            # A pack on trial is watched as it is: an adapter's windows would pass by the watch.
            adapted = "" if watched else _adapt(detector, path, config, telemetry)
            return detector, detector.model.name, trouble or adapted
    return None, "", trouble


def _adapt(detector: Detector, path: Path, config: Config, telemetry: Telemetry) -> str:
    """Put the installed adapters beside the model; return what is wrong with the first bad one."""
    troubles: list[str] = []

    def tell(error: PackError) -> None:
        telemetry.trouble("adapter_unusable", error)
        troubles.append(f"An adapter cannot be used: {error}")

    if installed(config.inference) or config.inference.adapters:
        golden = read_pack(path).golden
        detector.adaptation = adaptation(detector.model, golden, config.inference, tell)
    return troubles[0] if troubles else ""
