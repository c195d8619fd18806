"""Windows to verdicts and forecasts: model packs, the ONNX session, heads, calibration."""

from gateway.inference.adaptation import Adaptation
from gateway.inference.detector import HISTORY, Detector
from gateway.inference.forecaster import forecast
from gateway.inference.installed import active, candidates
from gateway.inference.model import Model, Outputs
from gateway.inference.nearest import nearest
from gateway.inference.opinions import LONGEST_PAST
from gateway.inference.pack import BUILTIN, Pack, load_model, read_pack

__all__ = [
    "BUILTIN",
    "HISTORY",
    "LONGEST_PAST",
    "Adaptation",
    "Detector",
    "Model",
    "Outputs",
    "Pack",
    "active",
    "candidates",
    "forecast",
    "load_model",
    "nearest",
    "read_pack",
]
