import FoundationEssentials
import Testing
import VidTwin
import VidTwinTestSupport

/// What is read back of the JSON.
private struct Evaluation: Decodable {
    struct Model: Decodable {
        let checkpointSHA256: String
        let latentNumbersPerClip: Int
        let precision: String
    }
    struct Failure: Decodable {
        let name, error: String
    }
    struct LPIPSFile: Decodable {
        let sha256: String
    }
    let model: Model?
    let lpips: [LPIPSFile]
    let videos: [VideoScore]
    let failures: [Failure]
    let notes: [String]
    let pooled: PooledScore
}

private func decoded(_ bytes: [UInt8]) throws -> Evaluation {
    try JSONDecoder().decode(Evaluation.self, from: Data(bytes))
}

/// One short evaluation, for tests that change it.
private enum Evaluated {
    static let json: [UInt8] = {
        let result = Shell.run("vtfilter evaluate $MEDIA/city.mp4 --frames 18 --json - -q")
        precondition(result.status == 0, "\(result.errors)")
        return result.output
    }()
    /// With single spaces.
    static let text = String(decoding: json, as: UTF8.self)
        .split(whereSeparator: \.isWhitespace).joined(separator: " ")
}

@Suite struct `vtfilter evaluate` {
    @Test func `the bundled model's figures are its card's`() throws {
        let result = Shell.run(
            "vtfilter evaluate --data-dir $MEDIA --frames 64 --sample-fps source --json - -q")
        #expect(result.status == 0, "\(result.errors)")
        let evaluation = try decoded(result.output)
        #expect(evaluation.videos.map(\.name) == ["bunny.mp4", "city.mp4"])
        #expect(evaluation.videos.map(\.frames.count) == [64, 64])
        #expect(abs((evaluation.videos[0].mean?.psnr ?? 0) - 26.04) < 0.1)
        #expect(abs((evaluation.videos[1].mean?.psnr ?? 0) - 19.09) < 0.1)
        #expect(evaluation.model?.latentNumbersPerClip == 8064)
        #expect(["f32", "bf16"].contains(evaluation.model?.precision))
        let exact = Shell.run(
            "vtfilter evaluate $MEDIA/city.mp4 --frames 1 --precision f32 --json - -q")
        #expect(try decoded(exact.output).model?.precision == "f32")
        #expect(evaluation.lpips.isEmpty && evaluation.videos[0].frames[0].lpips == nil)
    }

