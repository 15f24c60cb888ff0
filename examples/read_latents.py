"""Reads the latents of `vtfilter encode` with numpy, with tarfile and with webdataset.

    python read_latents.py SHARD.tar        (numpy; webdataset where it is installed)
"""
import io
import json
import sys
import tarfile

import numpy as np

clips = {}
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        key, ending = member.name.split(".", 1)
        data = archive.extractfile(member).read()
        clips.setdefault(key, {})[ending] = (
            np.load(io.BytesIO(data)) if ending.endswith(".npy") else json.loads(data))
for key, clip in clips.items():
    info = clip["json"]
    shapes = {name: value.shape for name, value in clip.items() if name != "json"}
    print(key, f"frames {info['firstFrame']} to {info['firstFrame'] + info['validFrames'] - 1}", shapes)

try:
    import webdataset
except ImportError:
    print("webdataset is not installed")
else:
    dataset = webdataset.WebDataset(sys.argv[1], shardshuffle=False).decode()
    count = 0
    for sample in dataset:
        clip = clips[sample["__key__"]]
        assert np.array_equal(sample["structure.npy"], clip["structure.npy"])
        assert sample["json"] == clip["json"]
        count += 1
    assert count == len(clips), (count, len(clips))
    print(f"webdataset reads the same {count} samples")
