"""vtfilter beside PyTorch, OpenVINO (int8 by NNCF) and ONNX Runtime: one clip of the released
configuration on the CPU, with the same random weights, all in one run.

    python peers.py FOLDER --vtfilter PATH [--rounds 3] [--out RESULTS]

FOLDER is what Benchmarks/pytorch/make_full_size.py made. Every program first reconstructs the
clip, and what differs from PyTorch's float32 by more than its precision explains is an error; then
programs take turns, round after round, so that all see the same machine. Writes RESULTS.json,
RESULTS.md (a table) and RESULTS.svg (a plot).
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

import numpy as np
import torch

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "pytorch"))
import vidtwin_oracle as oracle  # noqa: E402

# Relative L2 of the picture against PyTorch in float32, by precision.
BOUNDS = {"f32": 1e-4, "bf16": 3e-2, "int8": 6e-2}


class Whole(torch.nn.Module):
    """Pixels to pixels."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixels):
        structure, dynamics_x, dynamics_y, _ = self.model.encode(pixels)
        return self.model.decode(structure, dynamics_x, dynamics_y)


def cpu():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return " ".join(line.split(":")[1].split())
    return platform.processor()


def flags():
    for line in open("/proc/cpuinfo"):
        if line.startswith("flags"):
            return set(line.split(":")[1].split())
    return set()


class Peer:
    """A program: `run()` gives seconds and the picture, [3, T, H, W] in -1...1."""

    def __init__(self, name, precision, call):
        self.name, self.precision, self.call, self.seconds = name, precision, call, []

    def run(self):
        start = time.perf_counter()
        picture = self.call()
        return time.perf_counter() - start, picture


class VTFilter(Peer):
    """Times are those of `vtfilter bench`; the picture is that of `vtfilter reconstruct`, in samples of
    16 bits: in 8 bits two pictures that differ less than a step differ by whole steps where they round
    apart, which would make bf16's error half as large again."""

    def __init__(self, path, folder, precision, products="onednn"):
        name = "vtfilter" if products == "onednn" else "vtfilter (OpenBLAS)"
        super().__init__(name, precision, None)
        self.environment = os.environ | {"VIDTWIN_PRODUCTS": products}
        self.model = ["--config", f"{folder}/config.yaml",
                      "--checkpoint", f"{folder}/model.safetensors", "--precision", precision]
        self.path, self.clip, self.report = path, f"{folder}/clip.rgb", {}

    def has(self, words):
        return words in subprocess.run([self.path, "--version"], env=self.environment, check=True,
                                       capture_output=True, text=True).stdout

    def run(self):
        out = subprocess.run([self.path, "bench", *self.model, "--clips", "1", "--json"],
                             env=self.environment, check=True, capture_output=True).stdout
        self.report = json.loads(out)
        return self.report["secondsPerClip"], None

    def picture(self):
        clip = np.fromfile(self.clip, np.uint8).astype("<u2") * 257
        out = subprocess.run(
            [self.path, "reconstruct", "-q", *self.model, "-f", "rawvideo", "-s", "224x224",
             "--pix-fmt", "rgb48le", "-r", "25"], input=clip.tobytes(), env=self.environment,
            check=True, capture_output=True).stdout
        frames = np.frombuffer(out, "<u2").reshape(16, 224, 224, 3)
        return frames.transpose(3, 0, 1, 2).astype(np.float32) / 32767.5 - 1


def openvino(whole, pixels, hints, change=lambda model: model):
    import openvino as ov

    model = ov.convert_model(whole, example_input=pixels)
    model.reshape({0: list(pixels.shape)})
    compiled = ov.Core().compile_model(change(model), "CPU", {"PERFORMANCE_HINT": "LATENCY"} | hints)
    return lambda: compiled(pixels.numpy())[0][0]


def quantised(pixels):
    """Post-training quantisation by NNCF as it comes, calibrated on the clip and its mirror images."""
    import nncf

    clips = [pixels, pixels.flip(3), pixels.flip(4)]
    return lambda model: nncf.quantize(
        model, nncf.Dataset([clip.numpy() for clip in clips]), subset_size=len(clips),
        model_type=nncf.ModelType.TRANSFORMER)


