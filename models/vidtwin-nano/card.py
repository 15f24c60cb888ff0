"""Writes the figures of CARD.md anew, from reports of `vtfilter evaluate --json`.

    python3 card.py CARD.md FOLDER

FOLDER has validation.PRECISION.json and examples.PRECISION.json for f32, bf16 and int8 (recipe.sh makes them).
"""
import json
import re
import sys
from statistics import mean

PRECISIONS = ("f32", "bf16", "int8")
card, folder = sys.argv[1:]


def videos(report):
    """Mean PSNR over the frames of each video, by its name."""
    with open(f"{folder}/{report}.json") as file:
        found = json.load(file)["videos"]
    return {video["name"]: mean(frame["psnr"] for frame in video["frames"]) for video in found}


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(name):
    """Package and file, without folders and ending."""
    package, _, path = name.rpartition("/")[2].removesuffix(".mp4").partition("__")
    return f"{package} {path}".replace("_", " ").strip()


validation = {p: videos(f"validation.{p}") for p in PRECISIONS}
examples = {p: videos(f"examples.{p}") for p in PRECISIONS}
means = [[f"{len(validation['f32'])} validation clips"]
         + [f"{mean(validation[p].values()):.2f}" for p in PRECISIONS]]
means += [[f"`{name.rpartition('/')[2]}`"] + [f"{examples[p][name]:.2f}" for p in PRECISIONS]
          for name in examples["f32"]]
clips = [[plain(name)] + [f"{validation[p][name]:.2f}" for p in PRECISIONS] for name in validation["f32"]]
figures = "\n\n".join([table(["first 16 or 64 frames", *PRECISIONS], means), table(["clip", *PRECISIONS], clips)])

with open(card) as file:
    text = file.read()
text, count = re.subn(
    "(?s)(<!-- figures -->\n).*(<!-- /figures -->)", lambda m: m[1] + figures + "\n" + m[2], text)
if count != 1:
    sys.exit(f"{card}: expected one part between <!-- figures --> and <!-- /figures -->, found {count}")
with open(card, "w") as file:
    file.write(text)
