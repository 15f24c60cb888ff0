"""Small checkpoints that ask for much, and what a command takes to read them.

    python3 pickle_bombs.py COMMAND...   COMMAND with the file's name behind it, for each of them

Prints a line each: name, exit status, and whether it stayed within 600 MB and 10 seconds.
"""
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zipfile


def archive(path, pickle, storages=(), level=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", level) as out:
        out.writestr("archive/data.pkl", pickle)
        for name, data in storages:
            out.writestr("archive/data/" + name, data)


def tensor(key, count, name):
    """A state dict's pair: a float32 tensor of a storage."""
    return (
        b"X" + struct.pack("<I", len(name)) + name + b"ctorch._utils\n_rebuild_tensor_v2\n(("
        b"X\x07\0\0\0storagectorch\nFloatStorage\nX" + struct.pack("<I", len(key)) + key
        + b"X\x03\0\0\0cpuJ" + struct.pack("<i", count) + b"tQK\0J" + struct.pack("<i", count)
        + b"\x85K\x01\x85\x89)tR")


def bombs():
    pairs = b"".join(b"(K\x01K\x02l" for _ in range(100000))
    yield "ordered", b"\x80\x02ccollections\nOrderedDict\n(" + pairs + b"l\x85q\x01R" + (
        b"ccollections\nOrderedDict\nh\x01R" * 600) + b".", ()
    short = b"\x80\x02ccollections\nOrderedDict\nq\x02(" + pairs + b"l\x85q\x01R" + b"h\x02h\x01R" * 2000
    yield "ordered-short", short + b".", ()
    yield "ordered-items", b"\x80\x02ccollections\nOrderedDict\nq\x02(" + pairs + b"l\x85q\x01R" + (
        b"h\x02h\x01RK\x01K\x02s" * 5000) + b".", ()
    yield "marks", b"\x80\x02" + b"(" * (60 << 20), ()
    yield "tuples", b"\x80\x02" + b")" * (60 << 20), ()
    yield "popped", b"\x80\x02" + b"]0" * (30 << 20) + b"N.", ()
    yield "memo", b"\x80\x02N" + b"".join(b"r" + struct.pack("<I", i) for i in range(3 << 20)) + b".", ()
    yield "memoize", b"\x80\x04N" + b"\x94" * (60 << 20) + b".", ()
    yield "lists", b"\x80\x02(" + b"N" * 1000000 + b"l" + b"(N0l" * (10 << 20) + b".", ()
    yield "shape", b"\x80\x02}(" + b"(" + b"K\x01" * 500000 + b"tq\x01" + b"".join(
        tensor(b"0", 1, b"%d" % i).replace(b"\x85\x89", b"0h\x01h\x01\x89") for i in range(2000)) + b"u.", (
            ("0", bytes(4)),)
    yield "storages", b"\x80\x02}(" + b"".join(
        tensor(b"%d" % i, 32 << 20, b"t%d" % i) for i in range(12)) + b"u.", tuple(
            ("%d" % i, bytes(128 << 20)) for i in range(12))


def limit():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name, pickle, storages in bombs():
            path = os.path.join(folder, name + ".ckpt")
            archive(path, pickle, storages)
            start = time.monotonic()
            child = subprocess.Popen(
                sys.argv[1:] + [path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                preexec_fn=limit)
            said = child.stderr.read().decode(errors="replace")
            _, status, usage = os.wait4(child.pid, 0)
            seconds, peak = time.monotonic() - start, usage.ru_maxrss >> 10
            bounded = "bounded" if peak < 600 and seconds < 10 else "%d MB, %.1f s" % (peak, seconds)
            print(name, os.waitstatus_to_exitcode(status), bounded)
            print("%s: %d bytes, %d MB, %.2f s, %s" % (
                name, os.path.getsize(path), peak, seconds, said.strip()[:200]), file=sys.stderr)
            os.remove(path)


main()