def onnx_runtime(whole, pixels, folder):
    import onnxruntime as ort

    path = f"{folder}/model.onnx"
    torch.onnx.export(whole, (pixels,), path, dynamo=True, external_data=True)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: pixels.numpy()})[0][0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--vtfilter", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", default=str(here / "results"))
    parser.add_argument("--without", action="append", default=[],
                        help="leave out peers whose name contains this")
    options = parser.parse_args()

    torch.manual_seed(7)
    torch.set_grad_enabled(False)
    model = oracle.from_yaml(f"{options.folder}/config.yaml").float().eval()
    from safetensors.torch import load_file
    model.load_state_dict(load_file(f"{options.folder}/model.safetensors"), strict=True)
    whole = Whole(model).eval()
    clip = np.fromfile(f"{options.folder}/clip.rgb", np.uint8).reshape(16, 224, 224, 3)
    pixels = torch.from_numpy(clip.copy()).float().permute(3, 0, 1, 2)[None] / 127.5 - 1

    has_bf16 = bool({"avx512_bf16", "amx_bf16"} & flags())

    def bfloat16(function):
        def run():
            with torch.autocast("cpu", torch.bfloat16):
                return function(pixels)[0].float().numpy()
        return run

    builders = [("PyTorch eager", "f32", lambda: lambda: whole(pixels)[0].numpy()),
                ("PyTorch compile", "f32", lambda: (
                    lambda f: lambda: f(pixels)[0].numpy())(torch.compile(whole))),
                ("OpenVINO", "f32", lambda: openvino(
                    whole, pixels, {"INFERENCE_PRECISION_HINT": "f32"})),
                ("ONNX Runtime", "f32", lambda: onnx_runtime(whole, pixels, options.folder)),
                ("PyTorch eager", "bf16", lambda: bfloat16(whole)),
                ("PyTorch compile", "bf16", lambda: bfloat16(torch.compile(whole))),
                ("OpenVINO", "bf16", lambda: openvino(
                    whole, pixels, {"INFERENCE_PRECISION_HINT": "bf16"})),
                ("OpenVINO + NNCF", "int8", lambda: openvino(
                    whole, pixels, {}, quantised(pixels)))]
    peers, notes = [], []
    for name, precision, build in builders:
        if any(part in f"{name} {precision}" for part in options.without):
            notes.append(f"{name} {precision} was left out by request.")
            continue
        if precision == "bf16" and not has_bf16 and "PyTorch" in name:
            notes.append(f"{name} {precision} was left out: the CPU has no bfloat16 instructions, "
                         "and PyTorch's emulation takes minutes a clip.")
            continue
        try:
            peers.append(Peer(name, precision, build()))
        except Exception as error:  # a peer that does not build is said, not hidden
            notes.append(f"{name} {precision} could not be built: {str(error).splitlines()[0][:200]}")
    if not has_bf16:
        notes.append("The CPU has no bfloat16 instructions: OpenVINO computes bf16 as float32, "
                     "vtfilter by way of float32.")
    peers += [VTFilter(options.vtfilter, options.folder, p) for p in ("f32", "bf16", "int8")]
    if any(part in "vtfilter (OpenBLAS) f32" for part in options.without):
        notes.append("OpenBLAS was left out by request.")
    else:
        openblas = VTFilter(options.vtfilter, options.folder, "f32", products="openblas")
        if openblas.has("products OpenBLAS"):
            peers.append(openblas)
        else:
            notes.append("OpenBLAS with OpenMP is not on this machine (libopenblas0-openmp), and was left out.")

    reference = whole(pixels)[0].numpy()
    agreement = {}
    for peer in peers:
        picture = peer.picture() if isinstance(peer, VTFilter) else peer.run()[1]
        wanted = reference
        if isinstance(peer, VTFilter):  # samples end at -1 and 1
            wanted = np.clip(reference, -1, 1)
        error = float(np.linalg.norm(picture - wanted) / np.linalg.norm(wanted))
        agreement[(peer.name, peer.precision)] = error
        print(f"{peer.name} {peer.precision}: relative L2 {error:.2e}", flush=True)
        bound = BOUNDS[peer.precision]
        if not error <= bound and "NNCF" not in peer.name:  # a peer's accuracy is its own affair
            sys.exit(f"{peer.name} {peer.precision} disagrees: {error:.2e} > {bound:.0e}")

    for round_ in range(options.rounds):
        for peer in peers:
            seconds, _ = peer.run()
            peer.seconds.append(seconds)
            print(f"round {round_ + 1}: {peer.name} {peer.precision}: {seconds:.2f} s", flush=True)

    rows = []
    for peer in peers:
        row = dict(program=peer.name, precision=peer.precision, seconds=peer.seconds,
                   median=float(np.median(peer.seconds)),
                   relative_l2=agreement[(peer.name, peer.precision)])
        if isinstance(peer, VTFilter):
            row |= {k: peer.report[k] for k in (
                "ratioToCeiling", "peakMegabytes", "gigaOperationsPerSecond",
                "ceilingGigaOperationsPerSecond")}
        rows.append(row)
    base = {r["precision"]: r["median"] for r in rows if r["program"] == "OpenVINO"}
    import importlib.metadata as metadata
    versions = {p: metadata.version(p) for p in ("torch", "openvino", "nncf", "onnxruntime")}
    machine = f"{cpu()}, {len(os.sched_getaffinity(0))} CPUs"
    date = datetime.date.today().isoformat()
    result = dict(machine=machine, date=date, versions=versions, rounds=options.rounds,
                  notes=notes, rows=rows)
    out = pathlib.Path(options.out)
    out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    lines = [f"{machine}; {date}; " + ", ".join(f"{k} {v}" for k, v in versions.items())
             + f"; median of {options.rounds} rounds.", "",
             "| program | precision | seconds a clip | to OpenVINO f32 | relative L2 |",
             "| --- | --- | --- | --- | --- |"]
    for row in sorted(rows, key=lambda r: r["median"]):
        ratio = f"{row['median'] / base['f32']:.2f}" if "f32" in base else "–"
        lines.append(f"| {row['program']} | {row['precision']} | {row['median']:.2f} | {ratio} "
                     f"| {row['relative_l2']:.1e} |")
    lines += [""] + [f"- {note}" for note in notes]
    out.with_suffix(".md").write_text("\n".join(lines) + "\n")
    plot(rows, machine, date, out.with_suffix(".svg"))
    print("\n".join(lines))


