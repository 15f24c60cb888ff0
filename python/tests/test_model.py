"""Numbers: those of vtfilter, in every layout; what is refused; threads and forks."""

import ctypes
import gc
import multiprocessing
import os
import pickle
import resource
import subprocess
import sys
import threading
import time
import unittest

import numpy as np

import vidtwin
from vidtwin import _library
from vidtwin.errors import of_status

from .support import (
    NONSQUARE, RAW, TINY, ModelCase, clips_of, needs_vtfilter, paint, same_pixels, vtfilter)


class Numbers(ModelCase):
    @needs_vtfilter
    def test_streams_are_vtfilters(self):
        frames = paint(37)
        for options, more in (
            ({}, ()), ({"part": "structure"}, ("--part", "structure")), ({"overlap": 5}, ("--overlap", "5")),
            ({"sample": True, "seed": 7}, ("--sample", "--seed", "7")),
        ):
            expected = vtfilter("reconstruct", *RAW, "--precision", "f32", *more, stdin=frames.tobytes())
            found = b"".join(f.tobytes() for f in self.model.reconstruct(frames, **options))
            self.assertEqual(len(found), frames.size)
            self.assertTrue(same_pixels(found, expected), options)

    @needs_vtfilter
    def test_encode_then_decode_is_vtfilters(self):
        frames = paint(37)
        tar = vtfilter("encode", *RAW, "--precision", "f32", stdin=frames.tobytes())
        expected = vtfilter("decode", "-f", "rawvideo", "--pix-fmt", "rgb24", "--precision", "f32", stdin=tar)
        found = self.model.decode(self.model.encode(clips_of(frames)))
        self.assertEqual(found.shape, (3, 16, 64, 64, 3))
        self.assertTrue(same_pixels(found.reshape(-1, 64, 64, 3)[:37].tobytes(), expected))

    @needs_vtfilter
    def test_reenacting_is_vtfilters(self):
        a, b = paint(16), paint(16, seed=9)
        tars = []
        for name, frames in (("a", a), ("b", b)):
            tars.append(self.path(f"{name}.tar"))
            with open(tars[-1], "wb") as file:
                file.write(vtfilter("encode", *RAW, "--precision", "f32", stdin=frames.tobytes()))
        expected = vtfilter("cross-reenact", "--structure", tars[0], "--dynamics", tars[1], "-f", "rawvideo",
                            "--output-pix-fmt", "rgb24", "--output-format", "rawvideo", "--precision", "f32")
        found = self.model.reenact(a[None], b[None])
        self.assertTrue(same_pixels(found.tobytes(), expected))
        latents = self.model.encode(b[None])
        self.assertTrue(np.array_equal(self.model.reenact(a[None], latents), found))
        self.assertTrue(np.array_equal(self.model.reenact(self.model.encode(a[None]), latents), found))
        self.assertEqual(self.model.reenact(a[None, :9], b[None, :4]).shape, (1, 4, 64, 64, 3))
        self.assertEqual(self.model.reenact(a[None, :9], latents).shape, (1, 9, 64, 64, 3))

    def test_layouts_give_the_same(self):
        clips = clips_of(paint(32))
        expected, pixels = self.model.encode(clips), self.model.decode(self.model.encode(clips))
        floats = (clips.astype(np.float32) / 255)
        gaps = np.zeros((2, 16, 64, 70, 4), np.uint8)
        gaps[:, :, :, :64, :3] = clips
        wide = np.zeros((2, 16, 64, 70, 3), np.uint8)
        wide[:, :, :, :64] = clips
        upside = np.ascontiguousarray(clips[:, :, ::-1])[:, :, ::-1]
        for name, given, exact in (
            ("planes", np.ascontiguousarray(clips.transpose(0, 4, 1, 2, 3)), True),
            ("planes, a view", clips.transpose(0, 4, 1, 2, 3), True),
            ("gaps within rows", gaps[:, :, :, :64, :3], True), ("gaps between rows", wide[:, :, :, :64], True),
            ("upside down", upside, True), ("every other clip", np.repeat(clips, 2, 0)[::2], True),
            ("floats", floats, False),
            ("floats, planes", np.ascontiguousarray(floats.transpose(0, 4, 1, 2, 3)), False),
            ("floats, other bytes", floats.astype(floats.dtype.newbyteorder()), False),
        ):
            with self.subTest(name):
                found = self.model.encode(given)
                for part in ("structure", "dynamics_x", "dynamics_y"):
                    a, b = getattr(found, part), getattr(expected, part)
                    self.assertEqual(a.shape, b.shape)
                    self.assertLessEqual(float(np.abs(a - b).max()), 0 if exact else 2e-5)
        first = self.model.decode(expected, channels_last=False)
        self.assertTrue(np.array_equal(first.transpose(0, 2, 3, 4, 1), pixels))
        for last in (True, False):
            reals = self.model.decode(expected, dtype=np.float32, channels_last=last)
            self.assertEqual(reals.dtype, np.float32)
            bytes_ = reals if last else reals.transpose(0, 2, 3, 4, 1)
            self.assertLessEqual(float(np.abs(bytes_ * 255 - pixels).max()), 0.502)
        part = self.model.decode(expected[1], frames=3)
        self.assertTrue(np.array_equal(part[0], pixels[1, :3]))

    def test_results_go_where_they_are_wanted(self):
        latents = self.model.encode(clips_of(paint(32)))
        pixels = self.model.decode(latents)
        for out in (
            np.zeros((2, 16, 64, 64, 3), np.uint8), np.zeros((2, 3, 16, 64, 64), np.uint8),
            np.zeros((2, 16, 64, 66, 3), np.uint8)[:, :, :, 1:65], np.zeros((2, 16, 64, 64, 4), np.uint8)[..., :3],
            np.zeros((2, 16, 64, 64, 3), np.float32), np.zeros((2, 3, 16, 64, 64), np.float32),
        ):
            self.assertIs(self.model.decode(latents, out=out), out)
            found = out if out.shape[-1] == 3 else out.transpose(0, 2, 3, 4, 1)
            if out.dtype == np.uint8:
                self.assertTrue(np.array_equal(found, pixels))
            else:
                self.assertLessEqual(float(np.abs(found * 255 - pixels).max()), 0.502)

    def test_short_clips_are_filled(self):
        frames = paint(5)
        filled = np.concatenate([frames, np.repeat(frames[-1:], 11, 0)])
        a, b = self.model.encode(frames[None]), self.model.encode(filled[None])
        self.assertTrue(np.array_equal(a.structure, b.structure))

    def test_moments(self):
        clips = clips_of(paint(32))
        moments, latents = self.model.moments(clips), self.model.encode(clips)
        samples = self.model.encode(clips, sample=True, seed=3)
        for name in ("structure", "dynamics_x", "dynamics_y"):
            mean, spread = getattr(moments.mean, name), getattr(moments.log_variance, name)
            self.assertTrue(np.array_equal(mean, getattr(latents, name)))
            noise = (getattr(samples, name) - mean) / np.exp(0.5 * spread)
            self.assertLess(abs(float(noise.std()) - 1), 0.1)
        again = self.model.encode(clips, sample=True, seed=3)
        other = self.model.encode(clips, sample=True, seed=4)
        self.assertTrue(np.array_equal(samples.structure, again.structure))
        self.assertFalse(np.array_equal(samples.structure, other.structure))

    def test_streams_give_back_what_kind_was_sent(self):
        frames = paint(20)
        expected = np.stack(list(self.model.reconstruct(frames)))
        planes = np.stack(list(self.model.reconstruct(iter(frames.transpose(0, 3, 1, 2)))))
        self.assertTrue(np.array_equal(planes.transpose(0, 2, 3, 1), expected))
        for view in ((0, 1, 2, 3), (0, 3, 1, 2)):
            given = (frames / np.float32(255)).transpose(view)
            found = np.stack(list(self.model.reconstruct(given)))
            self.assertEqual((found.dtype, found.shape), (given.dtype, given.shape))
            bytes_ = found if view[1] == 1 else found.transpose(0, 2, 3, 1)
            self.assertLessEqual(float(np.abs(bytes_ * 255 - expected).max()), 0.502)
        self.assertEqual(list(self.model.reconstruct([])), [])

    def test_streams_are_streams(self):
        taken = []

        def source():
            for t in range(40):
                taken.append(t)
                yield paint(1, seed=t)[0]

        stream = self.model.reconstruct(source())
        next(stream)
        self.assertEqual(len(taken), 16)
        stream.close()

    def test_other_grids_and_what_a_model_is(self):
        with vidtwin.Model(NONSQUARE, precision="f32", threads=1) as model:
            i = model.info
            self.assertNotEqual(i.height, i.width)
            clip = paint(i.clip_frames, (i.height, i.width))[None]
            latents = model.encode(clip)
            self.assertEqual(latents.structure.shape[1:], i.structure_shape)
            self.assertEqual(latents.dynamics_x.shape[1:], i.dynamics_x_shape)
            self.assertEqual(latents.dynamics_y.shape[1:], i.dynamics_y_shape)
            self.assertEqual(model.decode(latents).shape, clip.shape)
            self.assertEqual((i.threads, i.precision), (1, "f32"))
            with self.assertRaises(vidtwin.ArgumentError):
                latents.cowvla()
        for name in ("bf16", "int8"):
            with vidtwin.Model(TINY, precision=name) as model:
                self.assertEqual(model.info.precision, name)

    def test_the_bundled_model(self):
        with vidtwin.Model() as model:
            self.assertEqual((model.info.height, model.info.width), (224, 224))
        lines = []
        config, checkpoint = os.path.join(TINY, "config.yaml"), os.path.join(TINY, "model.safetensors")
        with vidtwin.Model(config=config, checkpoint=checkpoint, copy_weights=True,
                           log=lambda level, text: lines.append((level, text))) as model:
            self.assertEqual(model.info.weights, self.model.info.weights)
            self.assertEqual(model.identity, self.model.identity)
        self.assertTrue(any(str(self.model.info.weights) in text for _, text in lines), lines)


