import Testing
import VidTwinTestSupport

private let inputs = """
    ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=2 -f lavfi -i sine=d=2 -pix_fmt yuv420p \
      -c:v libx264 -g 12 -c:a aac all.mkv
    count() { ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0 $1 | head -n 1 | tr -d ,; }

    """

@Suite struct `Inputs that end early` {
    @Test(arguments: [
        "-c copy -movflags +faststart a.mp4", "-c copy -movflags frag_keyframe+empty_moov a.mp4",
        "-c copy a.mkv", "-c:v mpeg4 -c:a mp2 a.avi", "-c copy a.ts", "-c copy a.flv",
        "-c:v msmpeg4 -c:a wmav2 a.wmv", "-c:v libvpx -an a.webm", "-an -c copy a.h264",
        "-c:v mpeg2video -an a.mxf",
    ])
    func `a cut file gives its frames, a line and status 3`(_ output: String) {
        let name = output.split(separator: " ").last ?? ""
        let result = Shell.run(
            inputs + """
                ffmpeg -v error -i all.mkv \(output)
                vtfilter reconstruct -q -i \(name) -o whole.nut; echo $? $(($(count whole.nut) - $(count \(name))))
                head -c $(($(stat -c %s \(name)) * 6 / 10 / 376 * 376 + 77)) \(name) > cut
                vtfilter reconstruct -i cut -o cut.nut 2> words; echo $?
                n=$(count cut.nut); [ $n -gt 15 ] && [ $n -lt 45 ] && echo some
                grep -c -E 'error: cut: after frame [0-9]+: (truncated|the next)' words
                vtfilter reconstruct -q < cut > /dev/null; echo $?
                vtfilter evaluate -q cut --json r.json; echo $?
                grep -c '"frames" : \\[' r.json
                """)
        #expect(
            result.text.split(separator: "\n").prefix(6)
                == ["0 0", "3", "some", "1", "3", "3"],
            "\(result.text)\n\(result.errors)")
    }

    @Test func `damage in the middle is said, and what follows is read`() {
        let result = Shell.run(
            inputs + """
                ffmpeg -v error -i all.mkv -an -c copy a.h264
                python3 - <<'EOF'
                b = bytearray(open('a.h264', 'rb').read())
                for i in range(len(b) // 2, len(b) // 2 + 300): b[i] ^= 0x5a
                open('d.h264', 'wb').write(b)
                EOF
                vtfilter reconstruct -i d.h264 -o d.nut 2> words; echo $? $(count d.nut)
                for i in $(seq 40); do vtfilter evaluate -q --reference d.h264 --distorted all.mkv > /dev/null 2>&1
                echo $?; done | sort -u
                grep -c -E 'error: d.h264: after frame [0-9]+' words
                """)
        #expect(
            result.text.hasPrefix("3 ") && result.text.hasSuffix("\n3\n1"),
            "\(result.text)\n\(result.errors)")
    }

    @Test func `a transport stream lacks packets; one after another lacks none`() {
        let result = Shell.run(
            inputs + """
                ffmpeg -v error -i all.mkv -an -c copy a.ts; cat a.ts a.ts > two.ts
                n=$(($(stat -c %s a.ts) / 188 / 2))
                (head -c $((n * 188)) a.ts; tail -c +$(((n + 5) * 188 + 1)) a.ts) > lacks.ts
                for name in two lacks; do
                  vtfilter reconstruct -q -i $name.ts -o $name.nut; echo $?
                done
                count two.nut
                """)
        #expect(result.text == "0\n3\n100", "\(result.text)\n\(result.errors)")
    }

    @Test func `a file that becomes shorter while it is read`() {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=640x480:r=25:d=20 -pix_fmt yuv420p a.y4m
            vtfilter reconstruct -i a.y4m -o o.nut 2> words & sleep 0.7; truncate -s 30000000 a.y4m
            wait $!; echo $?; grep -c 'became shorter while it was read' words
            """)
        #expect(result.text == "3\n1", "\(result.text)\n\(result.errors)")
    }
}

@Suite struct `Pictures` {
    private let pictures = """
        mkdir s o; ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=24 -frames:v 10 s/%03d.png
        count() { ffprobe -v error -count_frames -show_entries stream=width,r_frame_rate,nb_read_frames -of csv=p=0 $1; }

        """

    @Test func `numbered pictures are read and written, and have the pixels of a video`() {
        let result = Shell.run(
            pictures + """
                vtfilter reconstruct -q -f image2 -r 24 -i s/%03d.png -o o.mkv; echo $? $(count o.mkv)
                vtfilter reconstruct -q -f image2 -r 24 -i s/%03d.png -o o/%03d.png; echo $? $(ls -A o | wc -l)
                ffmpeg -v error -framerate 24 -i s/%03d.png -f rawvideo -pix_fmt rgb24 s.rgb
                vtfilter reconstruct -q -f rawvideo -s 64x64 --pix-fmt rgb24 -r 24 -i s.rgb -o want.rgb
                ffmpeg -v error -i o/%03d.png -f rawvideo -pix_fmt rgb24 - | cmp - want.rgb && echo same
                vtfilter reconstruct -q -i s/%03d.png -o o/%03d.png; echo $?
                vtfilter reconstruct -q -y -i s/%03d.png -o s/%03d.png; echo $?
                for e in jpg webp bmp; do vtfilter reconstruct -q -i s/%03d.png -o o/%d.$e; echo $e $? $(ls o/*.$e | wc -l); done
                ffmpeg -v error -i o/%d.jpg -f rawvideo -pix_fmt rgb24 o.rgb
                ffmpeg -v error -f rawvideo -s 224x224 -pix_fmt rgb24 -i want.rgb -f rawvideo -s 224x224 -pix_fmt rgb24 \
                  -i o.rgb -lavfi psnr -f null - -v info 2>&1 | grep -o 'average:[0-9]*'
                vtfilter reconstruct -q -i o/%d.jpg -o j.mkv; echo $? $(count j.mkv)
                ls -A o | grep -c tmp
                """)
        let lines = result.text.split(separator: "\n").map(String.init)
        let psnr = lines.first { $0.hasPrefix("average:") }.flatMap { Int($0.dropFirst(8)) } ?? 0
        #expect(psnr >= 33, "\(result.text)")
        #expect(
            lines.filter { !$0.hasPrefix("average:") } == [
                "0 224,24/1,10", "0 10", "same", "2", "2", "jpg 0 10", "webp 0 10", "bmp 0 10",
                "0 224,25/1,10", "0",
            ], "\(result.text)\n\(result.errors)")
    }

    @Test func `one picture, a second frame for it, a gap, a cut one, none`() {
        let result = Shell.run(
            pictures + """
                vtfilter reconstruct -q -i s/001.png -o x.png; echo $? $(count x.png | cut -d, -f1)
                vtfilter reconstruct -q -i s/%03d.png -o y.png; echo $?
                vtfilter reconstruct -q -i s/%03d.png --frames 1 -o y.jpg; echo $?
                rm s/005.png; vtfilter reconstruct -i s/%03d.png -o z.mkv 2> words; echo $? $(count z.mkv | cut -d, -f3)
                grep -c 's/005.png is missing; the pictures go on with s/006.png' words
                head -c 600 s/003.png > t; mv t s/003.png
                vtfilter reconstruct -i s/%03d.png -o c.mkv 2> words; echo $? $(count c.mkv | cut -d, -f3)
                grep -c 's/003.png: truncated' words
                vtfilter reconstruct -q -i none/%03d.png -o n.mkv; echo $?
                vtfilter reconstruct -q -i o/%03d.png -o n.mkv; echo $?
                for i in 60 95; do
                  head -c $(($(stat -c %s y.jpg) * i / 100)) y.jpg > c.jpg; vtfilter reconstruct -q -y -i c.jpg -o c.png; echo $?
                done
                ls -A | tr '\\n' ' '
                """)
        #expect(
            result.text.split(separator: "\n").map { $0.trimmed } == [
                "0 224", "2", "0", "3 4", "1", "3 2", "1", "3", "3", "3", "3",
                "c.jpg c.mkv c.png o s words x.png y.jpg z.mkv",
            ], "\(result.text)\n\(result.errors)")
    }
}

extension Substring {
    fileprivate var trimmed: String { String(self.reversed().drop { $0 == " " }.reversed()) }
}
