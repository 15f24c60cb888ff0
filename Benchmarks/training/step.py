"""A batch of training in PyTorch on the CPU, as docs/TRAINING.md organises it, timed by its parts.

    python step.py CONFIG [--precision f32|bf16] [--batch B] [--no-lpips] [--no-gan] [--checkpoint] [--batches N]

Prints JSON as `vtfilter bench --train --json` does: secondsPerBatch, parts, peakMegabytes. One pass back through the
model, from the gradient of the picture; LPIPS in groups of four frames, the target's features once and without a
graph; a PatchGAN of 64 channels on frames. Weights are random: their values cost no time.
"""
import argparse
import contextlib
import json
import pathlib
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "pytorch"))
import vidtwin_oracle as oracle  # noqa: E402

VGG = [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512]  # 0: max-pooling
TAPS = (2, 4, 7, 10, 13)


class Perceptual(nn.Module):
    """LPIPS over VGG-16."""

    def __init__(self):
        super().__init__()
        widths = [3] + [w for w in VGG if w]
        self.convolutions = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in zip(widths, widths[1:]))
        self.weights = nn.ParameterList(torch.rand(c) for c in (64, 128, 256, 512, 512))
        self.requires_grad_(False)

    def features(self, x):
        taps, n = [], 0
        for width in VGG:
            if not width:
                x = F.max_pool2d(x, 2)
                continue
            x = F.relu(self.convolutions[n](x))
            n += 1
            if n in TAPS:
                taps.append(x)
        return taps

    def forward(self, x, y):
        unit = lambda t: t / (t.float().pow(2).sum(1, keepdim=True).sqrt() + 1e-10)
        with torch.no_grad():
            fx = self.features(x)
        return sum(((unit(a) - unit(b)) ** 2 * w[:, None, None]).sum(1).mean((1, 2))
                   for a, b, w in zip(fx, self.features(y), self.weights))


def discriminator(c=64):
    conv = lambda i, o, s, b=False: nn.Conv2d(i, o, 4, s, 1, bias=b)
    norm = lambda w: (nn.BatchNorm2d(w), nn.LeakyReLU(0.2))
    return nn.Sequential(conv(3, c, 2, True), nn.LeakyReLU(0.2), conv(c, 2 * c, 2), *norm(2 * c), conv(2 * c, 4 * c, 2),
                         *norm(4 * c), conv(4 * c, 8 * c, 1), *norm(8 * c), conv(8 * c, 1, 1, True))


def checkpointed(transformer):
    """Blocks that keep their input alone."""
    from torch.utils.checkpoint import checkpoint
    for block in transformer.blocks:
        own = block.forward
        block.forward = lambda *a, own=own, **k: checkpoint(own, *a, use_reentrant=False, **k)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("config")
    a.add_argument("--precision", default="f32", choices=("f32", "bf16"))
    a.add_argument("--batch", type=int, default=1)
    a.add_argument("--batches", type=int, default=3)
    a.add_argument("--threads", type=int, default=0)
    for flag in ("--no-lpips", "--no-gan", "--checkpoint"):
        a.add_argument(flag, action="store_true")
    a = a.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    model = oracle.from_yaml(a.config).float().train()
    if a.checkpoint:
        checkpointed(model.encoder), checkpointed(model.decoder)
    lpips, critic = (None if a.no_lpips else Perceptual()), (None if a.no_gan else discriminator())
    T, H, W = (g * p for g, p in zip(model.encoder.grid, model.encoder.patch))
    x = torch.rand(a.batch, 3, T, H, W) * 2 - 1
    frames = lambda v: v.transpose(1, 2).flatten(0, 1)
    adam = lambda m: torch.optim.AdamW(m.parameters(), lr=0.0, betas=(0.0, 0.9), weight_decay=1e-4)
    optimizers = adam(model), (adam(critic) if critic else None)
    narrow = (lambda: torch.autocast("cpu", torch.bfloat16)) if a.precision == "bf16" else contextlib.nullcontext
    seconds, parts = [], {}

    def batch():
        at = [time.perf_counter()]
        tick = lambda name, into: into.__setitem__(name, into.get(name, 0) + time.perf_counter() - at[0]) or at.__setitem__(0, time.perf_counter())
        now = {}
        with narrow():
            y, kl = model(x, True)
        y = y.float()
        tick("forward", now)
        seen = y.detach().requires_grad_()
        loss = (frames(x) - frames(seen)).abs().sum() / (a.batch * T)
        d, = torch.autograd.grad(loss, seen)
        if lpips:
            for k in range(0, a.batch * T, 4):
                with narrow():
                    p = lpips(frames(x)[k:k + 4], frames(seen)[k:k + 4]).float().sum()
                d += torch.autograd.grad(p, seen)[0] * (0.05 * 3 * H * W / (a.batch * T))
        tick("L1 and LPIPS", now)
        if critic:
            with narrow():
                g = -critic(frames(seen)).float().mean()
            d += torch.autograd.grad(g, seen)[0]
            tick("adversarial term", now)
        optimizers[0].zero_grad(set_to_none=True)
        torch.autograd.backward([y, kl], [d, torch.tensor(1e-3)])
        tick("backward", now)
        optimizers[0].step()
        tick("optimizer, generator", now)
        if critic:
            optimizers[1].zero_grad(set_to_none=True)
            with narrow():
                real, fake = critic(frames(x)).float(), critic(frames(y.detach())).float()
            (0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())).backward()
            tick("discriminator", now)
            optimizers[1].step()
            tick("optimizer, discriminator", now)
        return now

    for n in range(a.batches + 1):
        start = time.perf_counter()
        now = batch()
        if n:
            seconds.append(time.perf_counter() - start)
            for name, value in now.items():
                parts[name] = parts.get(name, 0) + value / a.batches
    print(json.dumps({
        "batchSeconds": seconds, "secondsPerBatch": sorted(seconds)[len(seconds) // 2],
        "parts": [{"name": n, "seconds": s} for n, s in parts.items()],
        "peakMegabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}))


main()
