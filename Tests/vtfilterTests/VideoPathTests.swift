import Testing
import VidTwinTestSupport

private let tiny =
    "--config $GOLDENS/tiny/config.yaml --ckpt $GOLDENS/tiny/model.safetensors --precision f32"

/// What a video is must survive every way through the program.
@Suite struct `Ways through vtfilter` {
    @Test(arguments: ["25", "30000/1001", "25/2"])
    func `every way keeps rate, duration and number of frames`(_ rate: String) throws {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=96x64:r=\(rate) -frames:v 20 -pix_fmt yuv420p \
              -c:v rawvideo in.nut
            for f in mp4 mkv ts; do ffmpeg -v error -i in.nut -c:v libx264 in.$f; done
            for f in mp4 mkv nut ts; do
              vtfilter reconstruct \(tiny) -q -i in.$f --output-format yuv4mpegpipe > 1.y4m
              vtfilter encode \(tiny) -q -i in.$f | vtfilter decode \(tiny) > 2.y4m
              cat in.$f | vtfilter cross-reenact \(tiny) -q --structure in.$f --dynamics in.nut -o 3.avi
              vtfilter encode \(tiny) -q -i in.$f -o $f.tar
              vtfilter decode \(tiny) -i $f.tar -y -o 4.mp4
              vtfilter cross-reenact \(tiny) -q --structure $f.tar --dynamics in.$f > 5.y4m
              for o in 1.y4m 2.y4m 3.avi 4.mp4 5.y4m; do
                ffprobe -v error -count_frames -show_entries stream=r_frame_rate,nb_read_frames,duration \
                  -of csv=p=0 $o
              done
              rm -f 3.avi
            done | sort -u
            """)
        #expect(result.status == 0, "\(result.errors)")
        let lines = result.text.split(separator: "\n")
        let parts = rate.split(separator: "/").compactMap { Double($0) }
        let seconds = 20 / (parts[0] / (parts.count > 1 ? parts[1] : 1))
        for line in lines {
            let fields = line.split(separator: ",").map(String.init)
            #expect(fields[0] == (rate.contains("/") ? rate : "\(rate)/1"), "\(result.text)")
            #expect(abs((Double(fields[1]) ?? 0) - seconds) < 0.001, "\(result.text)")
            #expect(fields[2] == "20", "\(result.text)")
        }
        #expect(!lines.isEmpty)
    }

    @Test func `what is known of pictures goes through latents`() {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=0.2 -vf setsar=16/11 \
              -pix_fmt yuv420p10le -c:v libx265 -x265-params log-level=0:max-cll=1000,400 \
              -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc \
              -chroma_sample_location topleft in.mp4
            vtfilter encode \(tiny) -i in.mp4 | vtfilter decode \(tiny) -o out.mkv
            ffprobe -v error -show_streams out.mkv
            """)
        #expect(result.status == 0 && result.errors.isEmpty, "\(result.errors)")
        for known in [
            "pix_fmt=yuv420p10le", "sample_aspect_ratio=16:11", "color_primaries=bt2020",
            "color_transfer=smpte2084", "color_space=bt2020nc", "chroma_location=topleft",
            "max_content=1000",
        ] { #expect(result.text.contains(known), "\(known): \(result.text)") }
    }

    @Test func `a turned video is upright in every output, and evaluate compares it with itself`() {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=128x96:r=25:d=0.2 -c:v libx264 flat.mp4
            ffmpeg -v error -i flat.mp4 -c copy -metadata:s:v rotate=90 in.mp4
            ffmpeg -v error -i in.mp4 -c:v ffv1 upright.mkv
            vtfilter reconstruct \(tiny) --fit pad -q -i in.mp4 -o 1.mkv
            vtfilter encode \(tiny) --fit pad -q -i in.mp4 | vtfilter decode \(tiny) -o 2.mkv
            vtfilter cross-reenact \(tiny) --fit pad -q --structure in.mp4 --dynamics flat.mp4 -o 3.mkv
            for f in 1 2 3; do
              ffprobe -v error -show_entries stream=width,height -of csv=p=0 $f.mkv; done | sort -u
            vtfilter evaluate -q --reference upright.mkv --distorted in.mp4 --csv - | tail -n 1
            """)
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.text.hasPrefix("96,128\n"), "\(result.text)")
        #expect(result.text.contains("80") && result.text.contains("1"), "\(result.text)")
    }

    @Test(arguments: [
        ("-i in.mp4 --skip 100 -o out.mp4", 3, "found 5 frames"),
        ("-i in.mp4 --skip 100 -o out.y4m", 3, "found 5 frames"),
        ("-i in.mp4 --skip 100", 3, "found 5 frames"),
        ("-i in.mp4 --frames 0 -o out.mp4", 2, "--frames 0"),
        ("-i empty.y4m -o out.mp4", 3, "no frames"), ("-i empty.y4m -o out.y4m", 3, "no frames"),
        ("-i empty.y4m", 0, "no frames"),
        ("-f rawvideo -s 8x6 --pix-fmt gbrpf32le -r 25 -i nan.raw", 3, "NaN"),
        ("-i far.mkv --sample-fps 25 -o out.nut", 3, "--max-gap"),
        ("-i far.mkv --sample-fps 25 --max-gap 0 -o out.nut", 2, "--max-gap 0"),
    ])
    func `inputs without frames, without numbers or a century long have their words`(
        _ arguments: String, _ status: Int, _ words: String
    ) {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=0.2 -pix_fmt yuv420p -c:v libx264 in.mp4
            printf 'YUV4MPEG2 W64 H64 F25:1 C420jpeg\\n' > empty.y4m
            for i in {1..144}; do printf '\\0\\0\\300\\177'; done > nan.raw
            ffmpeg -v error -i in.mp4 -vf "setpts=N*100000*25" -enc_time_base 1/25 -fps_mode passthrough \
              -c:v ffv1 far.mkv
            vtfilter reconstruct \(tiny) \(arguments) > piped
            status=$?
            ls | grep '^out' >&2
            exit $status
            """)
        #expect(Int(result.status) == status, "\(result.errors)")
        #expect(result.errors.contains(words), "\(result.errors)")
        let left = result.errors.contains("\nout")
        #expect(left == arguments.contains("far.mkv") && status == 3 || !left, "\(result.errors)")
    }

    @Test func `a gap is bounded in evaluate too`() {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=0.2 -vf "setpts=N*100000*25" \
              -enc_time_base 1/25 -fps_mode passthrough -c:v ffv1 far.mkv
            vtfilter evaluate \(tiny) -q far.mkv
            """)
        #expect(result.status == 3 && result.errors.contains("--max-gap"), "\(result.errors)")
    }
}
