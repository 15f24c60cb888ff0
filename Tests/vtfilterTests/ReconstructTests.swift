import Testing
import VidTwinTestSupport

private let raw = "-f rawvideo -s 224x224 --pix-fmt rgb24 -r 25"
private let frameBytes = 224 * 224 * 3

@Suite struct `vtfilter reconstruct` {
    @Test(arguments: [1, 15, 16, 17, 250])
    func `Reference: raw frames: as many out as in`(_ count: Int) {
        let result = Shell.run(
            "head -c \(count * frameBytes) /dev/urandom | vtfilter reconstruct \(raw)")
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.count == count * frameBytes)
    }

    @Test(arguments: [0, 1, 15, 16, 17, 250])
    func `y4m: as many out as in`(_ count: Int) {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc=s=320x240:r=25 -frames:v \(max(count, 1)) \
              -pix_fmt yuv420p -f yuv4mpegpipe all.y4m
            \(count == 0 ? "head -n 1 all.y4m > in.y4m" : "mv all.y4m in.y4m")
            cat in.y4m | vtfilter reconstruct -q > out.y4m || exit
            head -n 1 out.y4m
            ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 out.y4m
            """)
        let lines = result.text.split(separator: "\n")
        #expect(result.status == 0, "\(result.errors)")
        #expect(lines.first?.hasPrefix("YUV4MPEG2 W224 H224 F25:1") ?? false)
        #expect(lines.first?.contains("C420") ?? false, "y4m stays in its pixel format")
        if count > 0 { #expect(lines.last.map(String.init) == "\(count)") }
    }

    @Test func `1 thread and 4 threads write the same bytes, by file and by pipe`() {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 20 -vf scale=224:224 -pix_fmt rgb24 \
              -f rawvideo in.rgb
            vtfilter reconstruct \(raw) --threads 1 < in.rgb > a.rgb &&
            vtfilter reconstruct \(raw) --threads 4 -i in.rgb -o b.rgb --output-format rawvideo &&
            cmp a.rgb b.rgb
            """)
        #expect(result.status == 0, "\(result.text) \(result.errors)")
    }

    @Test func `a truncated raw frame: whole frames first, then both byte counts`() {
        let result = Shell.run(
            "head -c \(17 * frameBytes + 1000) /dev/zero | vtfilter reconstruct \(raw)")
        #expect(result.status == 3)
        #expect(result.output.count == 17 * frameBytes)
        #expect(result.errors.contains("\(frameBytes)") && result.errors.contains("1000"))
        #expect(result.errors.contains("frame 18"))
    }

    @Test(arguments: [1, 100, 75_000])
    func `a truncated y4m frame: whole frames first, then both byte counts`(_ rest: Int) {
        let frame = 320 * 240 * 3 / 2
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc=s=320x240:r=25 -frames:v 19 -pix_fmt yuv420p \
              -f yuv4mpegpipe in.y4m
            header=$(head -n 1 in.y4m | wc -c)
            head -c $((header + 18 * (\(frame) + 6) + 6 + \(rest))) in.y4m |
              vtfilter reconstruct -q > out.y4m
            status=$?
            ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 out.y4m
            exit $status
            """)
        #expect(result.status == 3)
        #expect(result.text == "18")
        #expect(
            result.errors.contains("expected \(frame) bytes, found \(rest)"), "\(result.errors)")
    }

    @Test(arguments: [
        ("vtfilter reconstruct < /dev/null", 3, "no data"),
        ("vtfilter reconstruct \(raw) < /dev/null", 3, "no data"),
        ("echo hello, this is text | vtfilter reconstruct", 3, "unknown format"),
        ("vtfilter reconstruct -i $GOLDENS/trim.py", 3, "unknown format"),
        ("head -c 100000 /dev/urandom | vtfilter reconstruct", 3, "unknown format"),
        ("vtfilter reconstruct -i nothing.mp4", 3, "No such file"),
        ("vtfilter reconstruct -i /tmp", 3, "folder"),
        ("vtfilter reconstruct -f rawvideo < /dev/zero", 2, "-s WxH, --pix-fmt FMT, -r RATE"),
        ("vtfilter reconstruct -s 224x224 < /dev/zero", 2, "-f rawvideo"),
        ("vtfilter reconstruct -f nonsense < /dev/zero", 2, "nonsense"),
        ("vtfilter reconstruct -f rawvideo -s 224x224 --pix-fmt nix -r 25 < /dev/zero", 2, "nix"),
        ("vtfilter reconstruct -f rawvideo -s 224by224 --pix-fmt rgb24 -r 25", 2, "224by224"),
        ("vtfilter reconstruct -f rawvideo -s 224x224 --pix-fmt rgb24 -r x", 2, "-r x"),
        ("vtfilter reconstruct --threads 0", 2, "--threads 0"),
        ("vtfilter reconstruct --frames -1", 2, "--frames"),
        ("vtfilter reconstruct --seed 1", 2, "--sample"),
        ("vtfilter reconstruct --config a.yaml", 2, "--checkpoint"),
        ("vtfilter reconstruct --nonsense", 2, "--nonsense"),
        ("vtfilter nonsense", 2, "nonsense"),
        ("vtfilter reconstruct --matrix red -i $MEDIA/city.mp4", 2, "red"),
        ("vtfilter reconstruct --model nothing < /dev/null", 4, "nothing"),
        ("VIDTWIN_MODEL=nothing vtfilter reconstruct < /dev/null", 4, "nothing"),
        ("vtfilter reconstruct --config a.yaml --ckpt b.ckpt", 4, "a.yaml"),
        ("vtfilter reconstruct --config $GOLDENS/tiny/config.yaml --ckpt b.ckpt", 4, "b.ckpt"),
        (
            "vtfilter reconstruct --config $GOLDENS/tiny/config.yaml "
                + "--ckpt $GOLDENS/noncausal/model.safetensors", 4,
            "encoder.blocks.1.attn.proj.bias"
        ),
        (
            "printf 'YUV4MPEG2 W1000000 H1000000 F25:1\\nFRAME\\n' | vtfilter reconstruct", 3,
            "yuv4mpegpipe"
        ),
        ("printf 'YUV4MPEG2 W0 H0 F25:1\\nFRAME\\n' | vtfilter reconstruct", 3, "yuv4mpegpipe"),
        (
            "printf '#EXTM3U\\n#EXT-X-TARGETDURATION:5\\n#EXTINF:5,\\n/etc/passwd\\n' | vtfilter reconstruct",
            3, "hls"
        ),
        ("printf 'ffconcat version 1.0\\nfile /etc/passwd\\n' | vtfilter reconstruct", 3, "concat"),
    ])
    func `bad input and bad usage have their message and status`(
        _ command: String, _ status: Int, _ words: String
    ) {
        let result = Shell.run("\(command) > out", seconds: 20)
        #expect(Int(result.status) == status, "\(command): \(result.errors)")
        #expect(result.errors.contains(words), "\(command): \(result.errors)")
        #expect(!result.errors.contains("Fatal error"))
    }

    @Test func `an mp4 with its index at the end: by name it works, on a pipe the reason is given`()
    {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 20 -c copy in.mp4
            vtfilter reconstruct -q -i in.mp4 > out.nut || exit 9
            cat in.mp4 | vtfilter reconstruct > none
            """)
        #expect(result.status == 3)
        #expect(result.errors.contains("+faststart"), "\(result.errors)")
    }

    @Test func `a flipped byte in the checkpoint is found`() {
        let result = Shell.run(
            """
            cp $GOLDENS/tiny/model.ckpt bad.ckpt
            printf '\\xff' | dd of=bad.ckpt bs=1 seek=900000 conv=notrunc status=none
            vtfilter reconstruct --config $GOLDENS/tiny/config.yaml --ckpt bad.ckpt < /dev/null
            """)
        #expect(result.status == 4)
        #expect(
            result.errors.contains("damaged") && result.errors.contains("CRC"), "\(result.errors)")
    }

    @Test func `a reader that leaves ends it quietly`() {
        let result = Shell.run(
            """
            vtfilter reconstruct -q \(raw) < /dev/zero | head -c 1000 > /dev/null
            echo ${PIPESTATUS[0]}
            """, seconds: 30)
        #expect(result.text == "1")
        #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
        #expect(result.errors.contains("reader has gone"))
    }

    @Test func `a first signal finishes the clip and closes the output`() {
        let result = Shell.run(
            """
            set -m  # or the shell has what runs in the background ignore SIGINT
            mkfifo in
            vtfilter reconstruct -q \(raw) < in > out &
            exec 3> in
            head -c \(40 * frameBytes) /dev/zero >&3
            sleep 3
            kill -INT $!
            wait $!
            echo $? $(($(stat -c %s out) / \(frameBytes))) $(($(stat -c %s out) % \(frameBytes)))
            """, seconds: 30)
        #expect(result.text == "130 32 0", "\(result.errors)")
    }

    @Test func `a first signal ends soon where the reader of the output hangs`() {
        let result = Shell.run(
            """
            set -m
            mkfifo out
            vtfilter reconstruct -q \(raw) < /dev/zero > out &
            exec 3< out
            sleep 3; kill -INT $!; wait $!; echo $?
            """, seconds: 20)
        #expect(result.text == "130", "\(result.errors)")
    }

    @Test func `a second signal leaves no file`() {
        let result = Shell.run(
            """
            set -m
            mkfifo in
            vtfilter reconstruct -q \(raw) -i in -o out.mkv &
            exec 3> in
            head -c \(20 * frameBytes) /dev/zero >&3
            sleep 2; ls -A | wc -l
            kill -STOP $! && kill -TERM $! && kill -INT $! && kill -CONT $!
            wait $!
            status=$?
            # The output may have been closed properly between the two.
            [ $status = 130 ] || [ $status = 143 ] && ls -A | grep -v -x -e in -e out.mkv
            """, seconds: 30)
        #expect(result.text == "2", "\(result.errors)")
    }

    @Test func `Reference: in files, rate, variable timestamps and sound are kept`() {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/bunny.mp4 -vf "select='not(eq(mod(n,5),3))'" -fps_mode passthrough \
              -frames:v 40 -c:v libx264 -c:a copy -t 2 in.mkv
            vtfilter reconstruct -q -i in.mkv -o out.nut &&
            vtfilter reconstruct -q -i in.mkv -o out.mkv &&
            for f in in.mkv out.nut out.mkv; do
              ffprobe -v error -select_streams v -show_entries packet=pts_time -of csv=p=0 $f | sort -n > $f.pts
              ffprobe -v error -select_streams a -show_entries packet=size -of csv=p=0 $f > $f.audio
            done
            wc -l < in.mkv.pts; wc -l < in.mkv.audio
            paste in.mkv.pts out.nut.pts out.mkv.pts |
              awk '{ d = $1 - $2; e = $1 - $3; if (d*d > 1e-6 || e*e > 1e-6) bad = 1 } END { exit bad }' &&
            cmp in.mkv.audio out.nut.audio && cmp in.mkv.audio out.mkv.audio
            """)
        #expect(result.status == 0, "\(result.text) \(result.errors)")
        let counts = result.text.split(separator: "\n").compactMap { Int($0) }
        #expect(counts.count == 2 && counts.allSatisfy { $0 > 20 }, "\(result.text)")
    }

    @Test func `an existing output needs -y, and a failed run leaves it alone`() {
        let result = Shell.run(
            """
            echo precious > out.mkv
            vtfilter reconstruct -q -i $MEDIA/city.mp4 -o out.mkv; echo $?
            head -c 1000 $MEDIA/city.mp4 > broken.mp4
            vtfilter reconstruct -q -y -i broken.mp4 -o out.mkv; echo $?
            cat out.mkv
            vtfilter reconstruct -q -y --frames 3 -i $MEDIA/city.mp4 -o out.mkv; echo $?
            cp out.mkv same.mkv
            vtfilter reconstruct -q -y -i same.mkv -o same.mkv; echo $?
            ls -A
            """)
        #expect(
            result.text == "2\n3\nprecious\n0\n2\nbroken.mp4\nout.mkv\nsame.mkv", "\(result.errors)"
        )
    }

    @Test func `skip and frames choose a stretch`() {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 40 -vf scale=224:224 -pix_fmt rgb24 \
              -f rawvideo in.rgb
            vtfilter reconstruct \(raw) --skip 16 --frames 16 < in.rgb > a.rgb &&
            dd if=in.rgb bs=\(frameBytes) skip=16 count=16 status=none | vtfilter reconstruct \(raw) > b.rgb &&
            cmp a.rgb b.rgb && stat -c %s a.rgb
            """)
        #expect(result.text == "\(16 * frameBytes)", "\(result.errors)")
    }

    @Test(arguments: ["pad", "stretch"])
    func `Reference: pad and stretch give the input's size back`(_ fit: String) {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 18 -f yuv4mpegpipe in.y4m
            vtfilter reconstruct --fit \(fit) < in.y4m > out.y4m
            vtfilter encode --fit \(fit) < in.y4m | vtfilter decode | cmp - out.y4m && head -n 1 out.y4m
            ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 out.y4m
            """)
        #expect(result.text.hasPrefix("YUV4MPEG2 W480 H270 F25:1"), "\(result.errors)")
        #expect(result.text.hasSuffix("18") && result.errors.isEmpty)
    }

    @Test func `a padded picture lies where it was`() throws {
        // A model's blocks are coarse, so a bright half against a dark one tells the place.
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i color=black:s=448x224:r=25,drawbox=x=0:y=0:w=224:h=224:c=white:t=fill \
              -frames:v 1 -pix_fmt rgb24 -c:v rawvideo in.nut
            vtfilter reconstruct --fit pad -i in.nut --output-format rawvideo > out.rgb
            python3 -c "
            import numpy as np
            p = np.fromfile('out.rgb', np.uint8).reshape(224, 448, 3).astype(float)
            print(p[:, :192].mean() > p[:, 256:].mean() + 40, abs(p[:60].mean() - p[-60:].mean()) < 40)"
            """)
        #expect(result.text == "True True", "\(result.text) \(result.errors)")
    }

    @Test(arguments: ["12.5", "24000/1001", "50"])
    func `rates are kept exactly`(_ rate: String) {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc=s=320x240:r=\(rate) -frames:v 18 -pix_fmt yuv420p \
              -f yuv4mpegpipe in.y4m
            vtfilter reconstruct -q < in.y4m > out.y4m
            vtfilter encode -q < in.y4m | vtfilter decode > decoded.y4m
            vtfilter reconstruct -q -i in.y4m -o out.mkv
            for f in in.y4m out.y4m decoded.y4m out.mkv; do
              ffprobe -v error -show_entries stream=r_frame_rate -of csv=p=0 $f; done | sort -u | wc -l
            """)
        #expect(result.text == "1", "\(result.text) \(result.errors)")
    }

    @Test func `NUT through a pipe keeps every time and every audio packet`() {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/bunny.mp4 -vf "select='not(eq(mod(n,5),3))'" \
              -fps_mode passthrough -c:v rawvideo -c:a copy in.nut
            vtfilter reconstruct -q < in.nut > out.nut
            for f in in.nut out.nut; do
              ffprobe -v error -select_streams v -show_entries packet=pts_time -of csv=p=0 $f > $f.pts
              ffprobe -v error -select_streams a -show_entries packet=pts_time,size -of csv=p=0 $f > $f.audio
            done
            cmp in.nut.pts out.nut.pts && cmp in.nut.audio out.nut.audio && wc -l < out.nut.pts
            """)
        #expect(result.text == "77", "\(result.text) \(result.errors)")
    }

    @Test(arguments: ["rgb24", "yuv420p", "gray", "yuv420p10le", "rgb48le"])
    func `pixel formats of NUT and raw frames stay`(_ format: String) {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc=s=300x200:r=25 -frames:v 17 -pix_fmt \(format) -c:v rawvideo in.nut
            vtfilter reconstruct < in.nut > out.nut || exit
            ffprobe -v error -count_frames -show_entries stream=pix_fmt,nb_read_frames -of csv=p=0 out.nut
            ffmpeg -v error -i in.nut -f rawvideo in.raw
            vtfilter reconstruct -f rawvideo -s 300x200 --pix-fmt \(format) -r 25 < in.raw > out.raw || exit
            ffmpeg -v error -i out.nut -f rawvideo - | cmp - out.raw && echo same
            """)
        #expect(result.text == "\(format),17\nsame", "\(result.text) \(result.errors)")
    }

    @Test func `alpha is refused where it would be written, and left out where that is said`() {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc=s=300x200:r=25 -frames:v 3 -pix_fmt rgba -c:v rawvideo in.nut
            vtfilter reconstruct < in.nut | wc -c; echo ${PIPESTATUS[0]}
            vtfilter reconstruct --output-pix-fmt rgb24 < in.nut > out.nut; echo $?
            ffprobe -v error -count_frames -show_entries stream=pix_fmt,nb_read_frames -of csv=p=0 out.nut
            vtfilter reconstruct -i in.nut -o out.mp4; echo $?
            vtfilter encode -q --output-pix-fmt rgb24 -i in.nut -o l.tar 2> /dev/null ||
              vtfilter encode -q -i in.nut -o l.tar
            vtfilter decode -i l.tar -o decoded.mp4 2> said; echo $?
            grep -c 'alpha channel is left out' said
            """)
        #expect(result.text == "0\n2\n0\nrgb24,3\n0\n0\n1", "\(result.text) \(result.errors)")
        #expect(result.errors.contains("--output-pix-fmt rgb24"))
        #expect(result.errors.contains("alpha channel is left out"))
    }

    @Test(arguments: ["224x224", "225x225", "1x1", "640x360", "1920x1080", "1921x1"])
    func `tile gives any size back`(_ size: String) {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc=s=\(size):r=25 -frames:v 2 -c:v rawvideo -pix_fmt rgb24 in.nut
            vtfilter reconstruct --fit tile -i in.nut -v 2> log |
              ffprobe -v error -count_frames -show_entries stream=width,height,nb_read_frames -of csv=p=0 -
            grep -o '[0-9]* tiles' log
            """)
        let parts = size.split(separator: "x").joined(separator: ",")
        #expect(result.text.hasPrefix("\(parts),2\n"), "\(result.text) \(result.errors)")
    }

    @Test func `encoder, quality and rate of a file`() {
        let result = Shell.run(
            """
            run="vtfilter reconstruct -q -i $MEDIA/bunny.mp4 --frames 40 -y"
            $run --vcodec ffv1 -o a.mkv && $run --crf 40 -o b.mp4 && $run --crf 10 -o c.mp4 &&
            $run --sample-fps 10 -o d.mp4
            for f in a.mkv d.mp4; do
              ffprobe -v error -select_streams v -count_packets -of csv=p=0 \
                -show_entries stream=codec_name,r_frame_rate,nb_read_packets $f; done
            [ $(stat -c %s b.mp4) -lt $(stat -c %s c.mp4) ] && echo smaller
            $run --vcodec ffv1 --crf 3 -o e.mkv; echo $?
            $run --vcodec nothing -o e.mkv; echo $?
            $run --vcodec gif -o e.mp4; echo $?
            ls -A | grep e.m
            """)
        #expect(
            result.text == "ffv1,24/1,40\nh264,10/1,17\nsmaller\n2\n2\n2",
            "\(result.text) \(result.errors)")
    }

    @Test func `a full disk leaves no file and a message`() {
        let result = Shell.run(
            """
            mkdir small && mount -t tmpfs -o size=200k none small 2> /dev/null || { echo no mount; exit; }
            vtfilter reconstruct -q -i $MEDIA/city.mp4 --vcodec ffv1 -o small/out.mkv; echo $?
            ls -A small; umount small
            """)
        if result.text == "no mount" {
            print("SKIPPED: a full disk; this machine cannot mount a tmpfs")
            return
        }
        #expect(
            result.text == "1" && result.errors.contains("No space left"),
            "\(result.text) \(result.errors)")
    }

    @Test func `Reference: progress knows the total, and stays off standard output`() {
        let result = Shell.run(
            "vtfilter reconstruct -q -i $MEDIA/city.mp4 --frames 20 --progress log > out; cat log")
        #expect(result.text.contains("frame=20\n"))
        #expect(result.text.contains("total_frames=20\n"))
        #expect(result.text.hasSuffix("progress=end"))
    }

    @Test func `Reference: cropping is said once, and not with -q`() {
        let result = Shell.run(
            """
            vtfilter reconstruct -i $MEDIA/city.mp4 --frames 2 > out
            vtfilter reconstruct -q -i $MEDIA/city.mp4 --frames 2 > out
            """)
        #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
        #expect(result.errors.contains("480x270") && result.errors.contains("--fit crop"))
    }

    @Test(arguments: [("yuv420p10le", "yuv420p10le"), ("gray", "gray"), ("yuv444p", "yuv444p")])
    func `pixel formats of y4m stay`(_ format: String, _ expected: String) {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc=s=300x200:r=25 -frames:v 3 -pix_fmt \(format) \
              -strict -1 -f yuv4mpegpipe - | vtfilter reconstruct -q > out.y4m || exit
            ffprobe -v error -show_entries stream=pix_fmt -of csv=p=0 out.y4m
            """)
        #expect(result.text == expected, "\(result.errors)")
    }

    @Test func `Reference: memory does not grow with the stream`() {
        let result = Shell.run(
            """
            measure() {
              head -c $(($1 * \(frameBytes))) /dev/zero |
                (vtfilter reconstruct \(raw) > /dev/null & pid=$!; peak=0
                 while kill -0 $pid 2> /dev/null; do
                   now=$(awk '/VmHWM/ { print $2 }' /proc/$pid/status 2> /dev/null || true)
                   [ -n "$now" ] && peak=$now; sleep 0.02
                 done; echo $peak)
            }
            measure 200; measure 1000
            """)
        let peaks = result.text.split(separator: "\n").compactMap { Int($0) }
        #expect(peaks.count == 2, "\(result.text) \(result.errors)")
        if peaks.count == 2 {
            #expect(Double(peaks[1]) < Double(peaks[0]) * 1.05, "\(peaks) kB")
        }
    }
}

@Suite struct `vtfilter info` {
    @Test func `the bundled model`() {
        let result = Shell.run("vtfilter info")
        #expect(result.status == 0)
        #expect(result.text.contains("vidtwin-nano") && result.text.contains("0.335 %"))
        let json = Shell.run("vtfilter info --json")
        #expect(json.text.contains("\"latentNumbers\" : 8064"))
    }

    @Test func `files that do not fit each other`() {
        let result = Shell.run(
            "vtfilter info --config $GOLDENS/tiny/config.yaml --ckpt $GOLDENS/nonsquare/model.safetensors"
        )
        #expect(result.status == 4)
        #expect(result.errors.contains("missing") && result.errors.contains("another shape"))
    }

    @Test func `help and version go to standard output and are no error`() {
        for command in ["vtfilter --help", "vtfilter --version", "vtfilter help reconstruct"] {
            let result = Shell.run(command)
            #expect(
                result.status == 0 && !result.text.isEmpty && result.errors.isEmpty, "\(command)")
        }
    }
}
