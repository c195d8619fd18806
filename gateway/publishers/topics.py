"""Every topic the gateway publishes to, from one base."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.types import DevEui


@dataclass(frozen=True, slots=True)
class Topics:
    """The topic tree under `base`. The device key is the lower-case DevEUI."""

    base: str

    @property
    def bridge_state(self) -> str:
        """Whether the gateway itself is there; its last will."""
        return f"{self.base}/bridge/state"

    @property
    def bridge_info(self) -> str:
        """What the gateway is: version, sources, model."""
        return f"{self.base}/bridge/info"

    @property
    def bridge_health(self) -> str:
        """How the gateway is: queues, lag, last errors."""
        return f"{self.base}/bridge/health"

    @property
    def bridge_devices(self) -> str:
        """The list of devices."""
        return f"{self.base}/bridge/devices"

    @property
    def bridge_digest(self) -> str:
        """What was not told one by one, once a day."""
        return f"{self.base}/bridge/digest"

    def request(self, verb: str) -> str:
        """Where people ask and order."""
        return f"{self.base}/bridge/request/{verb}"

    @property
    def bridge_rules(self) -> str:
        """The rules that people wrote."""
        return f"{self.base}/bridge/rules"

    def response(self, verb: str) -> str:
        """Answers to `bridge/request/<verb>`."""
        return f"{self.base}/bridge/response/{verb}"

    def state(self, dev_eui: DevEui) -> str:
        """Latest readings."""
        return f"{self.base}/device/{dev_eui}/state"

    def availability(self, dev_eui: DevEui) -> str:
        """Whether the device is heard."""
        return f"{self.base}/device/{dev_eui}/availability"

    def anomaly(self, dev_eui: DevEui) -> str:
        """Verdicts per channel."""
        return f"{self.base}/device/{dev_eui}/anomaly"

    def forecast(self, dev_eui: DevEui) -> str:
        """Quantiles of what comes next."""
        return f"{self.base}/device/{dev_eui}/forecast"

    def advice(self, dev_eui: DevEui) -> str:
        """How the device could do better."""
        return f"{self.base}/device/{dev_eui}/advice"

    def alert_stream(self, dev_eui: DevEui) -> str:
        """Every step of every alert."""
        return f"{self.base}/device/{dev_eui}/alert"

    def device_alerts(self, dev_eui: DevEui) -> str:
        """Open alerts of a device, in short."""
        return f"{self.base}/device/{dev_eui}/alerts"

    def alert(self, dev_eui: DevEui, alert_id: str) -> str:
        """One alert while it is active."""
        return f"{self.base}/device/{dev_eui}/alerts/{alert_id}"

    def command(self, dev_eui: DevEui, command_id: str) -> str:
        """One command while it is open."""
        return f"{self.base}/device/{dev_eui}/command/{command_id}"

    def program(self, name: str) -> str:
        """One irrigation program as it stands."""
        return f"{self.base}/program/{name}/state"

    def group_command(self, name: str, command_id: str) -> str:
        """One command to a group while any of its members' is open."""
        return f"{self.base}/group/{name}/command/{command_id}"

    def history(self, dev_eui: DevEui) -> str:
        """Backfill after an outage."""
        return f"{self.base}/history/{dev_eui}"
