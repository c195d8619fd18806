"""A runtime session as the gateway has it: one thread that does not spin. Needs no `onnx`."""

from __future__ import annotations

import onnxruntime as ort


def quiet_options() -> ort.SessionOptions:
    """Return session options as the gateway uses them: one thread, no spinning."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