    @Test func `a converted model has the hashes of the files that it was made from`() {
        let result = Shell.run(
            """
            model="$GOLDENS/../../../models/vidtwin-nano"
            vtfilter convert -q --model "$model" --precision f32 -o whole.safetensors
            vtfilter evaluate $MEDIA/city.mp4 --frames 1 --model "$model" --json a.json -q &&
            vtfilter evaluate $MEDIA/city.mp4 --frames 1 --checkpoint whole.safetensors --json b.json -q
            sha256sum < "$model/config.yaml" | cut -c 1-64
            sha256sum < "$model/model.safetensors" | cut -c 1-64
            for f in a b; do
              sed -n 's/.*"\\(config\\|checkpoint\\)SHA256" : "\\(.*\\)".*/\\2/p' $f.json; done
            """)
        let hashes = result.text.split(separator: "\n").map(String.init)
        #expect(hashes.count == 6 && Set(hashes).count == 2, "\(result.text) \(result.errors)")
        for file in [2, 4] { #expect(Set(hashes[file..<file + 2]) == Set(hashes[..<2])) }
    }

    @Test func `threads and shards give the same bytes`() {
        let result = Shell.run(
            """
            mkdir set; for i in 1 2 3; do
              ffmpeg -v error -i $MEDIA/city.mp4 -ss 0.$i -frames:v 18 -c:v libx264 set/$i.mp4; done
            echo junk > set/4.mkv
            run="vtfilter evaluate --data-dir set -q"
            $run --json a.json --threads 1 2> /dev/null
            $run --json b.json --threads 3 2> /dev/null
            for i in 1 2 3; do $run --shard $i/3 --json s$i.json 2> /dev/null; done
            vtfilter evaluate -q --merge s3.json s1.json s2.json --json c.json; echo $?
            cmp a.json b.json && cmp a.json c.json && echo same
            vtfilter evaluate -q --merge s1.json s1.json; echo $?
            vtfilter evaluate -q --merge s1.json s3.json; echo $?
            sed 's/"fit" : "crop"/"fit" : "pad"/' s2.json > other.json
            vtfilter evaluate -q --merge s1.json other.json; echo $?
            vtfilter evaluate -q --merge s1.json set/4.mkv; echo $?
            """)
        #expect(result.text == "3\nsame\n3\n3\n3\n3", "\(result.text) \(result.errors)")
        #expect(result.errors.contains("1.mp4 is in") && result.errors.contains("options"))
        #expect(result.errors.contains("expected shard 2/3 too"))
    }

    @Test func `PSNR is ffmpeg's, frame by frame, and SSIM near it`() throws {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 20 -vf scale=240:136 -c:v libx264 -qp 0 \
              -pix_fmt yuv444p a.mp4
            ffmpeg -v error -i a.mp4 -c:v libx264 -crf 38 b.mp4
            vtfilter evaluate --reference a.mp4 --distorted b.mp4 --json r.json --csv - -q
            f="bicubic+accurate_rnd+full_chroma_int"
            ffmpeg -v error -i b.mp4 -i a.mp4 -lavfi \
              "[0:v]scale=flags=$f,format=gbrp[a];[1:v]scale=flags=$f,format=gbrp[b];[a][b]psnr=stats_file=psnr.log" -f null -
            ffmpeg -v error -i b.mp4 -i a.mp4 -lavfi \
              "[0:v]scale=flags=$f,format=gbrp[a];[1:v]scale=flags=$f,format=gbrp[b];[a][b]ssim=stats_file=ssim.log" -f null -
            sed 's/.*psnr_avg:\\([0-9.]*\\).*/psnr \\1/' psnr.log
            sed 's/.*All:\\([0-9.]*\\).*/ssim \\1/' ssim.log
            """)
        #expect(result.status == 0, "\(result.errors)")
        let lines = result.text.split(separator: "\n").map(String.init)
        let ours = lines.filter { $0.hasPrefix("\"") }
            .map { $0.split(separator: ",").compactMap { Double($0) } }
        func theirs(_ name: String) -> [Double] {
            lines.filter { $0.hasPrefix(name) }.compactMap { Double($0.dropFirst(5)) }
        }
        let (psnrs, ssims) = (theirs("psnr"), theirs("ssim"))
        #expect(ours.count == 20 && psnrs.count == 20 && ssims.count == 20, "\(result.text)")
        for (mine, (psnr, ssim)) in zip(ours, zip(psnrs, ssims)) {
            #expect(abs(mine[1] - psnr) <= 0.011, "PSNR \(mine[1]), ffmpeg \(psnr)")
            #expect(abs(mine[2] - ssim) <= 0.06, "SSIM \(mine[2]), ffmpeg \(ssim)")
        }
    }

    @Test func `Reference: filled frames are not scored`() throws {
        let result = Shell.run(
            "vtfilter evaluate $MEDIA/city.mp4 --frames 17 --json - -q --sample-fps source")
        let video = try #require(try decoded(result.output).videos.first)
        #expect(video.frames.count == 17 && video.clips == [16, 1])
    }

    @Test func `Reference: an unreadable video is reported and skipped, and stops a strict run`()
        throws
    {
        let result = Shell.run(
            """
            mkdir -p set/inner; cp $MEDIA/city.mp4 "set/inner/ö & <b>.MP4"; echo junk > set/a.mp4
            echo text > set/readme.txt
            vtfilter evaluate --data-dir set --frames 2 --json r.json -q; echo $?
            vtfilter evaluate --data-dir set --frames 2 --json none.json --strict -q; echo $?
            ls
            """)
        #expect(result.text == "3\n3\nr.json\nset", "\(result.text) \(result.errors)")
        let again = Shell.run(
            """
            mkdir -p set/inner; cp $MEDIA/city.mp4 "set/inner/ö & <b>.MP4"; echo junk > set/a.mp4
            vtfilter evaluate --data-dir set --frames 2 --json - -q
            """)
        let evaluation = try decoded(again.output)
        #expect(evaluation.videos.map(\.name) == ["inner/ö & <b>.MP4"])
        #expect(evaluation.failures.map(\.name) == ["a.mp4"])
    }

    @Test func `Reference: any ending, in any case, is a video; the rest is left out or reported`()
        throws
    {
        let result = Shell.run(
            """
            mkdir -p set/a/b set/folder.mp4
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 4 -s 96x64 base.mkv
            for ending in avi MOV webm ts nut y4m gif; do
              codec=""; [ $ending = webm ] && codec="-c:v libvpx"
              ffmpeg -v error -i base.mkv $codec -pix_fmt yuv420p set/a/b/x.$ending 2> /dev/null ||
                ffmpeg -v error -i base.mkv set/a/b/x.$ending; done
            cp base.mkv set/a/b/x.mk3d
            for ending in m4a ogg mp3; do ffmpeg -v error -f lavfi -i sine=d=1 set/sound.$ending; done
            ffmpeg -v error -i base.mkv -frames:v 1 set/still.gif
            ffmpeg -v error -i base.mkv -frames:v 1 still.png
            ffmpeg -v error -i set/sound.m4a -i still.png -map 0 -map 1 -c copy \
              -disposition:v attached_pic set/cover.m4a
            echo text > set/readme.txt; echo text > set/noending; cp still.png set
            mkfifo set/pipe.mp4; ln -s ../.. set/a/b/loop; ln -s nowhere set/dangling.mp4
            ln -s ../base.mkv set/link.mkv; : > set/empty.mp4; echo x > "$(printf 'set/bad\\xff.mp4')"
            vtfilter evaluate --data-dir set --frames 1 --json - -q
            """)
        #expect(result.status == 3, "\(result.errors)")
        let evaluation = try decoded(result.output)
        #expect(
            evaluation.videos.map(\.name)
                == ["MOV", "avi", "gif", "mk3d", "nut", "ts", "webm", "y4m"].map { "a/b/x.\($0)" }
                + ["link.mkv"])
        #expect(
            evaluation.failures.map(\.name)
                // U+10FF00 and the byte, which is no UTF-8: names stay different from each other.
                == ["bad\u{10ffff}.mp4", "dangling.mp4", "empty.mp4", "pipe.mp4"])
    }

    @Test(arguments: [
        ("\"clips\" : [ 16, 2 ]", "\"clips\" : [ 9223372036854775807, 16 ]", "clips"),
        ("\"clips\" : [ 16, 2 ]", "\"clips\" : [ -2, 20 ]", "clips"),
        ("\"clips\" : [ 16, 2 ]", "\"clips\" : [ ]", "clips"),
        ("[ { \"psnr\" : 1", "[ { \"psnr\" : 1e3001", "something else"),
        ("[ { \"psnr\" : 1", "[ { \"psnr\" : 1000000000000001", "impossible"),
        ("[ { \"psnr\" : 1", "[ { \"lpips\" : 0, \"psnr\" : 1", "impossible"),
        ("\"compressionRate\" : 0", "\"compressionRate\" : -0", "compression"),
        ("\"format\" : \"vidtwin", "\"shard\" : \"2/1\", \"format\" : \"vidtwin", "shard 2/1"),
        ("\"format\" : \"vidtwin", "\"format\" : \"other", "other"),
        ("\"pooled\"", "\"puddled\"", "no pooled"),
        ("{", String(repeating: "[", count: 9999), "else"),
    ])
    func `a JSON file that lies is refused, and never traps`(
        _ text: String, _ lie: String, _ words: String
    ) {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        Fixtures.write(Evaluated.json, to: "\(folder)/good.json")
        let parts = Evaluated.text.split(
            separator: text, maxSplits: 1, omittingEmptySubsequences: false)
        #expect(parts.count == 2, "\(text) is not in the file")
        Fixtures.write(Array((parts[0] + lie + (parts.last ?? "")).utf8), to: "\(folder)/bad.json")
        let result = Shell.run(
            """
            vtfilter evaluate -q --merge good.json --json again.json && cmp good.json again.json || exit
            vtfilter evaluate -q --merge bad.json --report x.html
            """, in: folder)
        #expect(result.status == 3 && result.errors.contains(words), "\(lie): \(result.errors)")
    }

    @Test func `an output that cannot be written is said before the work`() {
        let result = Shell.run(
            """
            for to in "--json no/x.json" "--csv ." "--report no/x.html"; do
              timeout 5 vtfilter evaluate -q $MEDIA/*.mp4 $to; echo $?; done
            """)
        // A folder that is missing fails (1) as everywhere; what can be no file at all is usage (2).
        #expect(result.text == "1\n2\n1", "\(result.errors)")
    }

    @Test func `Reference: bad lines of a list are reported, names may be UTF-8`() throws {
        let result = Shell.run(
            """
            mkdir set; cp $MEDIA/city.mp4 "set/ü,1.mp4"; cp $MEDIA/city.mp4 set/unlisted.mp4
            printf 'id,videos\\r\\n1,"ü,1.mp4"\\n2\\n3,missing.mp4\\n4,\\xff\\xfe\\n5,"open\\n' > meta.csv
            vtfilter evaluate --data-dir set --meta meta.csv --frames 1 --json - -q
            """)
        #expect(result.status == 3)
        let evaluation = try decoded(result.output)
        #expect(evaluation.videos.map(\.name) == ["ü,1.mp4"])
        #expect(
            evaluation.failures.map(\.name)
                == ["meta.csv, line 3", "meta.csv, line 5", "meta.csv, line 6", "missing.mp4"])
    }

    @Test func `CSV with line breaks, commas and quotes in quotes`() throws {
        let result = Shell.run(
            #"""
            mkdir set; for n in 'a' 'b,c' 'd"e' f g; do cp $MEDIA/city.mp4 "set/$n.mp4"; done
            printf '\xef\xbb\xbf"videos",caption\r\na.mp4,"one\r\ntwo, ""three""\n\nfour"\r\n"b,c.mp4","x"\r\n' > meta.csv
            printf '\r\n"d""e.mp4",5" disk\nf.mp4,"",\n"g.mp4",\r' >> meta.csv
            vtfilter evaluate --data-dir set --meta meta.csv --frames 1 --json - -q
            """#)
        let evaluation = try decoded(result.output)
        #expect(
            evaluation.videos.map(\.name) == ["a.mp4", "b,c.mp4", "d\"e.mp4", "g.mp4"],
            "\(result.errors)")
        #expect(evaluation.failures.map(\.name) == ["meta.csv, line 9"])
    }

    @Test func `videos of different size or length`() throws {
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 20 -s 64x48 -c:v libx264 a.mp4
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 25 -s 64x48 -c:v libx264 b.mp4
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 3 -s 8x8 -c:v libx264 c.mp4
            vtfilter evaluate --reference a.mp4 --distorted c.mp4 -q; echo $?
            vtfilter evaluate --reference c.mp4 --distorted c.mp4 -q; echo $?
            vtfilter evaluate --reference b.mp4 --distorted a.mp4 --json r.json -q; echo $?
            grep -c 'a.mp4 ends first: 20 frames' r.json
            vtfilter evaluate --reference b.mp4 --distorted a.mp4 --json s.json -q --strict; echo $?; ls s.json
            vtfilter evaluate --reference b.mp4 --distorted a.mp4 --frames 20 -q --strict; echo $?
            """)
        #expect(result.text == "3\n3\n0\n1\n3\n0", "\(result.text) \(result.errors)")
        #expect(result.errors.contains("64x48") && result.errors.contains("11x11"))
    }

    @Test(arguments: [
        ("", "found none"), ("a.mp4 --data-dir .", "found 2"), ("--reference a.mp4", "--distorted"),
        ("--meta x.csv a.mp4", "--data-dir"), ("a.mp4 --frames 0", "--frames 0"),
        ("a.mp4 --shard 3/2", "--shard 3/2"), ("a.mp4 --sample-fps x", "--sample-fps x"),
        ("a.mp4 --json - --csv -", "standard output"),
        ("--reference - --distorted -", "standard input"), ("a.mp4 a.mp4", "named twice"),
    ])
    func `contradictory options are usage errors`(_ options: String, _ words: String) {
        let result = Shell.run("vtfilter evaluate \(options)")
        #expect(result.status == 2, "\(options): \(result.errors)")
        #expect(result.errors.contains(words), "\(options): \(result.errors)")
    }

    @Test func `LPIPS from named files, with their hashes`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        try MadeUpVGG().write(to: "\(folder)/vgg16.safetensors", .trunk, .torchvision)
        try MadeUpVGG().write(to: "\(folder)/vgg.safetensors", .linear, .package)
        let result = Shell.run(
            """
            vtfilter evaluate $MEDIA/city.mp4 --frames 2 --json - -q \
              --lpips vgg16.safetensors --lpips vgg.safetensors
            """, in: folder)
        #expect(result.status == 0, "\(result.errors)")
        let evaluation = try decoded(result.output)
        #expect(evaluation.lpips.count == 2 && evaluation.lpips[0].sha256.count == 64)
        #expect(evaluation.videos[0].frames.allSatisfy { ($0.lpips ?? 0) > 0 })
        #expect(evaluation.pooled.overVideos?.lpips != nil)
        let missing = Shell.run(
            "vtfilter evaluate $MEDIA/city.mp4 --lpips vgg.safetensors", in: folder)
        #expect(missing.status == 4 && missing.errors.contains("VGG-16 trunk"))
    }

    @Test func `Reference: nothing is downloaded; without weights LPIPS is left out, and said`() {
        let result = Shell.run(
            """
            alone="unshare -n"; $alone true 2> /dev/null || alone="unshare -rn"
            $alone true || { echo SKIPPED: no namespaces here; exit; }
            $alone vtfilter evaluate $MEDIA/city.mp4 --frames 1 --csv - && ls -A
            """)
        if result.text.hasPrefix("SKIPPED") { return print(result.text) }
        #expect(result.status == 0 && result.text.split(separator: "\n").count == 2)
        #expect(result.errors.contains("LPIPS is left out"), "\(result.errors)")
    }

    @Test func `Reference: evaluation is a stream, its memory does not grow with the video`() {
        let result = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc=s=640x480:r=25 -frames:v 320 -c:v libx264 in.mkv
            for count in 48 320; do
              vtfilter evaluate in.mkv --frames $count --report x.html -q & pid=$!; peak=0
              while kill -0 $pid 2> /dev/null; do
                now=$(awk '/VmHWM/ { print $2 }' /proc/$pid/status 2> /dev/null || true)
                [ -n "$now" ] && peak=$now; sleep 0.02; done; echo $peak
            done
            """)
        let peaks = result.text.split(separator: "\n").compactMap { Double($0) }
        #expect(peaks.count == 2 && peaks[1] < peaks[0] * 1.1, "\(peaks) kB \(result.errors)")
    }

    @Test func `Reference: sampling is by time, whatever the source's rate`() throws {
        for (rate, frames, expected) in [
            ("25", 25, 25), ("50", 50, 25), ("12.5", 12, 24), ("24", 24, 25),
            ("30000/1001", 30, 25),
        ] {
            let result = Shell.run(
                """
                ffmpeg -v error -f lavfi -i testsrc=s=224x224:r=\(rate) -frames:v \(frames) \
                  -c:v libx264 in.mkv
                vtfilter evaluate in.mkv --json - -q
                """)
            let video = try #require(try decoded(result.output).videos.first)
            #expect(abs(video.frames.count - expected) <= 1, "\(rate): \(video.frames.count)")
        }
        // Frames that are missing from a stream of variable rate leave no gap.
        let variable = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -vf "select='not(eq(mod(n,5),3))'" -fps_mode passthrough \
              -frames:v 60 -c:v libx264 in.mkv
            vtfilter evaluate in.mkv --json - -q
            """)
        let frames = try decoded(variable.output).videos.first?.frames.count ?? 0
        #expect(abs(frames - 75) <= 1, "\(frames)")
        // A source of 25 frames a second is taken frame by frame, though its container rounds times.
        let result = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -c copy in.mkv
            vtfilter evaluate in.mkv --frames 40 --csv a.csv -q
            vtfilter evaluate in.mkv --frames 40 --csv b.csv -q --sample-fps source
            cmp a.csv b.csv && echo same
            """)
        #expect(result.text == "same", "\(result.errors)")
    }
}
