import Testing
import VidTwinTestSupport

private let tiny = "--config $GOLDENS/tiny/config.yaml"

@Suite struct `Checkpoints on the command line` {
    @Test func `small checkpoints that ask for much are refused within bounds`() {
        let result = Shell.run(
            """
            python3 '\(Fixtures.folder)/scripts/pickle_bombs.py' vtfilter info \(tiny) --ckpt
            """, seconds: 300)
        let lines = result.text.split(separator: "\n")
        #expect(lines.count == 11 && lines.allSatisfy { $0.hasSuffix(" 4 bounded") }, "\(result)")
    }

    @Test func `names that training changed, averages beside them, and several files`() {
        let result = Shell.run(
            """
            cat > rename.py << 'EOF'
            import json, struct, sys
            import numpy as np
            def read(path):
                data = open(path, "rb").read()
                n = struct.unpack("<Q", data[:8])[0]
                header = json.loads(data[8:8 + n])
                header.pop("__metadata__", None)
                return {k: (v["dtype"], v["shape"], data[8 + n:][slice(*v["data_offsets"])]) for k, v in header.items()}
            def write(path, tensors):
                header, at = {}, 0
                for k, (dtype, shape, data) in tensors.items():
                    header[k] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
                    at += len(data)
                text = json.dumps(header).encode()
                open(path, "wb").write(struct.pack("<Q", len(text)) + text + b"".join(d for _, _, d in tensors.values()))
            whole = read(sys.argv[1])
            half = {k: (t, s, (np.frombuffer(d, np.float32) * np.float32(0.5)).tobytes()) for k, (t, s, d) in whole.items()}
            half.update({k: v for k, v in whole.items() if "pos_embed" in k})
            write("half.safetensors", half)
            for i, before in enumerate(("module.", "_orig_mod.", "model.", "module._orig_mod.", "model.module._orig_mod.")):
                write("wrapped%d.safetensors" % i, {before + k: v for k, v in whole.items()})
            write("wrapped5.safetensors", {k.replace("encoder.", "encoder._orig_mod.", 1): v for k, v in whole.items()})
            learned = {k: v for k, v in half.items() if "pos_embed" not in k}
            count = {"model_ema.decay": ("F32", [], bytes(4)), "model_ema.num_updates": ("I32", [], bytes(4))}
            write("ema0.safetensors", {**whole, **{"model_ema." + k.replace(".", ""): v for k, v in learned.items()}, **count})
            write("ema1.safetensors", {**whole, **{"model_ema." + k: v for k, v in half.items()}})
            write("ema2.safetensors", {"module." + k: v for k, v in read("ema0.safetensors").items()})
            names, places = sorted(whole), {}
            for i in range(3):
                file = "model-0000%d-of-00003.safetensors" % (i + 1)
                write(file, {k: whole[k] for k in names[i::3]})
                places.update({k: file for k in names[i::3]})
            index = {"metadata": {"total_size": 1, "x": [{"y": "}"}, None, -1.5e3]}, "weight_map": places}
            json.dump(index, open("model.safetensors.index.json", "w"), indent=1)
            index["weight_map"] = {k: "../" + v for k, v in places.items()}
            json.dump(index, open("out.safetensors.index.json", "w"))
            index["weight_map"] = dict(places, more=places[names[0]])
            json.dump(index, open("more.safetensors.index.json", "w"))
            EOF
            python3 rename.py $GOLDENS/tiny/model.safetensors
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 16 -vf scale=64:64 -pix_fmt rgb24 -f rawvideo in.rgb
            sum() { vtfilter reconstruct \(tiny) -f rawvideo -s 64x64 --pix-fmt rgb24 -r 25 -i in.rgb "$@" | md5sum; }
            whole=$(sum --ckpt $GOLDENS/tiny/model.safetensors); half=$(sum --ckpt half.safetensors)
            [ "$whole" != "$half" ] && echo differ
            for f in wrapped*.safetensors ema*.safetensors model.safetensors.index.json; do
              [ "$(sum --ckpt $f)" = "$whole" ] && echo whole
            done | uniq -c | tr -s ' '
            for f in ema*.safetensors; do [ "$(sum --ema --ckpt $f)" = "$half" ] && echo half; done | uniq -c | tr -s ' '
            vtfilter convert ema0.safetensors \(tiny) --ema --precision f32 -o c.safetensors
            [ "$(sum --ckpt c.safetensors)" = "$half" ] && echo half
            vtfilter info \(tiny) --ema --ckpt half.safetensors; echo $?
            vtfilter info \(tiny) --ckpt out.safetensors.index.json; echo $?
            vtfilter info \(tiny) --ckpt more.safetensors.index.json; echo $?
            """, seconds: 120)
        #expect(
            result.text == "differ\n 10 whole\n 3 half\nhalf\n4\n4\n4",
            "\(result.text) \(result.errors)")
        for words in [
            "names are read without model.module._orig_mod.", "which are not taken",
            "expected averaged weights", "names of .safetensors files beside it", "more: expected",
        ] {
            #expect(result.errors.contains(words), "\(words): \(result.errors)")
        }
    }

    @Test func `what does not fit is summed up in a line, and listed with -v`() {
        let result = Shell.run(
            """
            vtfilter info --config $GOLDENS/tiny/config.yaml --ckpt $GOLDENS/noncausal/golden.safetensors 2> short; echo $?
            vtfilter info -v --config $GOLDENS/tiny/config.yaml --ckpt $GOLDENS/noncausal/golden.safetensors 2> long
            wc -l < short; grep -c 'missing: ' long; cat short >&2
            """)
        let lines = result.text.split(separator: "\n").map(String.init)
        #expect(lines.prefix(2) == ["4", "1"], "\(result)")
        #expect((lines.last.flatMap { Int($0) } ?? 0) > 100, "\(result)")
        let summary = /[0-9]+ names are missing: ([a-z_0-9.]+, ){4}….* \(-v lists all\)/
        #expect(result.errors.contains(summary), "\(result.errors)")
    }

    @Test func `a checkpoint is opened once`() {
        let result = Shell.run(
            """
            cat > opens.py << 'EOF'
            import ctypes, os, struct, subprocess, sys
            libc = ctypes.CDLL(None, use_errno=True)
            watch = libc.inotify_init1(os.O_NONBLOCK)
            assert libc.inotify_add_watch(watch, sys.argv[1].encode(), 0x20) >= 0  # IN_OPEN
            subprocess.run(sys.argv[2:], check=True, stdout=subprocess.DEVNULL)
            print(len(os.read(watch, 65536)) // 16)
            EOF
            vtfilter convert -q $GOLDENS/tiny/model.ckpt \(tiny) -o c.safetensors
            cp $GOLDENS/tiny/model.safetensors p.safetensors
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 4 -vf scale=64:64 -pix_fmt rgb24 -f rawvideo in.rgb
            raw="-f rawvideo -s 64x64 --pix-fmt rgb24 -r 25 -i in.rgb"
            python3 opens.py c.safetensors vtfilter encode -q --checkpoint c.safetensors $raw
            python3 opens.py p.safetensors vtfilter encode -q --checkpoint p.safetensors \(tiny) $raw
            python3 opens.py c.safetensors vtfilter info --checkpoint c.safetensors
            """)
        #expect(result.text == "1\n1\n1", "\(result.text) \(result.errors)")
    }
}
