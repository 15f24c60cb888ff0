"""Where latents go: torch, WebDataset, Hugging Face's datasets, Parquet of FastVideo and LeRobot."""

import importlib.util
import json
import os
import unittest

import numpy as np

import vidtwin

from .support import ModelCase, clips_of, paint


def needs(*modules):
    missing = [m for m in modules if importlib.util.find_spec(m) is None]
    return unittest.skipIf(missing, f"not installed: {', '.join(missing)}")


class Files(ModelCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tars, cls.samples = [], []
        for video in range(3):
            latents = cls.model.encode(clips_of(paint(16 * (video + 2) - 5, seed=video)))
            samples = list(vidtwin.clip_samples(
                cls.model, f"video{video}", latents, frames=16 * (video + 2) - 5, rate="30000/1001"))
            for sample in samples:
                sample.companions["txt"] = f"clip {sample.key}\n".encode()
            cls.tars.append(os.path.join(cls.folder, f"{video}.tar"))
            vidtwin.write_latents(cls.tars[-1], samples)
            cls.samples += samples
        cls.by_key = {s.key: s for s in cls.samples}


@needs("torch")
class Torch(Files):
    def test_tensors_are_not_copied(self):
        import torch
        frames = clips_of(paint(32))
        tensor = torch.from_numpy(frames.copy())
        from vidtwin.frames import Clips, Output
        self.assertEqual(Clips(tensor, (64, 64), 16, "frames").view.ctypes.data, tensor.data_ptr())
        planes = tensor.permute(0, 4, 1, 2, 3)
        self.assertEqual(Clips(planes.contiguous(), (64, 64), 16, "f").frames(0)[0].format, 3)
        floats = (planes.contiguous().float() / 255).requires_grad_()
        self.assertEqual(Clips(floats, (64, 64), 16, "frames").view.ctypes.data, floats.data_ptr())
        out = torch.zeros(2, 3, 16, 64, 64, dtype=torch.uint8)
        self.assertEqual(Output(2, 16, (64, 64), None, True, out)._memory.ctypes.data, out.data_ptr())
        latents = self.model.encode(tensor)
        self.assertTrue(np.array_equal(latents.structure, self.model.encode(frames).structure))
        self.assertIs(self.model.decode(latents, out=out), out)
        expected = self.model.decode(latents)
        self.assertTrue(np.array_equal(out.permute(0, 2, 3, 4, 1).numpy(), expected))
        named = latents.torch()
        self.assertEqual(named["structure"].data_ptr(), latents.structure.ctypes.data)
        again = vidtwin.Latents(**named)
        self.assertTrue(np.array_equal(self.model.decode(again), expected))
        stream = list(self.model.reconstruct(tensor[0]))
        self.assertEqual(len(stream), 16)

    def test_tensors_that_are_refused(self):
        import torch
        for given in (torch.zeros(1, 16, 64, 64, 3, dtype=torch.bfloat16), torch.zeros(1, 16, 64, 64, 3).half(),
                      torch.zeros(1, 16, 64, 64, 3, device="meta"), torch.zeros(16, 64, 64, 3).to_sparse()):
            with self.assertRaises(vidtwin.ArgumentError):
                self.model.encode(given)

    def test_a_loader_gives_each_clip_once(self):
        from torch.utils.data import DataLoader

        from vidtwin.torch import LatentDataset
        for paths in (self.tars, self.tars[2:]):
            wanted = sorted(s.key for s in self.samples if paths is self.tars or s.key.startswith("video2"))
            for workers in (0, 1, 2):
                loader = DataLoader(LatentDataset(paths), batch_size=2, num_workers=workers)
                for _ in range(2):
                    keys = []
                    for batch in loader:
                        keys += batch["key"]
                        for i, key in enumerate(batch["key"]):
                            self.assertTrue(np.array_equal(
                                batch["structure"][i].numpy(), self.by_key[key].arrays["structure"]))
                    self.assertEqual(sorted(keys), wanted, (workers, len(paths)))

    def test_a_loader_whose_workers_are_spawned_and_use_the_model(self):
        from torch.utils.data import DataLoader

        from vidtwin.torch import LatentDataset
        for how in ("fork", "spawn"):
            dataset = LatentDataset(self.tars, info=True, transform=Decode(self.model))
            loader = DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context=how)
            found = {key: pixels for key, pixels in loader}
            self.assertEqual(sorted(found), sorted(self.by_key))
            sample = self.samples[1]
            self.assertTrue(np.array_equal(found[sample.key], self.model.decode(sample.latents())[0]))

    def test_no_paths_and_damaged_ones(self):
        from vidtwin.torch import LatentDataset
        with self.assertRaises(vidtwin.ArgumentError):
            LatentDataset([])
        with self.assertRaises(vidtwin.FormatError):
            list(LatentDataset(__file__))


