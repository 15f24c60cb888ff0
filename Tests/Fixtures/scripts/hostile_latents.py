"""Gives `vtfilter decode` latents that lie, and looks at what it says and how it exits.

    python3 hostile_latents.py table GOOD.tar DECODE...    each lie has its status and words
    python3 hostile_latents.py fuzz COUNT GOOD.tar DECODE...   mutated streams never crash it

DECODE is the command, which gets the stream on standard input.
"""
import gzip
import io
import json
import random
import resource
import struct
import subprocess
import sys
import tarfile


def members(path):
    with tarfile.open(path) as archive:
        return [(m.name, archive.extractfile(m).read()) for m in archive]


def tar(entries, kind=tarfile.USTAR_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def decode(command, data, seconds=60):
    done = subprocess.run(
        command, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds,
        preexec_fn=limit)
    return done.returncode, len(done.stdout), done.stderr.decode(errors="replace")


def npy(descr, shape, data, fortran="False"):
    header = "{'descr': %s, 'fortran_order': %s, 'shape': %s, }" % (descr, fortran, shape)
    header += " " * ((-len(header) - 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def table(good):
    """(what, stream, status, words)"""
    entries = members(good)
    count = len([1 for name, _ in entries if name.endswith(".json")])
    assert count >= 2, count
    first = [n for n, _ in entries if n.endswith(".json")][0]
    structure = [n for n, _ in entries if n.endswith("structure.npy")][0]
    raw = dict(entries)[structure]

    def info(**changes):
        def edit(name, data):
            value = json.loads(data)
            for key, new in changes.items():
                if new is KeyError:
                    del value[key]
                else:
                    value[key] = new
            return json.dumps(value).encode()
        return tar([(n, edit(n, d) if n == first else d) for n, d in entries])

    def array(data):
        return tar([(n, data if n == structure else d) for n, d in entries])

    size = len(raw) - 10 - struct.unpack("<H", raw[8:10])[0]
    shape = raw[10:].split(b"(")[1].split(b")")[0].decode()
    data = raw[-size:]
    nan = struct.pack("<f", float("nan")) + data[4:]
    infinite = struct.pack("<f", float("inf")) + data[4:]
    whole = tar(entries)
    yield "nothing is wrong", whole, 0, ""
    yield "nothing at all", b"", 3, "none"
    yield "no tar", b"nonsense" * 1000, 3, "tar header"
    yield "an empty tar", tar([]), 3, "none"
    yield "no JSON", tar([e for e in entries if e[0] != first]), 3, ".json beside the arrays"
    yield "JSON that is none", tar([(n, b"{" if n == first else d) for n, d in entries]), 3, first
    yield "deep JSON", tar([(n, b"[" * 100000 if n == first else d) for n, d in entries]), 3, first
    yield "object arrays", array(npy("'|O'", "(%s)" % shape, data)), 3, "<f4 or <f2"
    yield "records", array(npy("[('a', '<f4')]", "(%s)" % shape, data)), 3, "whole numbers"
    yield "doubles", array(npy("'<f8'", "(%s)" % shape, data)), 3, "<f4 or <f2"
    yield "big-endian", array(npy("'>f4'", "(%s)" % shape, data)), 3, "<f4 or <f2"
    yield "columns first", array(npy("'<f4'", "(%s)" % shape, data, "True")), 3, "C order"
    yield "a negative size", array(npy("'<f4'", "(-1, %s)" % shape, data)), 3, "whole numbers"
    yield "a huge size", array(npy("'<f4'", "(9223372036854775807, 9)", data)), 3, "fits the data"
    yield "a size beyond numbers", array(npy("'<f4'", "(99999999999999999999,)", data)), 3, "whole"
    yield "zero times huge", array(npy("'<f4'", "(0, 9223372036854775807, 4)", b"")), 3, "shape"
    yield "another shape", array(npy("'<f4'", "(%d,)" % (size // 4), data)), 3, "expected shape"
    yield "too few bytes", array(npy("'<f4'", "(%s)" % shape, data[:-4])), 3, "bytes of data"
    yield "too many bytes", array(npy("'<f4'", "(%s)" % shape, data + b"1234")), 3, "bytes of data"
    yield "a header beyond the end", array(raw[:8] + b"\xff\xff" + raw[10:]), 3, "header of 65535"
    yield "version 3", array(raw[:6] + b"\x03" + raw[7:]), 3, "version 3"
    yield "NaN", array(npy("'<f4'", "(%s)" % shape, nan)), 3, "NaN or infinite"
    yield "infinity", array(npy("'<f4'", "(%s)" % shape, infinite)), 3, "NaN or infinite"
    for key in json.loads(dict(entries)[first]):
        if key not in ("rate", "seed"):
            yield "without " + key, info(**{key: KeyError}), 3, "no " + key
        if key not in ("seed",):
            yield key + " of another kind", info(**{key: [{}]}), 3, "another"
    biggest = 2 ** 63 - 1
    for key, value, words in [
        ("firstFrame", -1, "firstFrame"), ("firstFrame", biggest, "firstFrame"),
        ("firstFrame", 1e300, "vtfilter encode writes"), ("validFrames", 0, "validFrames"),
        ("validFrames", 17, "pts"), ("validFrames", 4097, "validFrames"),
        ("validFrames", -biggest, "validFrames"), ("validFrames", 15, "pts"),
        ("stride", 0, "stride"), ("width", 0, "width"), ("width", 10 ** 9, "width"),
        ("height", -5, "height"), ("rate", "0/0", "rate"),
        ("rate", "-25", "rate"), ("rate", "25/0", "rate"), ("rate", "1e9", "rate"),
        ("rate", "99999999999999", "rate"), ("timeBase", "0/1", "timeBase"),
        ("timeBase", "-1/25", "timeBase"), ("timeBase", "1/0", "timeBase"),
        ("sampleAspect", "-1/1", "sampleAspect"), ("sampleAspect", "x", "sampleAspect"),
        ("pts", [0] * 16, "ascend"), ("pts", [-biggest] + [biggest] * 15, "ascend"),
        ("pts", [-biggest] + list(range(15)), "ascend"), ("pts", list(range(16))[::-1], "ascend"),
        ("lastDuration", -1, "lastDuration"), ("lastDuration", biggest, "lastDuration"),
        ("pixelFormat", "nonsense", "pixel format"), ("pixelFormat", "", "pixel format"),
        ("fit", "tile", "fit"), ("fit", "nonsense", "fit"),
    ]:
        yield "%s %s" % (key, str(value)[:30]), info(**{key: value}), 3, words
    yield "padded to a size that is none", info(width=30000, fit="pad"), 3, "no such video"
    yield "another configuration", info(configSHA256="0"), 4, "another configuration"
    yield "another checkpoint", info(checkpointSHA256="0"), 4, "another checkpoint"
    yield "a name that a terminal obeys", info(configSHA256="\x1b[2J\x9b2J"), 4, "\\u{1b}[2J\\u{9b}2J"
    again = [(n.replace(first[:4], "else", 1), d) for n, d in entries]
    yield "two videos", tar(entries + again), 3, "clips of one video"
    yield "a video twice", tar(entries + [("x.txt", b"")] + entries), 0, "is there twice"
    changed = array(npy("'<f4'", "(%s)" % shape, struct.pack("<f", 0.5) + data[4:]))
    yield "a clip twice, not the same", tar(entries + [("x.txt", b"")]) + changed, 3, "another"
    yield "one file twice", tar(entries[:1] + entries), 3, "once"
    yield "clips in another order", tar(
        [e for k in sorted({n.split(".")[0] for n, _ in entries})[::-1]
         for e in entries if e[0].startswith(k)]), 0, ""
    late = json.loads(dict(entries)[first])
    late["pts"] = [t + 10 ** 6 for t in late["pts"]]
    yield "times that go back", info(pts=late["pts"]), 3, "time after"
    yield "a first clip that is missing", tar(entries[len(entries) // count:]), 0, ""
    huge = tarfile.TarInfo("a.structure.npy")
    huge.size = (8 << 30) - 1
    yield "a huge member", huge.tobuf(tarfile.USTAR_FORMAT) + whole, 3, "64 MB"
    huge.size = 60 << 20
    yield "a large member that does not come", huge.tobuf() + whole, 3, "truncated"
    many = [("a.%d.npy" % i, raw) for i in range(100)]
    yield "many members", tar(many), 3, "at most 32"
    large = bytes(24 << 20)
    yield "large members", tar([("a.%d.npy" % i, large) for i in range(4)]), 3, "64 MB"
    yield "large members of no sample", tar([("b.%d.bin" % i, large) for i in range(4)]) + whole, 0, ""
    yield "large JSON", tar([(n, b" " * 3000000 if n == first else d) for n, d in entries]), 3, "1 MB"
    yield "zeros without end", bytes(32 << 20), 3, "zeros"
    yield "gzip", gzip.compress(whole), 0, ""
    yield "gzip in parts", gzip.compress(whole[:1000]) + gzip.compress(whole[1000:]), 0, ""
    yield "gzip, cut", gzip.compress(whole)[:-2000], 3, "gzip"
    yield "gzip, damaged", gzip.compress(whole)[:-2000] + b"nonsense" * 1000, 3, "expected"
    yield "zstd", b"\x28\xb5\x2f\xfd" + bytes(1000), 3, "zstd"
    yield "macOS's files", tar([e for n, d in entries for e in (("._" + n, b"x"), (n, d))]), 0, ""
    yield "folders", tar([("./a/b." + "c/" * 70 + n, d) for n, d in entries]), 0, ""
    for kind in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        yield "long names", tar([("folder/" * 30 + n, d) for n, d in entries], kind), 0, ""
        yield "names of Unicode", tar([("é" * 99 + n, d) for n, d in entries], kind), 0, ""
    pax = tarfile.TarInfo("pax")
    pax.type, pax.size = b"x", 512
    for text in (b"9999 path=a\n", b"x", b"-5 path=a\n", b"9 path=a", b"0 =\n", b"5\n=a\n"):
        yield "a pax header that lies", pax.tobuf() + text.ljust(512, b"\1") + whole, 3, "pax"
    pax.size = 2 << 20
    yield "a large pax header", pax.tobuf() + bytes(2 << 20) + whole, 3, "1 MB"
    for cut in (1, 511, 512, 700, len(whole) // 2, len(whole) - 1500):
        yield "cut at %d" % cut, whole[:cut], 3 if cut % 512 else None, ""


def main():
    if sys.argv[1] == "table":
        good, command = sys.argv[2], sys.argv[3:]
        wrong = ran = 0
        for what, stream, status, words in table(good):
            found, _, said = decode(command, stream)
            ran += 1
            if status is None and found in (0, 3):
                continue
            # What a terminal would obey never comes out as it is, whatever the lie.
            bare = any(c < " " and c != "\n" or "\x7f" <= c < "\xa0" for c in said)
            if found != status or words not in said or bare or (status != 0 and not said):
                wrong += 1
                print("%s: expected %s and \"%s\", found %s and %s" % (
                    what, status, words, found, said[-300:]))
        print("%d lies, %d wrong answers" % (ran, wrong))
        sys.exit(wrong > 0)
    count, good, command = int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    whole = tar(members(good))
    chance = random.Random(7)
    statuses = {}
    for turn in range(count):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 2, 4, 16])):
            # Most bytes are latents, whose values matter little: headers and JSON come first.
            at = chance.randrange(len(data))
            if chance.random() < 0.8:
                marks = [b"NUMPY", b"{\"", b"ustar", b"pts", b"rate", b"width", b"valid"]
                places = []
                mark, start = chance.choice(marks), 0
                while (start := data.find(mark, start)) >= 0:
                    places.append(start)
                    start += 1
                if places:
                    at = max(min(chance.choice(places) + chance.randrange(-260, 140), len(data) - 1), 0)
            if chance.random() < 0.7:
                data[at] = chance.choice(b"0123456789-,:\"[]{}() .\x00\xff")
            elif chance.random() < 0.5:
                data[at:at + 1] = bytes(chance.randrange(256) for _ in range(chance.randrange(9)))
            else:
                del data[at:at + chance.randrange(1, 600)]
        if chance.random() < 0.5:  # or every change would end at the checksum
            for block in range(0, len(data) - 511, 512):
                if data[block + 257:block + 262] == b"ustar":
                    data[block + 148:block + 156] = b" " * 8
                    data[block + 148:block + 156] = b"%06o\0 " % sum(data[block:block + 512])
        status, _, said = decode(command, bytes(data))
        statuses[status] = statuses.get(status, 0) + 1
        if status not in (0, 1, 3, 4) or "Fatal error" in said:
            with open("crash-%d.tar" % turn, "wb") as out:
                out.write(data)
            print("turn %d: status %d: %s" % (turn, status, said[-300:]))
            sys.exit(1)
    print(" ".join("%d:%d" % pair for pair in sorted(statuses.items())))


main()
