import Testing
import VidTwinTestSupport

private let tiny = "--config $GOLDENS/tiny/config.yaml --ckpt $GOLDENS/tiny/model.safetensors"

/// `good.tar`, two clips and a part of a third.
private let latents = """
    ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 37 -vf scale=64:64 -pix_fmt rgb24 -f rawvideo in.rgb
    vtfilter encode \(tiny) -f rawvideo -s 64x64 --pix-fmt rgb24 -r 25 -i in.rgb -o good.tar || exit

    """

private let script = "python3 '\(Fixtures.folder)/scripts/hostile_latents.py'"

@Suite struct `Latents that lie` {
    @Test func `each lie has its words and its status`() {
        let result = Shell.run(
            latents + "\(script) table good.tar vtfilter decode \(tiny)", seconds: 300)
        #expect(result.status == 0, "\(result.text) \(result.errors)")
        #expect(result.text.hasSuffix(" 0 wrong answers"), "\(result.text)")
    }

    @Test func `mutated streams never crash decode`() {
        let result = Shell.run(
            latents + "\(script) fuzz 80 good.tar vtfilter decode \(tiny)", seconds: 300)
        #expect(result.status == 0, "\(result.text) \(result.errors)")
        #expect(result.text.contains("3:") && result.text.contains("0:"), "\(result.text)")
    }

    @Test func `info and cross-reenact refuse them too`() {
        let result = Shell.run(
            latents + """
                head -c 20000 good.tar > cut.tar
                vtfilter info cut.tar > out; echo $?
                vtfilter cross-reenact \(tiny) --structure cut.tar --dynamics good.tar > out.y4m; echo $?
                vtfilter encode \(tiny) -f rawvideo -s 64x64 --pix-fmt rgb24 -r 25 --stride 5 -i in.rgb > windows.tar
                vtfilter cross-reenact \(tiny) --structure windows.tar --dynamics good.tar > out.y4m; echo $?
                head -c 30000 /dev/urandom > a.safetensors
                vtfilter decode \(tiny) -i a.safetensors; echo $?
                """)
        #expect(result.text == "3\n3\n3\n3", "\(result.text) \(result.errors)")
        #expect(result.errors.contains("share no frames"), "\(result.errors)")
    }
}
