"""What TensorBoard's own reader finds in a run's event file.

    python events.py VTFILTER REPOSITORY

Trains ten batches of a golden configuration and compares scalars with metrics.jsonl, pictures with the videos,
histograms with the latents' sizes; a file with one wrong byte must be refused, so checksums count.
"""
import io, json, pathlib, subprocess, sys, tempfile

import numpy
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator, event_file_loader

vtfilter, repository = sys.argv[1], pathlib.Path(sys.argv[2])
folder = pathlib.Path(tempfile.mkdtemp(prefix="vidtwin-events-"))
golden = repository / "Tests/Fixtures/goldens/training/causal"


def run(*arguments, **more):
    return subprocess.run(arguments, cwd=folder, check=True, capture_output=True, **more).stdout


# ---- eight videos of four frames, and a run over them: epochs of four batches
(folder / "videos").mkdir()
frames = []
for n in range(8):
    run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"testsrc=s=32x32:r=8:d=0.5,hue=h={45 * n},format=bgr0",
        "-c:v", "ffv1", f"videos/{n}.mkv")
    raw = run("ffmpeg", "-v", "error", "-i", f"videos/{n}.mkv", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    frames.append(numpy.frombuffer(raw, numpy.uint8).reshape(4, 32, 32, 3))
common = [vtfilter, "train", "-b", str(golden / "config.yaml"), "--data-dir", "videos", "--val-data-dir", "videos",
          "--steps", "10", "data.params.batch_size=2", "lightning.trainer.log_every_n_steps=1",
          "lightning.trainer.val_check_interval=5",
          "model.params.loss_config.params.perceptual_weight=0",
          "lightning.callbacks.image_logger.params.batch_frequency=4"]
run(*common, "--logdir", "logs")
(home,) = (folder / "logs").iterdir()
(file,) = (home / "tensorboard").iterdir()
assert file.name.startswith("events.out.tfevents."), file.name
events = event_accumulator.EventAccumulator(
    str(file), size_guidance={name: 0 for name in ("scalars", "images", "histograms")})
events.Reload()
tags = events.Tags()

# ---- scalars
lines = [json.loads(line) for line in open(home / "metrics.jsonl")]
batches = {line["batch"]: line for line in lines if "epoch" in line}
validations = {line["batch"]: line for line in lines if "epoch" not in line}
assert sorted(batches) == list(range(10)) and sorted(validations) == [4, 9]
ours = {"grad_norm_g", "grad_norm_d", "clips_per_second", "wait_for_data", "peak_memory"}
expected = {}
for batch, line in batches.items():
    for name, value in line.items():
        if name == "batch":
            continue
        is_term = name.startswith("train/") and name.split("/")[1] not in ours
        expected.setdefault(name + "_step" if is_term else name, {})[batch + 1] = value
        if is_term and batch < 8:
            expected.setdefault(name + "_epoch", {}).setdefault(batch // 4 * 4 + 4, []).append(value)
for batch, line in validations.items():
    for name, value in line.items():
        if name != "batch":
            score = name.endswith(("/psnr", "/ssim"))
            expected.setdefault(name + "_epoch" if score else name, {})[batch + 1] = value
assert set(tags["scalars"]) == set(expected), set(tags["scalars"]) ^ set(expected)
assert {"train/total_loss_step", "train/total_loss_epoch", "train/disc_loss_step", "val/rec_loss", "val/psnr_epoch",
        "val_ema/psnr_epoch", "lr_generator", "epoch", "train/grad_norm_g"} <= set(expected), sorted(expected)
for name, values in expected.items():
    found = {event.step: event.value for event in events.Scalars(name)}
    assert set(found) == set(values), (name, found, values)
    for step, value in values.items():
        mean = float(numpy.mean(value))
        assert abs(found[step] - mean) <= 1e-6 * abs(mean) + 1e-30, (name, step, found[step], mean)
print(len(expected), "scalars as metrics.jsonl has them, epochs' means among them")

# ---- pictures: two clips of four frames, two side by side
names = ["inputs", "reconstructions", "structure", "dynamics", "crossed"]
assert set(tags["images"]) == {f"train/{name}" for name in names}, tags["images"]
for name in names:
    pictures = events.Images(f"train/{name}")
    assert [p.step for p in pictures] == [4, 8]
    for picture in pictures:
        image = Image.open(io.BytesIO(picture.encoded_image_string))
        assert image.format == "PNG" and image.mode == "RGB"
        assert image.size == (picture.width, picture.height) == (2 * 34 + 2, 4 * 34 + 2), image.size
        pixels = numpy.asarray(image)
        assert not pixels[::34].any() and not pixels[1::34].any() and not pixels[:, ::34].any()
        cells = [pixels[2 + 34 * r:34 + 34 * r, 2 + 34 * c:34 + 34 * c] for r in range(4) for c in range(2)]
        clips = [numpy.stack(cells[:4]), numpy.stack(cells[4:])]
        if name == "inputs":
            assert all(any((clip == video).all() for video in frames) for clip in clips)
        else:
            assert all(clip.std() > 0 for clip in clips)
        step = picture.step
        stored = home / "images/train" / f"{name}_gs-{2 * step:06d}_e-{(step - 1) // 4:06d}_b-{step:06d}.png"
        assert stored.read_bytes() == picture.encoded_image_string, stored
print("pictures:", ", ".join(names))

# ---- the same clips as a video: inputs, and beside them what the model makes of them
assert sorted(p.name for p in (home / "videos/train").iterdir()) == [
    f"reconstructions_gs-{2 * step:06d}_e-{(step - 1) // 4:06d}_b-{step:06d}.mp4" for step in (4, 8)]
for step, path in zip((4, 8), sorted((home / "videos/train").iterdir())):
    seen = run("ffprobe", "-v", "error", "-show_entries", "stream=width,height,r_frame_rate,nb_frames", "-of", "csv=p=0",
               str(path)).decode().strip()
    assert seen == "64,32,8/1,8", seen
    film = numpy.frombuffer(run("ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
                            numpy.uint8).reshape(8, 32, 64, 3).astype(float)
    for side, name in ((film[:, :, :32], "inputs"), (film[:, :, 32:], "reconstructions")):
        grid = [p for p in events.Images(f"train/{name}") if p.step == step][0]
        pixels = numpy.asarray(Image.open(io.BytesIO(grid.encoded_image_string))).astype(float)
        cells = numpy.stack([pixels[2 + 34 * r:34 + 34 * r, 2 + 34 * c:34 + 34 * c] for r in range(4) for c in range(2)])
        away = abs((side - cells) @ [0.299, 0.587, 0.114]).mean()  # chroma has half the size
        assert away < 12 < cells.std(), (name, away, cells.std())
print("videos: inputs beside reconstructions")

# ---- histograms
assert {"latents/structure", "latents/dynamics_x", "latents/dynamics_y", "gradients/encoder", "gradients/decoder",
        "gradients/temporal_qformer", "gradients/loss.discriminator"} <= set(tags["histograms"]), tags["histograms"]
for name in tags["histograms"]:
    for event in events.Histograms(name):
        values = event.histogram_value
        assert values.num > 0 and sum(values.bucket) == values.num, name
        assert len(values.bucket) == len(values.bucket_limit)
        assert list(values.bucket_limit) == sorted(values.bucket_limit)
        assert values.min <= values.max <= values.bucket_limit[-1] and values.bucket[-1] > 0, name
        assert values.sum_squares >= values.sum ** 2 / values.num * (1 - 1e-9), name
print("histograms:", ", ".join(tags["histograms"]))

# ---- one wrong byte
broken = folder / "events.out.tfevents.1.broken"
wrong = bytearray(file.read_bytes())
wrong[len(wrong) // 2] ^= 1
broken.write_bytes(wrong)
count = lambda path: sum(1 for _ in event_file_loader.EventFileLoader(str(path)).Load())
try:
    lost = count(broken) < count(file)
except Exception as problem:
    lost = "DataLoss" in type(problem).__name__
assert lost, "checksums are not looked at"

# ---- a run that goes on has a second file; the means of an epoch are those of all of it
run(*common, "--logdir", "two", "lightning.trainer.max_steps=12")
(second,) = (folder / "two").iterdir()
run(vtfilter, "train", "--resume", str(second), "lightning.trainer.max_steps=-1")
files = sorted((second / "tensorboard").iterdir())
assert len(files) == 2, files
late = event_accumulator.EventAccumulator(str(files[1]), size_guidance={"scalars": 0})
late.Reload()
(mean,) = late.Scalars("train/total_loss_epoch")
assert mean.step == 8
assert abs(mean.value - numpy.mean(expected["train/total_loss_epoch"][8])) <= 1e-6 * mean.value
print("a run that goes on: the epoch's means are whole")
