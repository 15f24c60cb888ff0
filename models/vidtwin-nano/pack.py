"""Packs a run's weights for the repository: float16, position tables float32, without what no model uses.

    python3 pack.py RUN/model.safetensors vidtwin-nano/model.safetensors
"""
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

UNUSED = ("loss.", "encoder.final_layer.", "decoder.x_embedder.")

source, target = sys.argv[1:]
packed = {}
with safe_open(source, "np") as file:
    for name in file.keys():
        if not name.startswith(UNUSED):
            packed[name] = file.get_tensor(name).astype(np.float32 if "pos_embed" in name else np.float16)
            assert np.isfinite(packed[name]).all(), name
save_file(packed, target, metadata={"format": "pt"})
