import Testing
import VidTwinTestSupport

@Suite struct `vtfilter cross-reenact` {
    @Test func `videos, latents and pipes give the same frames`() {
        let result = Shell.run(
            """
            a=$MEDIA/city.mp4 b=$MEDIA/bunny.mp4
            vtfilter encode -q -i $a > a.tar; vtfilter encode -q -i $b > b.tar
            vtfilter cross-reenact -q --structure a.tar --dynamics b.tar > 1.y4m &&
            vtfilter cross-reenact -q --structure $a --dynamics $b --output-format yuv4mpegpipe > 2.y4m &&
            cat a.tar | vtfilter cross-reenact -q --structure - --dynamics <(vtfilter encode -q -i $b) > 3.y4m &&
            cmp 1.y4m 2.y4m && cmp 1.y4m 3.y4m
            ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 1.y4m
            vtfilter cross-reenact -q --structure a.tar --dynamics a.tar | cmp - <(vtfilter decode -i a.tar) && echo itself
            """)
        #expect(result.text == "96\nitself", "\(result.text) \(result.errors)")
    }

    @Test func `a cut is that of both videos, and that of their latents`() {
        let result = Shell.run(
            """
            a=$MEDIA/city.mp4 b=$MEDIA/bunny.mp4 cross="vtfilter cross-reenact -q"
            for v in a b; do
              ffmpeg -v error -i ${!v} -vf "select='between(n,32,68)',setpts=PTS-STARTPTS" -fps_mode passthrough \\
                -c:v ffv1 -an $v.mkv
              vtfilter encode -q -i ${!v} -o $v.tar
            done
            $cross --structure a.mkv --dynamics b.mkv -o 1.nut
            $cross --structure $a --dynamics $b --skip 32 --frames 37 -o 2.nut
            # Of latents, a clip that is cut was made of all of its frames.
            $cross --structure a.mkv --dynamics b.mkv --frames 32 -o 3.nut
            $cross --structure a.tar --dynamics b.tar --skip 32 --frames 32 -o 4.nut
            $cross --structure a.tar --dynamics $b --skip 32 --frames 32 -o 5.nut
            $cross --structure a.tar --dynamics b.tar --skip 32 --frames 37 -o 6.nut
            frames() { ffmpeg -v error -i $1 -map 0:v -f framehash -hash md5 - | grep -v '^#' | awk '{ print $NF }'; }
            [ "$(frames 1.nut)" = "$(frames 2.nut)" ] && echo same
            for i in 4 5; do [ "$(frames 3.nut)" = "$(frames $i.nut)" ] && echo same; done
            for i in 2 6; do
              ffprobe -v error -select_streams v -count_frames -of csv=p=0 $i.nut \\
                -show_entries stream=nb_read_frames,r_frame_rate,start_time
            done
            $cross --structure a.tar --dynamics b.tar --skip 30 -o 7.nut; echo $?
            $cross --structure $a --dynamics $b --skip=-1 -o 7.nut; echo $?
            $cross --structure $a --dynamics $b --frames 0 -o 7.nut; echo $?
            $cross --structure $a --dynamics $b --skip 1000 -o 7.nut; echo $?
            vtfilter cross-reenact --structure $a --dynamics $b --skip 80 --frames 10 --loop -o 7.nut 2>&1 | grep -c ends
            """)
        #expect(
            result.text.split(separator: "\n") == [
                "same", "same", "same", "25/1,0.000000,37", "25/1,0.000000,37", "2", "2", "2", "3",
                "0",
            ], "\(result.text)\n\(result.errors)")
    }

    @Test func `the golden cross-reenactment`() throws {
        let golden = Golden("tiny")
        let folder = Fixtures.temporaryFolder()
        let frames = try golden.frames()
        Fixtures.write(frames.bytes, to: "\(folder)/a.rgb")
        let result = Shell.run(
            """
            m="--config $GOLDENS/tiny/config.yaml --ckpt $GOLDENS/tiny/model.safetensors"
            r="-f rawvideo -s 64x64 --pix-fmt rgb24 -r 25"
            vtfilter encode $m $r -i a.rgb > a.tar && vtfilter encode $m $r -i a.rgb --part dynamics > d.tar
            vtfilter encode $m $r -i a.rgb --part structure > s.tar
            vtfilter cross-reenact $m --structure s.tar --dynamics d.tar --output-format rawvideo > out.rgb
            vtfilter decode $m -i a.tar -f rawvideo | cmp - out.rgb && echo same
            """, in: folder)
        #expect(result.text == "same", "\(result.errors)")
    }

    @Test func `unequal lengths and rates are said, looped or held; sound is the structure's`() {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 20 -c:v libx264 short.mkv
            for o in "" --loop --hold; do
              vtfilter cross-reenact --structure $MEDIA/bunny.mp4 --dynamics short.mkv $o -o out.mkv -y
              ffprobe -v error -count_packets -show_entries stream=codec_type,nb_read_packets -of csv=p=0 out.mkv | tr '\\n' ' '
            done; echo
            vtfilter cross-reenact -q --structure - --dynamics -; echo $?
            vtfilter cross-reenact -q --structure $MEDIA/bunny.mp4 --dynamics missing.mp4 --output-format nut | wc -c
            """)
        let lines = result.text.split(separator: "\n").map(String.init)
        #expect(lines.first?.contains("video,20") ?? false, "\(result.text)")
        #expect(
            lines.first?.contains("video,96 audio,174 video,96 audio,174") ?? false,
            "\(result.text)")
        #expect(lines.dropFirst() == ["2", "0"], "\(result.text)")
        #expect(result.errors.contains("ends first: 20 frames"))
        #expect(result.errors.contains("start again") && result.errors.contains("held"))
        #expect(result.errors.contains("24 frames/s") && result.errors.contains("--sample-fps"))
    }

    @Test func `inputs beside the result`() {
        let result = Shell.run(
            """
            vtfilter cross-reenact -q --structure $MEDIA/city.mp4 --dynamics $MEDIA/bunny.mp4 \
              --show inputs --output-format nut | ffmpeg -v error -i - -frames:v 1 -f framemd5 - | grep -c '^0'
            vtfilter reconstruct -q -i $MEDIA/city.mp4 --frames 3 --show inputs --output-format rawvideo \
              --output-pix-fmt rgb24 > out.rgb
            vtfilter reconstruct -q -i $MEDIA/city.mp4 --frames 3 --output-format rawvideo \
              --output-pix-fmt rgb24 > plain.rgb
            python3 - << 'EOF'
            import numpy as np
            shown = np.fromfile("out.rgb", np.uint8).reshape(3, 224, 448, 3)
            plain = np.fromfile("plain.rgb", np.uint8).reshape(3, 224, 224, 3)
            print((shown[:, :, 224:] == plain).all(), (shown[:, :, :224] == plain).mean() < 0.5)
            EOF
            """)
        #expect(result.text == "1\nTrue True", "\(result.text) \(result.errors)")
    }

    @Test func `an input that is missing does not leave the other one waiting`() {
        let result = Shell.run(
            """
            mkfifo silent; exec 3<> silent
            (printf 'YUV4MPEG2 W64 H64 F25:1\\n'; head -c 700 /dev/zero) >&3
            vtfilter cross-reenact -q --structure silent --dynamics missing.mp4; echo $?
            """, seconds: 20)
        #expect(result.text == "3", "\(result.errors)")
    }

    @Test func `one writer may open and feed both pipes in either order`() {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 20 -vf scale=64:64 -f yuv4mpegpipe in.y4m
            vtfilter cross-reenact -q --structure in.y4m --dynamics in.y4m > expected.y4m
            mkfifo a b
            cat > feed.py << 'EOF'
            import sys
            data = open("in.y4m", "rb").read()
            first = open(sys.argv[1], "wb")
            first.write(data); first.flush()
            second = open(sys.argv[2], "wb")
            second.write(data)
            EOF
            for order in "a b" "b a"; do
              python3 feed.py $order &
              vtfilter cross-reenact -q --structure a --dynamics b | cmp - expected.y4m && echo same
              wait
            done
            set -m
            vtfilter cross-reenact -q --structure a --dynamics b & sleep 1; kill -INT $!; wait $!; echo $?
            """, seconds: 60)
        #expect(result.text == "same\nsame\n130", "\(result.text) \(result.errors)")
    }

    @Test func `a silent pipe of dynamics is not waited for when the structure has ended`() {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 32 -vf scale=64:64 -f yuv4mpegpipe in.y4m
            mkfifo b; exec 3<> b; cat in.y4m >&3 &
            vtfilter cross-reenact -q --structure in.y4m --dynamics b > out.y4m; echo $?
            ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 out.y4m
            """, seconds: 30)
        #expect(result.text == "0\n32", "\(result.text) \(result.errors)")
    }
}
