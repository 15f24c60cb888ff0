"""A batch of training: vtfilter beside PyTorch, in turns, all in one run.

    python compare.py --vtfilter PATH [--rounds 2] [--full] [--out results.md]

The bundled model's shape with one and two clips, with and without LPIPS and discriminator, in float32 and, where the
CPU has it, bfloat16; with --full the released model's too (one clip, blocks computed again; 8 GB, many minutes).
Writes a table: seconds a batch, peak memory, both as ratios.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

here = pathlib.Path(__file__).resolve().parent
root = here.parent.parent


def flags():
    for line in open("/proc/cpuinfo"):
        if line.startswith("flags"):
            return set(line.split(":")[1].split())
    return set()


def name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return " ".join(line.split(":")[1].split())
    return "unknown CPU"


def ours(program, config, case, batches):
    words = [program, "bench", "--train", "--json", "--config", config, "--precision", case["precision"], "--batch",
             str(case["batch"]), "--clips", str(batches), "--checkpoint-activations", "on" if case["checkpoint"] else "off"]
    words += [] if case["losses"] else ["--no-lpips", "--no-gan"]
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def theirs(config, case, batches):
    words = [sys.executable, str(here / "step.py"), config, "--precision", case["precision"], "--batch", str(case["batch"]), "--batches", str(batches)]
    words += [] if case["losses"] else ["--no-lpips", "--no-gan"]
    words += ["--checkpoint"] if case["checkpoint"] else []
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--vtfilter", required=True)
    a.add_argument("--rounds", type=int, default=2)
    a.add_argument("--full", action="store_true")
    a.add_argument("--only", choices=["bundled", "released"], help="one model's cases alone")
    a.add_argument("--out", default=str(here / "results.md"))
    a = a.parse_args()
    precisions = ["f32"] + (["bf16"] if "avx512_bf16" in flags() else [])
    nano, full = (str(root / p) for p in ("models/vidtwin-nano/config.yaml", "configs/vidtwin/vidtwin_structure_7_7_8_dynamics_7_8.yaml"))
    cases = [dict(model="bundled", config=nano, precision=p, batch=b, losses=losses, checkpoint=False)
             for losses in (False, True) for b in (1, 2) for p in precisions]
    if a.full or a.only == "released":
        cases += [dict(model="released", config=full, precision=p, batch=1, losses=True, checkpoint=True) for p in precisions]
    cases = [c for c in cases if a.only in (None, c["model"])]
    lines = [f"{name()}; PyTorch eager on the same CPU, in turns, median of {a.rounds} rounds; both run once to warm up.", "",
             "| model | clips | precision | with | vtfilter, s | PyTorch, s | ratio | vtfilter, GB | PyTorch, GB | ratio |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for case in cases:
        batches = 5 if not case["losses"] else 1
        pairs = [(ours(a.vtfilter, case["config"], case, batches), theirs(case["config"], case, batches)) for _ in range(a.rounds)]
        median = lambda k, i: statistics.median(p[i][k] for p in pairs)
        s, m = [median("secondsPerBatch", i) for i in (0, 1)], [median("peakMegabytes", i) / 1e3 for i in (0, 1)]
        what = "LPIPS, discriminator" if case["losses"] else "L1 and KL alone"
        lines.append(f"| {case['model']} | {case['batch']} | {case['precision']} | {what} | {s[0]:.2f} | {s[1]:.2f} | {s[0] / s[1]:.2f} | {m[0]:.2f} | {m[1]:.2f} | {m[0] / m[1]:.2f} |")
        print(lines[-1], flush=True)
        for who, i in (("vtfilter", 0), ("PyTorch", 1)):
            print("   ", who, {p["name"]: round(p["seconds"], 3) for p in pairs[-1][i]["parts"]}, flush=True)
    pathlib.Path(a.out).write_text("\n".join(lines) + "\n")


main()
