"""What the tests share: where things are, frames, and the program to compare with."""

import os
import shutil
import subprocess
import tempfile
import unittest

import numpy as np

import vidtwin

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
#: 64x64, a third of a million weights.
TINY = os.path.join(ROOT, "Tests", "Fixtures", "goldens", "tiny")
NONSQUARE = os.path.join(ROOT, "Tests", "Fixtures", "goldens", "nonsquare")
VTFILTER = os.environ.get("VTFILTER") or os.path.join(ROOT, ".build", "release", "vtfilter")

needs_vtfilter = unittest.skipUnless(
    os.access(VTFILTER, os.X_OK), f"nothing to compare with: no {VTFILTER} (make build)")


def paint(frames, size=64, seed=0):
    """Frames [frames, size, size, 3] of something that moves."""
    height, width = (size, size) if isinstance(size, int) else size
    t, y, x, c = np.ogrid[:frames, :height, :width, :3]
    value = x * (c + 2) + y * 3 + (t + seed) * 7 + ((x // 8 + t + seed) % 3) * 40
    return (value % 256).astype(np.uint8)


def clips_of(frames, count=16):
    """Frames as clips, the last one filled by repeating its last frame."""
    filled = np.concatenate([frames, np.repeat(frames[-1:], -len(frames) % count, 0)])
    return filled.reshape(-1, count, *frames.shape[1:])


def vtfilter(*arguments, stdin=b"", model=TINY):
    """What vtfilter writes to stdout."""
    done = subprocess.run(
        [VTFILTER, arguments[0], "-q", "--model", model, *arguments[1:]], input=stdin, capture_output=True)
    if done.returncode:
        raise AssertionError(f"vtfilter {arguments}: {done.returncode}: {done.stderr.decode()}")
    return done.stdout


RAW = ("-f", "rawvideo", "-s", "64x64", "--pix-fmt", "rgb24", "-r", "25")


class ModelCase(unittest.TestCase):
    """A class whose tests share the small model, in float32, and a folder."""

    @classmethod
    def setUpClass(cls):
        cls.model = vidtwin.Model(TINY, precision="f32", threads=2)
        cls.folder = tempfile.mkdtemp()

    @classmethod
    def tearDownClass(cls):
        cls.model.close()
        shutil.rmtree(cls.folder)

    def path(self, name):
        return os.path.join(self.folder, name)
