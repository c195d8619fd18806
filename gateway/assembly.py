"""The parts that need no network, put together: what the daemon, a replay and the tests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.alerts import AlertEngine
from gateway.codecs import (
    Assignments,
    CodecLibrary,
    LinkHealth,
    PayloadDecoder,
    ReadingMapper,
    TopicTemplate,
    decode_event,
)
from gateway.config import Config
from gateway.control import DownlinkTracker
from gateway.errors import PackError
from gateway.inference import Detector, load_model
from gateway.links import ScriptProcess
from gateway.requests import Requests
from gateway.stages import Stages
from gateway.store import Store
from gateway.telemetry import Telemetry
from gateway.types import Clock, Delivery, DeviceEvent, ScriptEngine
from gateway.windows import WindowBank

CHIRPSTACK = "chirpstack"
"""Name of the source of network server events."""


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
    telemetry: Telemetry
    codecs: CodecLibrary
    assignments: Assignments
    payloads: PayloadDecoder
    model_name: str

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
    config: Config, *, clock: Clock, store: Store, scripts: ScriptEngine | None = None
) -> Assembly:
    """Build the parts between the wires and restore their state from the store."""
    telemetry = Telemetry()
    codecs = CodecLibrary(config.codecs, scripts or ScriptProcess(), telemetry.codec_said)
    assignments = Assignments(config, codecs)
    payloads = PayloadDecoder(config.codecs, codecs, assignments)
    detector, model_name = _detector(config, telemetry)
    downlinks = DownlinkTracker(config.downlink)
    downlinks.restore(store.open_downlinks())
    requests = Requests(config, downlinks, store.downlink, payloads)
    alerts = AlertEngine(config, model_name)
    stages = Stages(
        config,
        clock=clock,
        store=store,
        decoders={CHIRPSTACK: chirpstack_decoder(config)},
        payloads=payloads,
        readings_of=ReadingMapper(config).readings,
        link=LinkHealth(config.limits.devices),
        windows=WindowBank(warm_samples=config.inference.warm_samples),
        detector=detector,
        alerts=alerts,
        downlinks=downlinks,
        requests=requests,
        telemetry=telemetry,
    )
    return Assembly(
        config, clock, store, stages, requests, alerts, downlinks, telemetry,
        codecs, assignments, payloads, model_name,
    )  # fmt: skip


def chirpstack_decoder(config: Config) -> Callable[[Delivery], DeviceEvent]:
    """Return what turns a ChirpStack message into an event."""
    decode = partial(
        decode_event,
        template=TopicTemplate(config.chirpstack.event_topic),
        encoding=config.chirpstack.encoding,
        limits=config.limits,
    )
    return lambda delivery: decode(delivery.topic, delivery.payload, delivery.received_s)


def _detector(config: Config, telemetry: Telemetry) -> tuple[Detector | None, str]:
    """Open the model; a pack that does not load costs the forecasts, not the gateway."""
    if not config.inference.enabled:
        return None, ""
    try:
        model = load_model(config.inference.pack)
    except PackError as error:
        telemetry.trouble("model_pack_unusable", error)
        return None, ""
    return Detector(model, config.inference), model.name