def plot(rows, machine, date, path):
    """Bars of seconds a clip, the shortest on top."""
    rows = sorted(rows, key=lambda r: r["median"])
    width, left, bar, gap, top = 760, 190, 22, 10, 52
    height = top + len(rows) * (bar + gap) + 40
    longest = max(r["median"] for r in rows)
    scale = (width - left - 90) / longest
    text = "font-family='system-ui, sans-serif'"
    svg = [f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' role='img' "
           "aria-label='Seconds a clip by program and precision'>",
           f"<rect width='{width}' height='{height}' fill='#fff'/>",
           f"<text x='16' y='24' {text} font-size='16' font-weight='600' fill='#111'>"
           "One 16×224×224 clip, pixels to pixels: seconds (shorter is better)</text>",
           f"<text x='16' y='42' {text} font-size='12' fill='#555'>{machine}; {date}</text>"]
    for i, row in enumerate(rows):
        y = top + i * (bar + gap)
        ours = row["program"] == "vtfilter"
        weight = " font-weight='600'" if ours else ""
        svg += [f"<text x='{left - 10}' y='{y + 16}' {text} font-size='13' text-anchor='end' "
                f"fill='#111'{weight}>{row['program']} {row['precision']}</text>",
                f"<rect x='{left}' y='{y}' width='{row['median'] * scale:.1f}' height='{bar}' rx='3' "
                f"fill='{'#0b6bcb' if ours else '#b4bcc6'}'/>",
                f"<text x='{left + row['median'] * scale + 8:.1f}' y='{y + 16}' {text} "
                f"font-size='13' fill='#111'>{row['median']:.2f}</text>"]
    path.write_text("\n".join(svg + ["</svg>"]) + "\n")


if __name__ == "__main__":
    main()
