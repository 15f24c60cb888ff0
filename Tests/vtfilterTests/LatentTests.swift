import Testing
import VidTwinTestSupport

private let raw = "-f rawvideo -s 224x224 --pix-fmt rgb24 -r 25"

/// `in.y4m`, 37 frames of 480x270.
private let input = """
    ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 37 -f yuv4mpegpipe in.y4m

    """

@Suite struct `vtfilter encode and decode` {
    @Test(arguments: ["", "--sample --seed 5", "--part structure", "--part dynamics"])
    func `encode, then decode gives the bytes of reconstruct`(_ options: String) {
        let result = Shell.run(
            input + """
                vtfilter reconstruct -q \(options) < in.y4m > a.y4m &&
                vtfilter encode -q \(options) < in.y4m | vtfilter decode > b.y4m && cmp a.y4m b.y4m
                """)
        #expect(result.status == 0, "\(result.text) \(result.errors)")
    }

    @Test func `raw frames and files come back too`() {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 17 -vf scale=224:224 -pix_fmt rgb24 \
              -f rawvideo in.rgb
            vtfilter reconstruct \(raw) < in.rgb > a.rgb &&
            vtfilter encode \(raw) -i in.rgb -o l.tar && vtfilter decode -i l.tar -f rawvideo > b.rgb &&
            cmp a.rgb b.rgb && stat -c %s b.rgb
            vtfilter encode \(raw) -i in.rgb -o l.tar; echo $?
            """)
        #expect(result.text == "\(17 * 224 * 224 * 3)\n2", "\(result.errors)")
    }

    @Test(arguments: ["", "--fit pad"])
    func `decode: the size is the output's`(_ options: String) {
        let result = Shell.run(
            input + """
                vtfilter encode -q \(options) < in.y4m > l.tar &&
                vtfilter decode -q -f rawvideo -s 320x180 --pix-fmt rgb24 < l.tar > small.rgb &&
                stat -c %s small.rgb
                vtfilter decode -q -s 224 < l.tar > x; echo $?
                """)
        #expect(result.text == "\(37 * 320 * 180 * 3)\n2", "\(result.errors)")
    }

    @Test func `variable times come back`() {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/bunny.mp4 -vf "select='not(eq(mod(n,5),3))'" \
              -fps_mode passthrough -frames:v 20 -an -c:v libx264 in.mkv
            vtfilter encode -q -i in.mkv | vtfilter decode -f nut > out.nut
            for f in in.mkv out.nut; do
              ffprobe -v error -show_entries packet=pts_time -of csv=p=0 $f | sort -n > $f.pts; done
            wc -l < out.nut.pts
            paste in.mkv.pts out.nut.pts | awk '{ d = $1 - $2; if (d*d > 1e-6) bad = 1 } END { exit bad }'
            """)
        #expect(result.status == 0 && result.text == "20", "\(result.text) \(result.errors)")
    }

    @Test func `tar, names and shapes are what tarfile and numpy read`() {
        let result = Shell.run(
            input + """
                vtfilter encode -q -i in.y4m --with-logvar > a.tar
                vtfilter encode -q -i in.y4m --layout cowvla --latent-dtype f16 --name my.set/7 > b.tar
                python3 - << 'EOF'
                import io, json, tarfile
                import numpy as np
                a, b = {}, {}
                for path, out in (("a.tar", a), ("b.tar", b)):
                    for member in tarfile.open(path):
                        data = tarfile.open(path).extractfile(member).read()
                        name = member.name
                        out[name] = np.load(io.BytesIO(data)) if name.endswith(".npy") else json.loads(data)
                print(" ".join(sorted({n.split(".")[0] for n in list(a) + list(b)})))
                shapes = {n.split(".", 1)[1]: v.shape for n, v in a.items() if n.endswith("npy")}
                print(shapes["structure.npy"], shapes["dynamics_x.npy"], shapes["structure_logvar.npy"])
                info = a["in_000002.json"]
                print(info["firstFrame"], info["validFrames"], info["width"], info["height"], info["rate"])
                x, y = a["in_000001.dynamics_x.npy"], a["in_000001.dynamics_y.npy"]
                flat = np.concatenate([x, y]).transpose(1, 2, 0).reshape(-1)
                other = b["my_set_7_000001.dynamics.npy"]
                print(other.shape, other.dtype, np.abs(flat - other).max() < 0.002)
                EOF
                vtfilter decode -i b.tar > b.y4m && vtfilter decode -i a.tar > a.y4m && ls -l [ab].y4m | wc -l
                """)
        #expect(
            result.text == """
                in_000000 in_000001 in_000002 my_set_7_000000 my_set_7_000001 my_set_7_000002
                (16, 7, 7, 8) (8, 16, 7) (16, 7, 7, 8)
                32 5 480 270 25
                (1792,) float16 True
                2
                """, "\(result.text) \(result.errors)")
    }

    @Test func `one file instead of a stream`() {
        let result = Shell.run(
            input + """
                vtfilter encode -q -i in.y4m -o l.safetensors && vtfilter decode -i l.safetensors > a.y4m
                vtfilter encode -q -i in.y4m | vtfilter decode | cmp - a.y4m && echo same
                vtfilter cross-reenact -q --structure l.safetensors --dynamics l.safetensors | cmp - a.y4m && echo same
                vtfilter decode -i $GOLDENS/tiny/model.safetensors; echo $?
                ls -A | grep -c tmp
                """)
        #expect(result.text == "same\nsame\n3\n0", "\(result.text) \(result.errors)")
    }

    @Test func `progress and quality of decode and cross-reenact`() {
        let result = Shell.run(
            input + """
                vtfilter encode -q -i in.y4m -o l.tar --progress e.log
                vtfilter decode -q -i l.tar -o d.mkv --vcodec ffv1 --progress d.log
                vtfilter cross-reenact -q --structure in.y4m --dynamics l.tar -o c.mkv --crf 30 --progress c.log
                for f in e d c; do tail -n 1 $f.log; grep '^frame=' $f.log | tail -n 1; done | sort | uniq -c | tr -s ' ' | tr '\\n' ';'
                ffprobe -v error -show_entries stream=codec_name -of csv=p=0 d.mkv
                """)
        #expect(
            result.text == "3 frame=37; 3 progress=end;ffv1", "\(result.text) \(result.errors)")
    }

    @Test func `what latents are`() {
        let result = Shell.run(
            input + """
                vtfilter encode -q -i in.y4m -o l.tar && vtfilter info l.tar
                vtfilter info l.tar --json | wc -l
                vtfilter info in.y4m; echo $?
                """)
        #expect(result.text.contains("480x270 yuv420p at 25 frames/s"), "\(result.errors)")
        #expect(result.text.contains("in_000002: frames 32 to 36, dynamics_x [8, 16, 7]"))
        #expect(result.text.hasSuffix("3\n3"), "\(result.text)")
    }

    @Test func `a signal ends decode, which waits for a silent pipe, after its whole clips`() {
        let result = Shell.run(
            input + """
                vtfilter encode -q -i in.y4m > l.tar
                set -m; mkfifo pipe; vtfilter decode < pipe > out.y4m & exec 3> pipe
                head -c 70000 l.tar >&3; sleep 2; kill -INT $!; wait $!; echo $?
                ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 out.y4m
                """, seconds: 30)
        #expect(
            result.text == "130\n16" || result.text == "130\n32", "\(result.text) \(result.errors)")
    }

    @Test func `windows may overlap, and every frame comes back once`() {
        let result = Shell.run(
            input + """
                vtfilter encode -q --stride 6 -i in.y4m > l.tar; tar tf l.tar | grep -c json
                vtfilter decode -i l.tar -f nut | ffprobe -v error -count_frames \
                  -show_entries stream=nb_read_frames -of csv=p=0 -
                vtfilter encode -q --stride 17 -i in.y4m | wc -c
                """)
        #expect(result.text == "5\n37\n0", "\(result.text) \(result.errors)")
        #expect(result.errors.contains("--stride 17"))
    }

    @Test(arguments: [1, 4, 10, 15])
    func `overlapping windows fade into each other as in reconstruct`(_ overlap: Int) {
        let result = Shell.run(
            """
            for n in 16 23 28 37; do
              ffmpeg -v error -y -i $MEDIA/city.mp4 -frames:v $n -vf scale=64:64 -f yuv4mpegpipe in.y4m
              m="--config $GOLDENS/tiny/config.yaml --ckpt $GOLDENS/tiny/model.safetensors"
              vtfilter reconstruct $m --overlap \(overlap) < in.y4m > a.y4m &&
              vtfilter encode $m --stride \(16 - overlap) < in.y4m | vtfilter decode $m | cmp - a.y4m || exit
            done; echo same
            """)
        #expect(result.text == "same", "\(result.text) \(result.errors)")
    }

    @Test func `latents of another model are refused in words`() {
        let result = Shell.run(
            input + """
                vtfilter encode -q -i in.y4m > l.tar
                vtfilter decode --config $GOLDENS/tiny/config.yaml --ckpt $GOLDENS/tiny/model.ckpt < l.tar
                echo $?
                cp -r \(Fixtures.repository)/models/vidtwin-nano other
                printf '\\x01' | dd of=other/model.safetensors bs=1 seek=8000000 conv=notrunc status=none
                vtfilter decode --model ./other < l.tar | wc -c; echo ${PIPESTATUS[0]}
                vtfilter decode --model ./other --force < l.tar > out.y4m; echo $?
                vtfilter decode --config $GOLDENS/tiny/config.yaml --ckpt $GOLDENS/tiny/model.ckpt \
                  --force < l.tar; echo $?
                """)
        #expect(result.text == "4\n0\n4\n0\n3", "\(result.text) \(result.errors)")
        #expect(result.errors.contains("another configuration"))
        #expect(result.errors.contains("another checkpoint"))
    }

    @Test func `a cut stream: whole clips first, then both byte counts`() {
        let result = Shell.run(
            input + """
                vtfilter encode -q -i in.y4m | head -c 50000 | vtfilter decode > out.y4m; echo ${PIPESTATUS[2]}
                ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 out.y4m
                vtfilter decode < in.y4m; echo $?
                vtfilter decode < /dev/null; echo $?
                vtfilter encode -q -i in.y4m > l.tar  # between two samples nothing else tells
                head -c $(($(stat -c %s l.tar) - 1024)) l.tar | vtfilter decode > cut.y4m; echo $?
                vtfilter decode < l.tar | cmp - cut.y4m && echo same
                """)
        #expect(result.text == "3\n16\n3\n3\n3\nsame", "\(result.text) \(result.errors)")
        #expect(result.errors.contains("expected 25216 bytes, found"))
    }
}