class Decode:
    """Decodes in a worker, with a model of the parent's."""

    def __init__(self, model):
        self.model = model

    def __call__(self, clip):
        latents = vidtwin.Latents(*(clip[n].numpy()[None] for n in ("structure", "dynamics_x", "dynamics_y")))
        assert json.loads(clip["info"])["validFrames"] == clip["valid_frames"]
        return clip["key"], self.model.decode(latents)[0]


class Others(Files):
    @needs("webdataset", "torch")
    def test_webdataset(self):
        import webdataset
        dataset = webdataset.WebDataset(self.tars, shardshuffle=False).decode()
        loader = webdataset.WebLoader(dataset, batch_size=None, num_workers=2)
        found = {s["__key__"]: s for s in loader}
        self.assertEqual(sorted(found), sorted(self.by_key))
        for key, sample in self.by_key.items():
            self.assertTrue(np.array_equal(found[key]["dynamics_x.npy"], sample.arrays["dynamics_x"]))
            self.assertEqual(found[key]["json"], sample.info)
            self.assertEqual(found[key]["txt"], f"clip {key}\n")

    @needs("datasets")
    def test_hugging_face_datasets(self):
        import datasets
        datasets.disable_progress_bars()
        found = datasets.load_dataset(
            "webdataset", data_files={"train": self.tars}, split="train", streaming=True)
        rows = {row["__key__"]: row for row in found}
        self.assertEqual(sorted(rows), sorted(self.by_key))
        for key, sample in self.by_key.items():
            self.assertTrue(np.array_equal(
                np.asarray(rows[key]["structure.npy"], np.float32), sample.arrays["structure"]))
            self.assertEqual(rows[key]["json"]["firstFrame"], sample.info["firstFrame"])
            self.assertEqual(rows[key]["txt"], f"clip {key}\n")

    @needs("pyarrow")
    def test_fastvideo(self):
        import pyarrow.parquet as pq

        from vidtwin.export import write_fastvideo
        path = self.path("fastvideo.parquet")
        count = write_fastvideo(path, self.samples, captions={"video1_000000": "other"},
                                embed=lambda text: np.full((2, 4), len(text), np.float32), rows_per_group=4)
        table = pq.read_table(path)
        self.assertEqual((count, table.num_rows), (len(self.samples), len(self.samples)))
        self.assertEqual(table.column_names[:15], [
            "id", "vae_latent_bytes", "vae_latent_shape", "vae_latent_dtype", "text_embedding_bytes",
            "text_embedding_shape", "text_embedding_dtype", "file_name", "caption", "media_type", "width",
            "height", "num_frames", "duration_sec", "fps"])
        for row in table.to_pylist():
            sample = self.by_key[row["id"]]

            def array(name):
                return np.frombuffer(row[f"{name}_bytes"], row[f"{name}_dtype"]).reshape(row[f"{name}_shape"])

            self.assertTrue(np.array_equal(
                array("vae_latent"), sample.arrays["structure"].transpose(3, 0, 1, 2)))
            self.assertTrue(np.array_equal(array("dynamics_y"), sample.arrays["dynamics_y"]))
            caption = "other" if row["id"] == "video1_000000" else f"clip {row['id']}"
            self.assertEqual((row["caption"], row["media_type"]), (caption, "video"))
            self.assertEqual(array("text_embedding").tolist(), [[float(len(caption))] * 4] * 2)
            self.assertEqual(row["num_frames"], sample.info["validFrames"])
            self.assertAlmostEqual(row["fps"], 29.97002997)
            self.assertAlmostEqual(row["duration_sec"] * row["fps"], row["num_frames"])

    @needs("pyarrow")
    def test_lerobot(self):
        import pyarrow as pa
        import pyarrow.parquet as pq

        from vidtwin.export import add_lerobot_feature, frame_vectors
        root = self.path("robot")
        os.makedirs(os.path.join(root, "meta"))
        os.makedirs(os.path.join(root, "data", "chunk-000"))
        lengths, episodes, frames = [27, 43], [], []
        for episode, length in enumerate(lengths):
            episodes += [episode] * length
            frames += range(length)
        path = os.path.join(root, "data", "chunk-000", "file-000.parquet")
        notes = {"info": {"features": {"frame_index": {"dtype": "int64", "_type": "Value"}}}}
        table = pa.table({"episode_index": episodes, "frame_index": frames})
        pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(notes)}), path)
        about = os.path.join(root, "meta", "info.json")
        with open(about, "w") as file:
            json.dump({"fps": 30, "features": {"frame_index": {"dtype": "int64", "shape": [1], "names": None}}}, file)
        vectors = {}
        for episode, length in enumerate(lengths):
            mine = [s for s in self.samples if s.key.startswith(f"video{episode}_")]
            vectors[episode] = frame_vectors(mine, length)
            self.assertEqual(vectors[episode].shape, (length, 2 * 8 * 16 * 2))
            for t in (0, 15, 16, length - 1):
                expected = mine[t // 16].latents().cowvla()[0]
                self.assertTrue(np.array_equal(vectors[episode][t], expected))
        with open(path, "rb") as file:
            before = file.read()
        for wrong in ({0: vectors[0]}, {0: vectors[0], 1: vectors[1][:-1]}, {0: vectors[0], 1: vectors[1][:, :5]}, {}):
            with self.assertRaises(vidtwin.ArgumentError):
                add_lerobot_feature(root, "observation.dynamics", wrong)
            with open(path, "rb") as file:
                self.assertEqual(file.read(), before)
        entry = add_lerobot_feature(root, "observation.dynamics", vectors)
        self.assertEqual(entry, {"dtype": "float32", "shape": [512], "names": None})
        grown = pq.read_table(path)
        self.assertEqual(grown.schema.field("observation.dynamics").type, pa.list_(pa.float32(), 512))
        column = np.array(grown["observation.dynamics"].to_pylist(), np.float32)
        self.assertTrue(np.array_equal(column, np.concatenate([vectors[0], vectors[1]])))
        listed = json.loads(grown.schema.metadata[b"huggingface"])["info"]["features"]
        self.assertEqual(listed["observation.dynamics"]["length"], 512)
        with open(about) as file:
            self.assertEqual(json.load(file)["features"]["observation.dynamics"], entry)
        with self.assertRaises(vidtwin.ArgumentError):
            add_lerobot_feature(root, "observation.dynamics", vectors)
        with self.assertRaises(vidtwin.FormatError):
            add_lerobot_feature(self.folder, "observation.dynamics", vectors)
        with self.assertRaises(vidtwin.FormatError):
            frame_vectors(self.samples[1:2], 5)
        self.assertEqual([n for n in os.listdir(os.path.dirname(path)) if n.endswith("tmp")], [])


if __name__ == "__main__":
    unittest.main()
