"""The tar stream: byte for byte vtfilter's; what is damaged is refused, whole samples come first."""

import gzip
import io
import json
import os
import tarfile
import unittest

import numpy as np

import vidtwin

from .support import (
    RAW, TINY, ModelCase, clips_of, needs_vtfilter, paint, same_pixels, same_tar, vtfilter)


def written(samples, **options):
    memory = io.BytesIO()
    vidtwin.write_latents(memory, samples, **options)
    return memory.getvalue()


class Streams(ModelCase):
    def samples(self, frames=37, **options):
        latents = self.model.encode(clips_of(paint(frames)))
        return list(vidtwin.clip_samples(self.model, "clip", latents, frames=frames, **options))

    @needs_vtfilter
    def test_what_is_encoded_here_is_vtfilters_file(self):
        frames = paint(37)
        for options, more in (({}, ()), ({"dtype": "f16"}, ("--latent-dtype", "f16"))):
            expected = vtfilter("encode", *RAW, "--precision", "f32", *more, stdin=frames.tobytes())
            path = self.path("here.tar")
            self.assertEqual(vidtwin.write_latents(path, self.samples(), **options), 3)
            with open(path, "rb") as file:
                self.assertTrue(same_tar(file.read(), expected))
        expected = vtfilter("encode", *RAW, "--precision", "f32", "--sample", "--seed", "7", "--with-logvar",
                            stdin=frames.tobytes())
        clips = clips_of(frames)
        latents = self.model.encode(clips, sample=True, seed=7)
        found = written(vidtwin.clip_samples(
            self.model, "clip", latents, frames=37, seed=7,
            log_variance=self.model.moments(clips).log_variance))
        self.assertTrue(same_tar(found, expected))

    @needs_vtfilter
    def test_what_is_read_and_written_is_the_same_file(self):
        clip = os.path.join(TINY, "..", "..", "media", "bunny.mp4")
        for more, options in (
            ((), {}), (("--layout", "cowvla"), {}), (("--part", "structure"), {}),
            (("--with-logvar", "--sample", "--seed", "3", "--latent-dtype", "f16"), {"dtype": "f16"}),
            (("--stride", "5", "--fit", "pad"), {}),
        ):
            tar = vtfilter("encode", "-i", clip, "--frames", "40", *more)
            samples = list(vidtwin.read_latents(io.BytesIO(tar)))
            self.assertGreaterEqual(len(samples), 3)
            self.assertEqual(samples[0].key, "bunny_000000")
            self.assertTrue(written(samples, **options) == tar, more)

    @needs_vtfilter
    def test_latents_of_every_layout_decode_to_the_same(self):
        frames = paint(37)
        expected = self.model.decode(self.model.encode(clips_of(frames)))
        tar = vtfilter("encode", *RAW, "--precision", "f32", "--layout", "cowvla", stdin=frames.tobytes())
        samples = list(vidtwin.read_latents(io.BytesIO(tar)))
        latents = vidtwin.Latents.concatenate(s.latents(self.model) for s in samples)
        self.assertTrue(same_pixels(self.model.decode(latents).tobytes(), expected.tobytes()))
        self.assertTrue(np.array_equal(latents.cowvla()[1], samples[1].arrays["dynamics"]))
        with self.assertRaisesRegex(vidtwin.FormatError, "model"):
            samples[0].latents()
        # An older file: x whole before y, channels last in each.
        x, y = latents.dynamics_x[0], latents.dynamics_y[0]
        samples[0].arrays["dynamics"] = np.concatenate([a.transpose(1, 2, 0).ravel() for a in (x, y)])
        samples[0].info["layout"] = "cowvla"
        old = samples[0].latents(self.model)
        self.assertTrue(np.array_equal(old.dynamics_x[0], x) and np.array_equal(old.dynamics_y[0], y))
        older = vtfilter("decode", "-f", "rawvideo", "--pix-fmt", "rgb24", "--precision", "f32",
                         stdin=written(samples[:1]))
        self.assertTrue(same_pixels(self.model.decode(old).tobytes(), older))

    def test_latents_of_another_model(self):
        sample = self.samples()[0]
        sample.info["checkpointSHA256"] = "0" * 64
        with self.assertRaisesRegex(vidtwin.ModelError, "another model"):
            sample.latents(self.model)
        self.assertEqual(len(sample.latents(self.model, force=True)), 1)

    def test_what_stands_beside_latents_comes_through(self):
        samples = self.samples()
        samples[1].companions = {"txt": "ein Hügel".encode(), "cls": b"7"}
        samples[2].info["note"] = 'q"\\\u2028ü'
        again = list(vidtwin.read_latents(io.BytesIO(written(samples))))
        self.assertEqual([s.companions for s in again], [s.companions for s in samples])
        self.assertEqual([s.info for s in again], [s.info for s in samples])
        packed = gzip.compress(written(samples))
        self.assertEqual(len(list(vidtwin.read_latents(io.BytesIO(packed)))), 3)
        in_folders = [vidtwin.Sample(f"a.b/{s.key}", s.info, s.arrays) for s in samples]
        again = list(vidtwin.read_latents(io.BytesIO(written(in_folders))))
        self.assertEqual([s.key for s in again], [s.key for s in in_folders])

    @needs_vtfilter
    def test_vtfilter_reads_it(self):
        frames = paint(37)
        decoded = vtfilter("decode", "-f", "rawvideo", "--pix-fmt", "rgb24", "--precision", "f32",
                           stdin=written(self.samples()))
        expected = self.model.decode(self.model.encode(clips_of(frames))).reshape(-1, 64, 64, 3)[:37]
        self.assertTrue(same_pixels(decoded, expected.tobytes()))

    def test_cut_streams_give_their_whole_samples(self):
        whole = written(self.samples())
        ends, position = [], 0
        with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
            for member in archive:
                if member.name.endswith(".json"):
                    ends.append(member.offset_data + member.size)
        for cut in [*range(1, len(whole) - 2048, 1777), *ends, ends[0] - 1, ends[1] + 512]:
            found = []
            try:
                for sample in vidtwin.read_latents(io.BytesIO(whole[:cut])):
                    found.append(sample.key)
            except vidtwin.FormatError:
                pass
            self.assertEqual(len(found), sum(end <= cut for end in ends), cut)

    def test_damaged_streams(self):
        good = self.samples()[0]

        def tar(*members):
            memory = io.BytesIO()
            with tarfile.open(fileobj=memory, mode="w", format=tarfile.USTAR_FORMAT) as archive:
                for name, data in members:
                    header = tarfile.TarInfo(name)
                    header.size = len(data)
                    archive.addfile(header, io.BytesIO(data))
            return memory.getvalue()

        array = io.BytesIO()
        np.save(array, good.arrays["structure"])
        array, info = array.getvalue(), json.dumps(good.info).encode()
        pickled = io.BytesIO()
        np.save(pickled, np.array([{}], dtype=object), allow_pickle=True)
        for words, data in (
            ("tar", b"not a tar" * 200), ("tar", b""), ("tar", gzip.compress(b"x" * 5000)),
            ("twice", tar(("a.structure.npy", array), ("a.structure.npy", array))),
            ("none", tar(("a.structure.npy", array), ("b.structure.npy", array), ("b.json", info))),
            ("JSON", tar(("a.structure.npy", array), ("a.json", b"{"))),
            ("object", tar(("a.structure.npy", array), ("a.json", b"[]"))),
            ("JSON", tar(("a.structure.npy", array), ("a.json", b"[" * 100_000))),
            (".npy", tar(("a.structure.npy", array[:-4]), ("a.json", info))),
            (".npy", tar(("a.structure.npy", pickled.getvalue()), ("a.json", info))),
            ("float32", tar(("a.structure.npy", _saved(np.zeros(3, np.int32))), ("a.json", info))),
            ("more", tar(("a.structure.npy", array), ("a.json", b" " * ((1 << 20) + 1)))),
            ("more", tar(*((f"a.{i}.npy", array) for i in range(40)), ("a.json", info))),
        ):
            with self.subTest(words):
                with self.assertRaisesRegex(vidtwin.FormatError, words):
                    list(vidtwin.read_latents(io.BytesIO(data)))
        # A header that promises more than there is takes no memory.
        huge = bytearray(tar(("a.structure.npy", array)))
        with self.assertRaises(vidtwin.FormatError):
            list(vidtwin.read_latents(io.BytesIO(bytes(huge[:124]) + b"77777777777\0" + bytes(huge[136:]))))
        with self.assertRaises(FileNotFoundError):
            list(vidtwin.read_latents(self.path("none.tar")))

    def test_what_cannot_be_written(self):
        good = self.samples()[0]

        def sample(**changes):
            return vidtwin.Sample(**{"key": good.key, "info": good.info, "arrays": good.arrays, **changes})

        for bad in (sample(key="a.b"), sample(key=""), sample(key="x" * 100), sample(arrays={}),
                    sample(arrays={"structure": np.zeros(3, np.int32)})):
            path = self.path("bad.tar")
            with self.assertRaises(vidtwin.ArgumentError):
                vidtwin.write_latents(path, [good, bad])
        with self.assertRaises(vidtwin.ArgumentError):
            vidtwin.write_latents(path, [good], dtype="f64")
        with self.assertRaises(FileNotFoundError):
            vidtwin.write_latents(self.path("no/such/folder.tar"), [good])
        self.assertEqual([n for n in os.listdir(self.folder) if "bad" in n or "tmp" in n], [])
        for wrong in ({"name": "a.b"}, {"name": ""}, {"frames": 48 + 1}, {"frames": 32}, {"rate": "0"},
                      {"rate": "25fps"}, {"stride": 0}):
            latents = self.model.encode(clips_of(paint(37)))
            with self.assertRaises(vidtwin.ArgumentError):
                list(vidtwin.clip_samples(self.model, **{"name": "a", "latents": latents, **wrong}))

    def test_clips_of_latents(self):
        latents = self.model.encode(clips_of(paint(48)))
        self.assertEqual((len(latents), len(latents[1]), len(latents[:2]), len(latents[-1])), (3, 1, 2, 1))
        self.assertEqual([len(one) for one in latents], [1, 1, 1])
        with self.assertRaises(IndexError):
            latents[3]
        again = vidtwin.Latents.concatenate(latents)
        self.assertTrue(np.array_equal(again.dynamics_y, latents.dynamics_y))
        apart = vidtwin.Latents.from_cowvla(latents.cowvla(), self.model.info.dynamics_x_shape)
        self.assertTrue(np.array_equal(apart.dynamics_x, latents.dynamics_x))
        # For each frame and position x's channels, then y's.
        d, frames, n = self.model.info.dynamics_x_shape
        for t, i, k in ((0, 0, 0), (3, 1, 2), (frames - 1, n - 1, d - 1)):
            place = (t * n + i) * 2 * d + k
            self.assertEqual(latents.cowvla()[2][place], latents.dynamics_x[2, k, t, i])
            self.assertEqual(latents.cowvla()[2][place + d], latents.dynamics_y[2, k, t, i])
        for wrong in (np.zeros((1, 5), np.float32), np.zeros(5, np.float32)):
            with self.assertRaises(vidtwin.ArgumentError):
                vidtwin.Latents.from_cowvla(wrong, (d, frames, n))


def _saved(array):
    memory = io.BytesIO()
    np.save(memory, array)
    return memory.getvalue()


if __name__ == "__main__":
    unittest.main()
