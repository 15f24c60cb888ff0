"""What the tests share: where things are, frames, and the program to compare with."""

import io
import os
import shutil
import subprocess
import tempfile
import unittest

import numpy as np

import vidtwin

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
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


#: The library here has another oneDNN than vtfilter has (a wheel's own): sums are rounded in another order.
ROUNDING = os.environ.get("VIDTWIN_TESTS_ROUNDING") == "1"


def same_pixels(found, expected):
    """Whether bytes of pixels are the same, or one apart where sums are rounded in another order."""
    if not ROUNDING:
        return found == expected
    a, b = (np.frombuffer(x, np.uint8).astype(int) for x in (found, expected))
    return a.shape == b.shape and int(np.abs(a - b).max()) <= 1


def same_tar(found, expected):
    """Whether tars are the same, but for rounding where sums are rounded in another order."""
    if not ROUNDING:
        return found == expected
    a, b = (list(vidtwin.read_latents(io.BytesIO(x))) for x in (found, expected))
    return len(found) == len(expected) and len(a) == len(b) and all(
        x.key == y.key and x.info == y.info and list(x.arrays) == list(y.arrays) and all(
            np.abs(x.arrays[n].astype(np.float32) - y.arrays[n]).max() < 2e-3 for n in x.arrays)
        for x, y in zip(a, b))


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
