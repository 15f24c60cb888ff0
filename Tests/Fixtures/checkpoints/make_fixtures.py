"""Small checkpoints of every kind that is read, or refused, made with PyTorch.

    python make_fixtures.py        (torch 2.13, numpy, safetensors; writes beside itself)

Every file holds, under the names below, values that the tests compute again:
`a` [3, 4] = i/8 - 0.5, `b` [5] = i*i, and others as the code says.
"""
import collections
import io
import pathlib
import pickle
import struct
import zipfile

import numpy as np
import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent
a = (torch.arange(12, dtype=torch.float32) / 8 - 0.5).reshape(3, 4)
b = torch.arange(5, dtype=torch.float32) ** 2
plain = collections.OrderedDict(a=a, b=b)


class Alien:
    """Something that must not be needed to read the weights."""

    def __init__(self):
        self.text, self.table = "x" * 300, {1: (2.5, [True, None, b"raw", 2**70])}


for protocol in (2, 3, 4, 5):
    torch.save(plain, here / f"protocol{protocol}.pt", pickle_protocol=protocol)

names = {"float64": "f64", "float32": "f32", "float16": "f16", "bfloat16": "bf16", "int64": "i64",
         "int32": "i32", "int16": "i16", "int8": "i8", "uint8": "u8", "bool": "bool"}
types = {short: (a * 8 + 4).to(getattr(torch, name)) for name, short in names.items()}
types["f16_fine"] = torch.tensor([6e-8, -3e-6, 65504.0, 0.1], dtype=torch.float16)
torch.save(types, here / "types.pt")
types8 = dict(types, f8_e4m3=torch.tensor([0.5, -448.0, 0.001953125]).to(torch.float8_e4m3fn),
              f8_e5m2=torch.tensor([0.5, -57344.0, 1.52587890625e-05]).to(torch.float8_e5m2))
save_file(types8, here / "types.safetensors", metadata={"note": 'quote " and \u00fc'})
torch.save({k: types8[k] for k in ("f8_e4m3", "f8_e5m2")}, here / "float8.pt")

base = torch.arange(40, dtype=torch.float32)
torch.save({"transposed": a.t(), "offset": base[7:12], "strided": base[1::3], "shared": base,
            "middle": base.reshape(2, 4, 5)[:, 1:3, ::2], "scalar": torch.tensor(2.5),
            "empty": torch.zeros(0, 3), "parameter": torch.nn.Parameter(a)}, here / "views.pt")

torch.save({"epoch": 3, "state_dict": plain, "callbacks": {"c": Alien()}, "loops": [Alien()] * 2,
            "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}}}],
            "hyper_parameters": {"x": np.float64(1.5), "s": {1, 2}, "f": frozenset([3])}},
           here / "lightning.ckpt")


def rewrite(source, target, change=lambda name, data: data, **options):
    with zipfile.ZipFile(here / source) as old, zipfile.ZipFile(here / target, "w", **options) as new:
        for item in old.infolist():
            data = change(item.filename, old.read(item))
            if data is not None:
                new.writestr(item.filename, data)


rewrite("protocol2.pt", "deflated.pt", compression=zipfile.ZIP_DEFLATED)


def big(name, data):
    if name.endswith("byteorder"):
        return b"big"
    if "/data/" in name:
        return np.frombuffer(data, "<f4").astype(">f4").tobytes()
    return data


rewrite("protocol2.pt", "big_endian.pt", big)
rewrite("protocol2.pt", "no_byteorder.pt", lambda n, d: None if n.endswith("byteorder") else d)
torch.save(plain, here / "legacy.pt", _use_new_zipfile_serialization=False)
(here / "bare.pkl").write_bytes(pickle.dumps({"a": 1}, protocol=2))



class Evil:
    """What Python would do for whoever loads this file."""

    def __reduce__(self):
        import os
        return os.mkdir, ("/tmp/vidtwin-was-here",)


torch.save({"state_dict": collections.OrderedDict(a=a), "evil": Evil(), "list": [Evil()]}, here / "evil.pt")

# The old format as Python 2 wrote it: byte strings, and an OrderedDict made from a list of pairs.
byte = lambda text: b"U" + bytes([len(text)]) + text
storage = lambda key, count: (b"((" + byte(b"storage") + b"ctorch\nFloatStorage\n" + byte(key) + byte(b"cuda:0")
                              + b"\x8a\x01" + bytes([count]) + b"NtQ")
rebuild = lambda key, tensor: (b"ctorch._utils\n_rebuild_tensor\n" + storage(key, tensor.numel()) + b"K\x00("
                               + b"".join(b"K" + bytes([n]) for n in tensor.shape) + b"t("
                               + b"".join(b"K" + bytes([n]) for n in tensor.stride()) + b"ttR")
pair = lambda name, key, tensor: b"](" + byte(name) + rebuild(key, tensor) + b"e"
(here / "legacy_python2.pt").write_bytes(
    pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
    + b"\x80\x02}(" + byte(b"protocol_version") + b"M\xe9\x03" + byte(b"little_endian") + b"\x88u."
    + b"\x80\x02ccollections\nOrderedDict\n](" + pair(b"a", b"111", a) + pair(b"b", b"22", b) + b"e\x85R."
    + b"\x80\x02](" + byte(b"22") + byte(b"111") + b"e."
    + struct.pack("<q", 5) + b.numpy().tobytes() + struct.pack("<q", 12) + a.numpy().tobytes())

# zip64 records for every size, as for archives above 4 GB.
with zipfile.ZipFile(here / "protocol2.pt") as old:
    entries = [(i.filename.encode(), old.read(i), i.CRC) for i in old.infolist()]
out, directory = io.BytesIO(), b""
for name, data, crc in entries:
    offset = out.tell()
    extra = struct.pack("<HHQQ", 1, 16, len(data), len(data))
    out.write(struct.pack("<IHHHHHIIIHH", 0x04034B50, 45, 0, 0, 0, 0, crc, 0xFFFFFFFF, 0xFFFFFFFF,
                          len(name), len(extra)) + name + extra + data)
    extra = struct.pack("<HHQQQ", 1, 24, len(data), len(data), offset)
    directory += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 45, 45, 0, 0, 0, 0, crc, 0xFFFFFFFF,
                             0xFFFFFFFF, len(name), len(extra), 0, 0, 0, 0, 0xFFFFFFFF) + name + extra
start = out.tell()
out.write(directory)
end = out.tell()
out.write(struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, len(entries), len(entries),
                      len(directory), start))
out.write(struct.pack("<IIQI", 0x07064B50, 0, end, 1))
out.write(struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0))
(here / "zip64.pt").write_bytes(out.getvalue())

# Noise of torch.randn, for the sampling.
noise = {f"seed{seed}_{count}": torch.randn(count, generator=torch.Generator().manual_seed(seed))
         for seed, count in ((0, 16), (1, 15), (7, 100), (123456789, 1000))}
g = torch.Generator().manual_seed(5)
noise["draws"] = torch.cat([torch.randn(3, generator=g), torch.randn(20, generator=g),
                            torch.randn(1, generator=g), torch.randn(2, generator=g)])
save_file(noise, here / "torch_randn.safetensors")
