"""LPIPS of one pair of 224x224 frames: PyTorch beside vtfilter, random weights, one run.

    python lpips.py [VTFILTER]        (torch, numpy; ffmpeg and vtfilter on the PATH)
"""
import pathlib
import subprocess
import sys
import tempfile
import time

import torch
import torch.nn.functional as F

vtfilter = sys.argv[1] if len(sys.argv) > 1 else "vtfilter"
LAYERS = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512]
PLACES = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
TAPS = {2: 64, 4: 128, 7: 256, 10: 512, 13: 512}
widths = [3] + [w for w in LAYERS if w != "M"]
trunk = [(torch.randn(o, i, 3, 3) * (2 / (9 * i)) ** 0.5, torch.zeros(o)) for i, o in zip(widths, widths[1:])]
linear = [torch.rand(1, c, 1, 1) for c in TAPS.values()]
shift = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
scale = torch.tensor([0.458, 0.448, 0.450])[:, None, None]


def features(x):
    x, out, n = (x - shift) / scale, [], 0
    for layer in LAYERS:
        if layer == "M":
            x = F.max_pool2d(x, 2)
        else:
            x, n = F.relu(F.conv2d(x, *trunk[n], padding=1)), n + 1
            if n in TAPS:
                out.append(x)
    return out


def unit(x):
    return x / (x.pow(2).sum(1, keepdim=True).sqrt() + 1e-10)


def lpips(x, y):
    pairs = zip(features(x), features(y), linear)
    return sum(F.conv2d((unit(a) - unit(b)) ** 2, w).mean() for a, b, w in pairs)


def seconds(*options):
    start = time.time()
    subprocess.run([vtfilter, "evaluate", "-q", "--reference", "a.nut", "--distorted", "b.nut",
                    *options], check=True, cwd=folder)
    return time.time() - start


with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder)
    state = {}
    for place, (w, b) in zip(PLACES, trunk):
        state[f"features.{place}.weight"], state[f"features.{place}.bias"] = w, b
    torch.save(state, path / "vgg16.pth")
    torch.save({f"lin{k}.model.1.weight": w for k, w in enumerate(linear)}, path / "vgg.pth")
    for name, source in (("a", "testsrc"), ("b", "testsrc2")):
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"{source}=s=224x224:r=25",
                        "-frames:v", "30", "-c:v", "rawvideo", "-pix_fmt", "rgb24", f"{name}.nut"],
                       check=True, cwd=folder)
    weights = ("--lpips", "vgg16.pth", "--lpips", "vgg.pth")
    with torch.no_grad():
        x, y = torch.rand(1, 3, 224, 224), torch.rand(1, 3, 224, 224)
        lpips(x, y)
        theirs, ours = [], []
        for _ in range(3):
            start = time.time()
            for _ in range(5):
                lpips(x, y)
            theirs.append((time.time() - start) / 5)
            ours.append((seconds("--frames", "30", *weights) - seconds("--frames", "10", *weights)) / 20)
    theirs, ours = sorted(theirs)[1], sorted(ours)[1]
    print(f"PyTorch {torch.__version__}: {theirs:.3f} s a pair, vtfilter (PSNR and SSIM included): "
          f"{ours:.3f} s, ratio {ours / theirs:.2f}")
