"""Makes the golden data of the tests from the full golden data, which is too large for git.

    python trim.py FULL_GOLDENS_FOLDER

Needs numpy and safetensors. Models and configurations are copied as they are. Of the golden
tensors, everything is kept except frames of the float32 pictures: pictures up to 96 pixels high
keep the first, middle and last frame, larger ones the last. `reconstruction_rgb24` keeps all of
the frames that it had. The metadata says which frames are there (`kept_frames` for float32
pictures, `kept_frames_rgb24` for bytes).

The full data: float32 roundings of what the PyTorch oracle computes in float64 for the frames
`pattern(T, H, W, seed)` (PyTorch 2.13.0, CPU; models with random weights, seeds 1 to 6).
"""
import pathlib
import shutil
import sys

from safetensors import safe_open
from safetensors.numpy import save_file

PICTURES = ("reconstruction", "structure_only", "dynamics_only", "cross")

source, here = pathlib.Path(sys.argv[1]), pathlib.Path(__file__).parent
for folder in sorted(p for p in source.iterdir() if (p / "golden.safetensors").exists()):
    target = here / folder.name
    target.mkdir(exist_ok=True)
    for name in ("config.yaml", "model.safetensors", "model.ckpt"):
        if (folder / name).exists():
            shutil.copyfile(folder / name, target / name)
    with safe_open(folder / "golden.safetensors", "np") as full:
        tensors = {name: full.get_tensor(name) for name in full.keys()}
        metadata = dict(full.metadata())
    T = int(metadata["frames"].split("T=")[1].split(",")[0])
    stored = list(range(T)) if metadata["kept_frames"] == "all" else [0, T - 1]
    kept = [0, T // 2, T - 1] if len(stored) == T else [T - 1]
    for name in PICTURES:
        tensors[name] = tensors[name][:, [stored.index(t) for t in kept]].copy()
    metadata["kept_frames"] = " ".join(map(str, kept))
    metadata["kept_frames_rgb24"] = " ".join(map(str, stored))
    save_file(tensors, target / "golden.safetensors", metadata=metadata)