class Refusals(ModelCase):
    def refused(self, kind, words, call, *arguments, **options):
        with self.assertRaises(kind) as caught:
            call(*arguments, **options)
        self.assertIsInstance(caught.exception, vidtwin.Error)
        self.assertRegex(str(caught.exception), words)

    def test_every_status_has_its_class(self):
        kinds = {-1: (vidtwin.ArgumentError, ValueError), -2: (vidtwin.ModelError, vidtwin.Error),
                 -3: (vidtwin.DataError, ValueError), -4: (vidtwin.OutOfMemoryError, MemoryError),
                 -5: (vidtwin.StateError, RuntimeError),
                 -6: (vidtwin.UnsupportedError, NotImplementedError),
                 -7: (vidtwin.InternalError, RuntimeError)}
        for status, (kind, builtin) in kinds.items():
            error = of_status(status, "words")
            self.assertIs(type(error), kind)
            self.assertIsInstance(error, builtin)
            self.assertIsInstance(error, vidtwin.Error)
            self.assertEqual((error.status, str(error)), (status, "words"))
        self.assertIsInstance(of_status(-99, ""), vidtwin.InternalError)

    def test_models(self):
        self.refused(vidtwin.ModelError, "/nonexistent", vidtwin.Model, "/nonexistent")
        self.refused(vidtwin.ModelError, "test_model.py", vidtwin.Model, config=__file__, checkpoint=__file__)
        self.refused(vidtwin.ArgumentError, "both", vidtwin.Model, config=__file__)
        self.refused(vidtwin.ArgumentError, "precision.*'f64'", vidtwin.Model, precision="f64")
        for threads in (0, -1, 1025, "2", 1.5, 2**70):
            self.refused(vidtwin.ArgumentError, "threads", vidtwin.Model, TINY, threads=threads)
        self.refused(vidtwin.ArgumentError, "model", vidtwin.Model, 7)

    def test_frames(self):
        clip = paint(16)[None]
        for given in (clip[0], clip[..., :2], clip[:, :, :63], paint(17)[None], clip[:, :0], clip[0, 0],
                      np.zeros((1, 16, 32, 32, 3), np.uint8), np.zeros((1, 4, 16, 64, 64), np.uint8)):
            self.refused(vidtwin.ArgumentError, "frames: expected", self.model.encode, given)
        for kind in (np.float64, np.float16, np.int16, bool, object):
            self.refused(vidtwin.ArgumentError, "uint8.*float32.*found", self.model.encode, clip.astype(kind))
        for given in (None, "frames", 3, [[1, 2], [3]]):
            self.refused(vidtwin.ArgumentError, "frames", self.model.encode, given)
        for bad in (np.nan, np.inf):
            floats = clip.astype(np.float32) / 255
            floats[0, 3, 5, 7, 1] = bad
            self.refused(vidtwin.DataError, "NaN or infinite", self.model.encode, floats)
            self.refused(vidtwin.DataError, "NaN or infinite", list, self.model.reconstruct(floats[0]))
        self.assertEqual(len(self.model.encode(clip[:0])), 0)
        self.refused(vidtwin.ArgumentError, "frame 1", list,
                     self.model.reconstruct([clip[0, 0], clip[0, 0, :5]]))
        self.refused(vidtwin.ArgumentError, "overlap", self.model.reconstruct, [], overlap=16)
        self.refused(vidtwin.ArgumentError, "part", self.model.reconstruct, [], part="motion")
        self.refused(vidtwin.ArgumentError, "seed", self.model.encode, clip, seed=-1)
        self.refused(vidtwin.ArgumentError, "as many clips", self.model.reenact, clip, np.repeat(clip, 2, 0))

    def test_latents(self):
        latents = self.model.encode(paint(16)[None])
        s, x, y = latents.structure, latents.dynamics_x, latents.dynamics_y
        for words, given in (
            ("dynamics_x.*None", vidtwin.Latents(s)), ("structure.*found", vidtwin.Latents(s[0], x, y)),
            ("dynamics_y.*1 clips", vidtwin.Latents(s, x, np.repeat(y, 2, 0))),
            ("float32 or float16", vidtwin.Latents(s.astype(np.float64), x, y)), ("vidtwin.Latents", s),
        ):
            self.refused(vidtwin.ArgumentError, words, self.model.decode, given)
        s = s.copy()
        s.flat[0] = np.nan
        self.refused(vidtwin.DataError, "NaN or infinite", self.model.decode, vidtwin.Latents(s, x, y))
        self.assertEqual(
            self.model.decode(vidtwin.Latents(None, x, y), part="dynamics").shape, (1, 16, 64, 64, 3))
        for frames in (0, 17, "1"):
            self.refused(vidtwin.ArgumentError, "frames", self.model.decode, latents, frames=frames)
        self.refused(vidtwin.ArgumentError, "dtype", self.model.decode, latents, dtype=np.int32)
        for out in (np.zeros((2, 16, 64, 64, 3), np.uint8), np.zeros((1, 15, 64, 64, 3), np.uint8),
                    np.zeros((1, 16, 64, 64, 3), np.int8), np.zeros(3), b"bytes"):
            self.refused(vidtwin.ArgumentError, "out", self.model.decode, latents, out=out)
        closed = np.zeros((1, 16, 64, 64, 3), np.uint8)
        closed.flags.writeable = False
        self.refused(vidtwin.ArgumentError, "may be written", self.model.decode, latents, out=closed)

    def test_a_closed_model(self):
        model = vidtwin.Model(TINY, threads=1)
        stream = model.reconstruct(paint(40))
        first = next(stream)
        model.close()
        model.close()
        self.assertTrue(model.closed)
        self.assertIn("closed", repr(model))
        clip = paint(16)[None]
        for call in (lambda: model.encode(clip), lambda: model.moments(clip), lambda: model.info,
                     lambda: model.identity, lambda: list(model.reconstruct(clip[0])), model.__enter__):
            self.refused(vidtwin.StateError, "closed", call)
        # A stream that had begun keeps what it needs.
        self.assertEqual(1 + len(list(stream)), 40)
        self.assertEqual(first.shape, (64, 64, 3))

    def test_no_memory(self):
        program = (
            "import resource, numpy as np, vidtwin, sys\n"
            "model = vidtwin.Model(sys.argv[1], threads=1, precision='f32')\n"
            "clip = np.zeros((1, 16, 64, 64, 3), np.uint8)\n"
            "expected = model.encode(clip)\n"
            "used = int(open('/proc/self/statm').read().split()[0]) * 4096\n"
            "limits = resource.getrlimit(resource.RLIMIT_AS)\n"
            "resource.setrlimit(resource.RLIMIT_AS, (used, limits[1]))\n"
            "try: model.encode(clip)\n"
            "except MemoryError as error: kind = type(error)\n"
            "resource.setrlimit(resource.RLIMIT_AS, limits)\n"
            "assert kind is vidtwin.OutOfMemoryError, kind\n"
            "assert (model.encode(clip).structure == expected.structure).all()\n")
        done = subprocess.run([sys.executable, "-c", program, TINY], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_an_older_library(self):
        with self.assertRaises(ImportError):
            _library._load("/nonexistent/libvidtwin.so.1")
        with self.assertRaises(ImportError):
            _library._load("libm.so.6")

    def test_changed_files(self):
        import shutil
        folder = self.path("copy")
        shutil.copytree(TINY, folder)
        with vidtwin.Model(folder, threads=1) as model:
            with open(os.path.join(folder, "model.safetensors"), "ab") as file:
                file.write(b"x")
            self.refused(vidtwin.ModelError, "changed", lambda: model.identity)


class Sharing(ModelCase):
    def test_threads_compute_at_once_what_one_computes(self):
        clips = [clips_of(paint(16, seed=s)) for s in range(4)]
        expected = [self.model.encode(c).structure for c in clips]
        found, spans = [None] * 4, [None] * 4
        start = threading.Barrier(4)

        def work(i):
            start.wait()
            begin = time.monotonic()
            for _ in range(10):
                found[i] = self.model.encode(clips[i]).structure
            spans[i] = (begin, time.monotonic())

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for a, b in zip(found, expected):
            self.assertTrue(np.array_equal(a, b))
        # All four were at work together.
        self.assertLess(max(b for b, _ in spans), min(e for _, e in spans))

    def marks_during_a_call(self, library):
        """How often Python goes on while the library opens a model, which takes a while."""
        options, handle = _library.ModelOptions(), ctypes.c_void_p()
        message = ctypes.create_string_buffer(512)
        library.vidtwin_model_options_default(
            ctypes.byref(options), ctypes.c_size_t(ctypes.sizeof(options)))
        options.threads, options.model = 1, None
        marks, stop = [], threading.Event()

        def mark():
            while not stop.is_set():
                marks.append(time.monotonic())
                time.sleep(0.0005)

        thread = threading.Thread(target=mark)
        thread.start()
        time.sleep(0.01)
        inside = 0
        for _ in range(10):
            begin = time.monotonic()
            library.vidtwin_model_open(
                ctypes.byref(handle), ctypes.byref(options), message, ctypes.c_size_t(512))
            end = time.monotonic()
            inside += sum(begin < m < end for m in marks)
            library.vidtwin_model_close(ctypes.byref(handle))
        stop.set()
        thread.join()
        return inside

    def test_the_interpreters_lock_is_free_during_calls(self):
        free = self.marks_during_a_call(ctypes.CDLL(_library.path()))
        # With the lock held, Python goes on at most while a call begins and ends: this test can fail.
        held = self.marks_during_a_call(ctypes.PyDLL(_library.path()))
        self.assertGreater(free, 3 * held + 20)

    def test_closing_while_others_compute(self):
        clip = paint(16)[None]
        expected = self.model.encode(clip).structure
        for _ in range(5):
            model, errors = vidtwin.Model(TINY, precision="f32", threads=2), []

            def work():
                try:
                    while True:
                        if not np.array_equal(model.encode(clip).structure, expected):
                            errors.append("other numbers")
                except vidtwin.StateError:
                    pass
                except BaseException as error:
                    errors.append(error)

            threads = [threading.Thread(target=work) for _ in range(3)]
            for t in threads:
                t.start()
            time.sleep(0.02)
            model.close()
            for t in threads:
                t.join()
            self.assertEqual(errors, [])

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_children_of_a_fork_compute(self):
        clip = paint(16)[None]
        expected = self.model.encode(clip).structure
        stream = self.model.reconstruct(paint(40))
        first = next(stream)
        child = os.fork()
        if child == 0:
            try:
                good = np.array_equal(self.model.encode(clip).structure, expected)
                good = good and len(list(stream)) == 39
                os._exit(0 if good else 1)
            except BaseException:
                os._exit(2)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(first.shape, (64, 64, 3))
        self.assertEqual(len(list(stream)), 39)
        self.assertTrue(np.array_equal(self.model.encode(clip).structure, expected))

    def test_a_fork_while_others_compute(self):
        clip, stop, errors = paint(16)[None], threading.Event(), []
        expected = self.model.encode(clip).structure

        def work():
            while not stop.is_set():
                if not np.array_equal(self.model.encode(clip).structure, expected):
                    errors.append("other numbers")

        thread = threading.Thread(target=work)
        thread.start()
        try:
            for _ in range(10):
                child = os.fork()
                if child == 0:
                    os._exit(0 if np.array_equal(self.model.encode(clip).structure, expected) else 1)
                self.assertEqual(os.waitpid(child, 0)[1], 0)
        finally:
            stop.set()
            thread.join()
        self.assertEqual(errors, [])

    def test_other_processes_open_it_again(self):
        again = pickle.loads(pickle.dumps(self.model))
        self.assertEqual(again.info, self.model.info)
        again.close()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(_structure, (self.model, paint(16)[None]))
        self.assertTrue(np.array_equal(found, self.model.encode(paint(16)[None]).structure))

    def test_what_is_dropped_is_given_back(self):
        def threads():
            return len(os.listdir("/proc/self/task"))

        gc.collect()
        before = threads()
        for _ in range(3):
            model = vidtwin.Model(TINY, threads=6)
            model.encode(paint(16)[None])
            del model
            gc.collect()
        self.assertLessEqual(threads(), before)
        first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for i in range(60):
            self.model.encode(paint(16, seed=i)[None])
            next(self.model.reconstruct(paint(20)))
        self.assertLess(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - first, 20_000)


def _structure(model, clip):
    return model.encode(clip).structure


if __name__ == "__main__":
    unittest.main()
