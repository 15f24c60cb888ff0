"""A full-size model with random weights, and what PyTorch computes with it in float32.

    python make_full_size.py FOLDER        (torch, einops, numpy, pyyaml, safetensors; 2.5 GB)

Writes config.yaml (the released configuration), model.ckpt (as Lightning lays it out),
model.safetensors, clip.rgb (16 frames, rgb24) and golden.safetensors. The tests of this package
read the folder that VIDTWIN_FULL_SIZE names:

    VIDTWIN_FULL_SIZE=FOLDER swift test -c release --filter FullSize
"""
import collections
import pathlib
import sys
import time

import numpy as np
import torch
import yaml
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import vidtwin_oracle as oracle

root = pathlib.Path(__file__).resolve().parents[2]
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
config = (root / "configs/vidtwin/vidtwin_structure_7_7_8_dynamics_7_8.yaml").read_text()
(folder / "config.yaml").write_text(config)

torch.manual_seed(7)
model = oracle.from_yaml(folder / "config.yaml")
for weight in model.parameters():  # no zero biases
    weight.data += 0.01 * torch.randn_like(weight)
model = model.float().eval()
for part in (model.encoder, model.decoder):  # tables are float64 in published checkpoints
    (T, H, W), C = part.grid, part.pos_embed.shape[-1]
    part.pos_embed = oracle.spatial_table(C, H, W)
    part.pos_embed_temporal = oracle.temporal_table(C, T)
state = model.state_dict()
torch.save(dict(epoch=3, global_step=1234, lr_schedulers=[], callbacks={"c": {"k": torch.tensor(1.0)}},
                state_dict=collections.OrderedDict(list(state.items()) + [("loss.logvar", torch.zeros(()))])),
           folder / "model.ckpt")
save_file({k: v.contiguous() for k, v in state.items()}, folder / "model.safetensors")
for part in (model.encoder, model.decoder):
    part.pos_embed = part.pos_embed.float()
    part.pos_embed_temporal = part.pos_embed_temporal.float()

t, y, x, c = np.meshgrid(np.arange(16), np.arange(224), np.arange(224), np.arange(3), indexing="ij")
clip = ((x * x * 3 + (y + 2 * t) * (x + 9) + 37 * c * (y // 8 + 1) + 13 * t + 45) // 4 % 256)
clip = clip.astype(np.uint8)
clip.tofile(folder / "clip.rgb")
pixels = torch.from_numpy(clip).float().permute(3, 0, 1, 2)[None] / 127.5 - 1
with torch.no_grad():
    for _ in range(2):
        start = time.time()
        structure, dynamics_x, dynamics_y, _ = model.encode(pixels)
        result = model.decode(structure, dynamics_x, dynamics_y)
        print(f"PyTorch {torch.__version__}, float32: {time.time() - start:.2f} s a clip")
save_file(dict(structure=structure[0].contiguous(), dynamics_x=dynamics_x[0].contiguous(),
               dynamics_y=dynamics_y[0].contiguous(), reconstruction=result[0].contiguous()),
          folder / "golden.safetensors")
