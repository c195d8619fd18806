"""Settings: one TOML file, then environment variables, then defaults; secrets from files.

`load(path)` is the only way in. Every default is in `deploy/lora-gateway.toml`, which a test holds
against these models. An environment variable `LORA_GATEWAY_<SECTION>__<KEY>` (two underscores
between levels) overrides the file; a value is read as TOML where it is valid TOML, else as text.
"""

from gateway.config.advice import AdviceConfig
from gateway.config.agronomy import AgronomyConfig, FieldConfig, TrendConfig
from gateway.config.alerts import (
    AlertsConfig,
    BatteryAlertConfig,
    LinkAlertConfig,
    SilenceConfig,
    ThresholdConfig,
)
from gateway.config.brokers import (
    ChirpStackApiConfig,
    ChirpStackConfig,
    ConnectionConfig,
    MqttConfig,
    UplinkConnectionConfig,
)
from gateway.config.commands import (
    DURATION_UNITS,
    MIN_KEY_BYTES,
    CommandConfig,
    CommandKeyConfig,
    DownlinkConfig,
    OperatorConfig,
    Plain,
    VerifyConfig,
)
from gateway.config.devices import (
    ChannelConfig,
    CodecChoice,
    CodecsConfig,
    CommandedConfig,
    DeviceConfig,
    ProfileConfig,
)
from gateway.config.inference import InferenceConfig, PublicKey
from gateway.config.loading import ENV_PREFIX, load
from gateway.config.machine import LimitsConfig, LogConfig, SiteConfig, StoreConfig
from gateway.config.programs import (
    GroupConfig,
    ProgramConditionConfig,
    ProgramConfig,
    PumpConfig,
    ValveConfig,
)
from gateway.config.radios import LorawanConfig, RadioConfig
from gateway.config.rule_files import as_rule, read_rules
from gateway.config.rules import (
    DAYS,
    MONTHS,
    PLACEHOLDERS,
    ActionConfig,
    ConditionConfig,
    MinusConfig,
    RuleConfig,
    season_of,
)
from gateway.config.section import Port, Probability, Seconds, Section
from gateway.config.whole import Config

__all__ = [
    "DAYS",
    "DURATION_UNITS",
    "ENV_PREFIX",
    "MIN_KEY_BYTES",
    "MONTHS",
    "PLACEHOLDERS",
    "ActionConfig",
    "AdviceConfig",
    "AgronomyConfig",
    "AlertsConfig",
    "BatteryAlertConfig",
    "ChannelConfig",
    "ChirpStackApiConfig",
    "ChirpStackConfig",
    "CodecChoice",
    "CodecsConfig",
    "CommandConfig",
    "CommandKeyConfig",
    "CommandedConfig",
    "ConditionConfig",
    "Config",
    "ConnectionConfig",
    "DeviceConfig",
    "DownlinkConfig",
    "FieldConfig",
    "GroupConfig",
    "InferenceConfig",
    "LimitsConfig",
    "LinkAlertConfig",
    "LogConfig",
    "LorawanConfig",
    "MinusConfig",
    "MqttConfig",
    "OperatorConfig",
    "Plain",
    "Port",
    "Probability",
    "ProfileConfig",
    "ProgramConditionConfig",
    "ProgramConfig",
    "PublicKey",
    "PumpConfig",
    "RadioConfig",
    "RuleConfig",
    "Seconds",
    "Section",
    "SilenceConfig",
    "SiteConfig",
    "StoreConfig",
    "ThresholdConfig",
    "TrendConfig",
    "UplinkConnectionConfig",
    "ValveConfig",
    "VerifyConfig",
    "as_rule",
    "load",
    "read_rules",
    "season_of",
]
