import Testing
import VidTwinTestSupport

private let clip = """
    ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 20 -vf scale=224:224 -pix_fmt rgb24 -f rawvideo in.rgb
    raw="-f rawvideo -s 224x224 --pix-fmt rgb24 -r 25"

    """

@Suite struct `vtfilter --precision, convert and bench` {
    @Test(arguments: ["bf16", "int8"])
    func `a narrow precision gives nearly the same pictures, the same for any thread count`(
        _ precision: String
    ) {
        let result = Shell.run(
            clip + """
                vtfilter reconstruct -q $raw --precision f32 < in.rgb > a.rgb &&
                vtfilter reconstruct -q $raw --precision \(precision) --threads 1 < in.rgb > b.rgb &&
                vtfilter reconstruct -q $raw --precision \(precision) --threads 5 < in.rgb > c.rgb &&
                cmp b.rgb c.rgb && ! cmp -s a.rgb b.rgb &&
                ffmpeg -v info -f rawvideo -s 224x224 -pix_fmt rgb24 -i a.rgb \
                  -f rawvideo -s 224x224 -pix_fmt rgb24 -i b.rgb -lavfi psnr -f null - 2>&1 |
                  sed -n 's/.*average:\\([0-9]*\\).*/\\1/p'
                """)
        #expect(result.status == 0, "\(result.text) \(result.errors)")
        #expect((Int(result.text) ?? 0) >= 36, "PSNR \(result.text)")
    }

    @Test(arguments: ["SSE41", "AVX", "AVX2"])
    func `every precision works on lesser CPUs`(_ level: String) {
        let result = Shell.run(
            clip + """
                for p in f32 bf16 int8; do
                  vtfilter reconstruct -q $raw --precision $p < in.rgb > $p.rgb &&
                  ONEDNN_MAX_CPU_ISA=\(level) VIDTWIN_CPU=baseline \
                    vtfilter reconstruct -q $raw --precision $p < in.rgb > low-$p.rgb &&
                  ffmpeg -v info -f rawvideo -s 224x224 -pix_fmt rgb24 -i $p.rgb \
                    -f rawvideo -s 224x224 -pix_fmt rgb24 -i low-$p.rgb -lavfi psnr -f null - 2>&1 |
                    sed -n 's/.*average:\\([0-9inf]*\\).*/\\1/p'
                done
                """)
        let figures = result.text.split(separator: "\n").map { $0 == "inf" ? 99 : Int($0) ?? 0 }
        // int8 has 7 bits of an activation there, not 8: the same picture, coarser (card: 0.4 dB).
        #expect(
            figures.count == 3 && figures[0] >= 50 && figures[1] >= 50 && figures[2] >= 32,
            "\(level): \(result.text) \(result.errors)")
    }

    @Test func `auto says what it picked`() {
        let result = Shell.run(
            clip + "vtfilter reconstruct -v $raw < in.rgb > out.rgb; ONEDNN_MAX_CPU_ISA=AVX2 "
                + "vtfilter reconstruct -v $raw < in.rgb > out.rgb")
        #expect(result.errors.contains("(auto)"), "\(result.errors)")
        #expect(result.errors.contains("float32 (auto)"), "\(result.errors)")
    }

    @Test func `weights converted once serve without a configuration`() {
        let result = Shell.run(
            clip + """
                model="$GOLDENS/../../../models/vidtwin-nano"
                for p in f32 bf16 int8; do
                  vtfilter convert "$model/model.safetensors" --config "$model/config.yaml" \
                    --precision $p -o $p.safetensors -q &&
                  vtfilter reconstruct -q $raw --precision $p < in.rgb > a.rgb &&
                  vtfilter reconstruct -q $raw --precision $p --checkpoint $p.safetensors \
                    < in.rgb > b.rgb && cmp a.rgb b.rgb && echo same
                done
                test $(stat -c %s int8.safetensors) -lt $(stat -c %s f32.safetensors) && echo smaller
                vtfilter info --checkpoint int8.safetensors | grep -c I8
                vtfilter encode -q $raw < in.rgb | vtfilter decode -q --checkpoint int8.safetensors \
                  --precision int8 > c.y4m && echo related
                vtfilter convert --model vidtwin-nano -o f32.safetensors; echo $?
                vtfilter convert --model vidtwin-nano -o f32.bin; echo $?
                vtfilter convert int8.safetensors -o /nowhere/x.safetensors; echo $?
                vtfilter convert in.rgb --config "$model/config.yaml" -o x.safetensors; echo $?
                ls
                """)
        #expect(
            result.text.split(separator: "\n").map(String.init) == [
                "same", "same", "same", "smaller", "1", "related", "2", "2", "1", "4", "a.rgb",
                "b.rgb", "bf16.safetensors", "c.y4m", "f32.safetensors", "in.rgb",
                "int8.safetensors",
            ], "\(result.text) \(result.errors)")
    }

    @Test func `bench measures, with a checkpoint or with random weights`() {
        let result = Shell.run(
            """
            vtfilter bench --clips 1 --json > a.json &&
            vtfilter bench --clips 1 --random-weights 7 --config $GOLDENS/tiny/config.yaml \
              --precision int8 > b.txt &&
            python3 - <<'END'
            import json
            r = json.load(open("a.json"))
            assert 0 < r["ratioToCeiling"] < 2 and r["gigaOperationsPerClip"] > 1
            total = sum(s["seconds"] for s in r["stages"])
            assert abs(total - r["secondsPerClip"]) < 0.2 * r["secondsPerClip"], (total, r)
            assert {"MLP", "norms", "Q-Former", "heads"} <= {s["name"] for s in r["stages"]}
            assert r["peakMegabytes"] > 10
            text = open("b.txt").read()
            assert "random, seed 7" in text and "int8" in text and "GFLOP" in text
            END
            vtfilter bench --clips 0; echo $?
            """)
        #expect(result.text == "2", "\(result.text) \(result.errors)")
    }
}
