import Testing
import VidTwinTestSupport

/// 40 frames as raw video, three clips of the tiny model; `video NAME` is another of that content.
private let input = """
    m="--config $GOLDENS/tiny/config.yaml --ckpt $GOLDENS/tiny/model.safetensors"
    raw="-f rawvideo -s 64x64 --pix-fmt rgb24 -r 25"
    ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 40 -vf scale=64:64 -pix_fmt rgb24 -f rawvideo in.rgb
    keys() { vtfilter encode -q $m $raw --frames 1 "$@" | tar t | grep json; }

    """

@Suite struct `Latents of several videos` {
    @Test func `videos of different names have samples of different names`() {
        let result = Shell.run(
            input + """
                long=$(printf 'name%.0s' {1..20})
                for n in clip.001 clip.002 clip_001 'clip 001' clip001 視頻一 視頻二 é è $long-a $long-b .hidden; do
                  cp in.rgb "$n.rgb"; keys -i "./$n.rgb"
                done > all
                sort -u all | wc -l; grep -c '^[^./]*_000000.json$' all
                awk '{ if (length($0) > 100) print }' all; sed -n '1p;3p;5,6p' all
                keys < in.rgb; keys -i in.rgb --name my.set/7; keys -i in.rgb --name größe
                """)
        #expect(
            result.text == """
                12
                12
                clip_001-93a228ee_000000.json
                clip_001_000000.json
                clip001_000000.json
                視頻一_000000.json
                clip_000000.json
                my_set_7_000000.json
                größe_000000.json
                """, "\(result.text) \(result.errors)")
    }

    @Test func `one video of a shard is picked by name`() {
        let result = Shell.run(
            input + """
                for v in a b; do
                  vtfilter encode -q $m $raw -i in.rgb --frames $([ $v = a ] && echo 40 || echo 20) --name $v > $v.tar
                  vtfilter decode $m < $v.tar > $v.y4m; tar x -f $v.tar --one-top-level=set/$v
                done
                cat a.tar b.tar > ab.tar; (cd set && find . -name '*.npy' -o -name '*.json' | sort | tar c -T -) | gzip > ab.tar.gz
                for v in a b; do for f in ab.tar ab.tar.gz; do
                  vtfilter decode $m --name $v < $f | cmp - $v.y4m && echo same
                done; done
                vtfilter decode $m --name a/a < ab.tar.gz | cmp - a.y4m && echo same
                vtfilter decode $m < ab.tar | cmp - a.y4m; echo ${PIPESTATUS[*]}
                vtfilter decode $m --name c < ab.tar; echo $?
                vtfilter info ab.tar.gz | grep -c ': frames'
                """)
        #expect(
            result.text == "same\nsame\nsame\nsame\nsame\n3 0\n3\n5",
            "\(result.text) \(result.errors)")
        #expect(
            result.errors.contains("--name NAME picks one of several, found those of a and of b"))
        #expect(result.errors.contains("expected a video named c, found a, b"))
    }

    @Test func `clips in any order give the frames of the video`() {
        let result = Shell.run(
            input + """
                vtfilter encode -q $m $raw --stride 3 -i in.rgb --name v > v.tar; mkdir x; tar x -f v.tar -C x
                vtfilter decode $m < v.tar > v.y4m
                for order in "sort -r" "sort -R --random-source=in.rgb"; do
                  for k in $(ls x/*.json | $order); do
                    for f in ${k%.json}.*; do echo ${f#x/}; done
                  done > list; tar c -C x -T list > r.tar
                  vtfilter decode $m < r.tar | cmp - v.y4m && echo same
                  vtfilter cross-reenact -q $m --structure r.tar --dynamics r.tar > /dev/null; echo $?
                done
                grep -v v_000004 list | tar c -C x -T - | vtfilter decode $m > gap.y4m; echo $?
                tar c -C x $(grep v_000007 list) | vtfilter decode $m | tail -c +64 > one.y4m; echo ${PIPESTATUS[1]}
                """)
        // Windows that share frames cannot be crossed, whatever their order.
        #expect(result.text == "same\n3\nsame\n3\n0\n0", "\(result.text) \(result.errors)")
    }

    @Test func `what holds no clips of a video is refused`() {
        let result = Shell.run(
            input + """
                vtfilter decode $m -i .; echo $?
                vtfilter decode $m < /dev/zero; echo $?
                vtfilter info /dev/zero; echo $?
                head -c 100000 /dev/urandom | gzip | vtfilter decode $m; echo $?
                """, seconds: 60)
        #expect(result.text == "3\n3\n3\n3", "\(result.text) \(result.errors)")
        #expect(result.errors.contains("found a folder"))
    }

    @Test func `one vector for the dynamics: position by position x's channels, then y's`() {
        let result = Shell.run(
            input + """
                vtfilter encode -q $m $raw -i in.rgb > a.tar
                vtfilter encode -q $m $raw -i in.rgb --layout cowvla > b.tar
                cat > vectors.py << 'EOF'
                import io, json, tarfile
                import numpy as np
                def members(path):
                    archive = tarfile.open(path)
                    return {m.name: archive.extractfile(m).read() for m in archive}
                def write(path, entries):
                    with tarfile.open(path, "w") as archive:
                        for name in sorted(entries):
                            info = tarfile.TarInfo(name)
                            info.size = len(entries[name])
                            archive.addfile(info, io.BytesIO(entries[name]))
                array = lambda data: np.load(io.BytesIO(data))
                def npy(values):
                    out = io.BytesIO()
                    np.save(out, np.array(values, np.float32))
                    return out.getvalue()
                a, b, old = members("a.tar"), members("b.tar"), {}
                for key in sorted({name.split(".")[0] for name in a}):
                    x, y = array(a[key + ".dynamics_x.npy"]), array(a[key + ".dynamics_y.npy"])
                    d, frames, positions = x.shape
                    expected, parts = [], []
                    for f in range(frames):
                        for n in range(positions):
                            expected += [x[c, f, n] for c in range(d)] + [y[c, f, n] for c in range(d)]
                    for z in (x, y):
                        for f in range(frames):
                            for n in range(positions):
                                parts += [z[c, f, n] for c in range(d)]
                    print(array(b[key + ".dynamics.npy"]).tolist() == [float(v) for v in expected])
                    old[key + ".structure.npy"] = a[key + ".structure.npy"]
                    old[key + ".dynamics.npy"] = npy(parts)
                    info = json.loads(b[key + ".json"])
                    print(info["layout"])
                    old[key + ".json"] = json.dumps(dict(info, layout="cowvla")).encode()
                write("old.tar", old)
                write("other.tar", {name: data.replace(b'"cowvla"', b'"cowvla-9"') for name, data in old.items()})
                EOF
                python3 vectors.py | sort | uniq -c | tr -s ' '
                for f in a b old; do vtfilter decode $m < $f.tar | md5sum; done | uniq | wc -l
                vtfilter decode $m < other.tar; echo $?
                g=$GOLDENS/nonsquare
                vtfilter encode -q --config $g/config.yaml --ckpt $g/model.safetensors $raw -i in.rgb --layout cowvla; echo $?
                """)
        #expect(
            result.text == "3 True\n 3 cowvla-2\n1\n3\n2", "\(result.text) \(result.errors)")
        #expect(result.errors.contains("found cowvla-9"))
        #expect(result.errors.contains("as many rows as columns"), "\(result.errors)")
    }
}
