"""`[inference]`: the model, and when a sample counts as anomalous."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from gateway.config.section import Probability, Section

PublicKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]


class InferenceConfig(Section):
    """`[inference]`: which model pack, and when a sample counts as anomalous.

    `pack` is a file, `small` or `tiny` for one that ships with the gateway, or "": the one that
    `models install` put into `packs`, else of the two that ship the one for this machine. A pack
    that was installed is on trial for `trial_hours` (0: not at all). `trusted_keys` are the
    Ed25519 keys (base64) whose packs may be installed. `adapters` says for a DevEUI, a profile or a
    site which installed adapter serves it, "" for none; what is not named there is served by the
    adapter that was trained for it.
    `false_alarm_p` is the fused p-value below which one sample is abnormal; an alert needs
    `persistence` abnormal samples among the newest `persistence_of`. With `episodes_per_week`, how
    many false episodes the whole site may raise in a week, `false_alarm_p` is found from it.
    """

    enabled: bool = True
    pack: str = ""
    packs: Path = Path("/var/lib/lora-gateway/packs")
    trusted_keys: tuple[PublicKey, ...] = ()
    trial_hours: Annotated[float, Field(ge=0, le=720)] = 48.0
    warm_samples: Annotated[int, Field(ge=16, le=4096)] = 64
    episodes_per_week: Annotated[float, Field(ge=0, le=10000)] = 0.0
    false_alarm_p: Probability = 0.0002
    persistence: Annotated[int, Field(ge=1, le=100)] = 3
    persistence_of: Annotated[int, Field(ge=1, le=100)] = 5
    adapters: dict[str, str] = {}

    @model_validator(mode="after")
    def _k_of_n(self) -> InferenceConfig:
        if self.persistence > self.persistence_of:
            raise ValueError(
                f"`persistence` = {self.persistence} must not exceed "
                f"`persistence_of` = {self.persistence_of}"
            )
        return self
