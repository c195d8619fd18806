"""Train, then pack: `python -m models --config small --data DIR --out DIR`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from models import pack, train
from models.config import CONFIGS


def main() -> None:
    """Run one training and write the pack, `base.zip` of `small`, beside its weights."""
    parser = argparse.ArgumentParser(prog="models/train", description=__doc__)
    parser.add_argument("--config", choices=CONFIGS, default="small")
    parser.add_argument("--data", type=Path, help="folder of recordings; none: invented data only")
    parser.add_argument("--out", type=Path, help="models/runs/ and the configuration's name")
    parser.add_argument("--start", type=Path, help="a finished run whose weights to begin with")
    parser.add_argument("--version", default="1")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = options.out or Path("models/runs") / options.config
    train.run(CONFIGS[options.config], options.data, folder, options.start)
    out = folder / f"{pack.NAMES.get(options.config, options.config)}.zip"
    facts = pack.build(folder, options.data, out, version=options.version, kind="static")
    print(json.dumps({"pack": str(out), "metrics": facts["metrics"]}, indent=1))


if __name__ == "__main__":
    main()
