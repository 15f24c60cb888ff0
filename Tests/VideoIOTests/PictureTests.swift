import Testing
import VidTwinTestSupport
import VideoIO

private func reader(_ path: String, _ change: (inout InputOptions) -> Void = { _ in }) throws
    -> VideoReader
{
    LibavMessages.silence()
    var options = InputOptions(url: path)
    change(&options)
    return try VideoReader(options, fit: .stretch, size: nil, cancellation: Cancellation())
}

private func make(_ script: String) -> String {
    let folder = Fixtures.temporaryFolder()
    let made = Shell.run(script, in: folder)
    #expect(made.status == 0, "\(made.errors)")
    return folder
}

/// Copies a video through reader and writer.
@discardableResult private func copy(
    _ input: String, _ output: String, _ size: PictureSize? = nil, pixelFormat: String? = nil,
    codec: String? = nil
) throws -> [String] {
    let reader = try reader(input)
    var options = OutputOptions(url: output)
    (options.pixelFormat, options.codec, options.size) = (pixelFormat, codec, size)
    let writer = try VideoWriter(options, like: reader.stream, size: reader.stream.size)
    while let frame = try reader.next() { try writer.write(frame) }
    return writer.notes + (try writer.finish())
}

/// The value of one property of a video's first stream, as ffprobe gives it.
private func probe(_ path: String, _ entry: String) -> String {
    Shell.run(
        "ffprobe -v error -select_streams v:0 -show_entries stream=\(entry) -of csv=p=0 '\(path)' | head -n 1"
    ).text.filter { $0 != "," }
}

/// Red, green, blue and white in the quarters of a picture, as they are shown.
private func corners(_ frame: RGBFrame) -> String {
    let (w, h) = (frame.width, frame.height)
    return [(w / 4, h / 4), (3 * w / 4, h / 4), (w / 4, 3 * h / 4), (3 * w / 4, 3 * h / 4)].map {
        x, y in
        let pixel = frame.bytes[3 * (y * w + x)..<3 * (y * w + x) + 3].map { $0 > 128 }
        switch Array(pixel) {
        case [true, false, false]: return "r"
        case [false, true, false]: return "g"
        case [false, false, true]: return "b"
        case [true, true, true]: return "w"
        default: return "?"
        }
    }.joined()
}

@Suite struct `Pictures as they are shown` {
    private static let quarters =
        "color=red:s=32x24:r=25:d=0.2[a];color=lime:s=32x24:r=25:d=0.2[b];"
        + "color=blue:s=32x24:r=25:d=0.2[c];color=white:s=32x24:r=25:d=0.2[d];"
        + "[a][b]hstack[e];[c][d]hstack[f];[e][f]vstack"

    /// The eight display matrices (a b 0, c d 0, 0 0 1) and what is seen of rg/bw.
    @Test(arguments: [
        (1, [1, 0, 0, 1], "rgbw"), (2, [-1, 0, 0, 1], "grwb"), (3, [-1, 0, 0, -1], "wbgr"),
        (4, [1, 0, 0, -1], "bwrg"), (5, [0, 1, 1, 0], "rbgw"), (6, [0, 1, -1, 0], "brwg"),
        (7, [0, -1, -1, 0], "wgbr"), (8, [0, -1, 1, 0], "gwrb"),
    ])
    func `all eight ways in which a picture can lie come upright, from mp4 and from EXIF`(
        _ exif: Int, _ matrix: [Int32], _ seen: String
    ) throws {
        let folder = make(
            """
            ffmpeg -v error -f lavfi -i "\(Self.quarters)" -pix_fmt yuv444p -c:v libx264 -crf 1 \
              -movflags +faststart in.mp4
            ffmpeg -v error -f lavfi -i "\(Self.quarters)" -frames:v 1 -pix_fmt yuvj444p in.jpg
            """)
        defer { Fixtures.remove(folder) }
        var bytes = Fixtures.bytes("\(folder)/in.mp4")
        let one: [UInt8] = [0, 1, 0, 0]
        let unity = one + [UInt8](repeating: 0, count: 12) + one
        let header = try #require(
            bytes.indices.first { at in
                Array(bytes[at..<min(at + 4, bytes.count)]) == Array("tkhd".utf8)
            })
        let at = header + 4 + 40
        #expect(Array(bytes[at..<at + 20]) == unity)
        for (offset, value) in zip([0, 4, 12, 16], matrix) {
            let fixed = UInt32(bitPattern: value << 16)
            for k in 0..<4 { bytes[at + offset + k] = UInt8(fixed >> (24 - 8 * k) & 255) }
        }
        Fixtures.write(bytes, to: "\(folder)/turned.mp4")
        let exifSegment: [UInt8] =
            [0xff, 0xe1, 0, 34] + Array("Exif\0\0MM\0*\0\0\0\u{8}".utf8)
            + [0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, UInt8(exif), 0, 0, 0, 0, 0, 0]
        let picture = Fixtures.bytes("\(folder)/in.jpg")
        Fixtures.write(picture[..<2] + exifSegment + picture[2...], to: "\(folder)/turned.jpg")

        let turned = exif > 4
        let expected =
            turned ? PictureSize(width: 48, height: 64) : PictureSize(width: 64, height: 48)
        for name in ["turned.mp4", "turned.jpg"] {
            let reader = try reader("\(folder)/\(name)")
            #expect(reader.stream.size == expected, "\(name)")
            let frame = try #require(try reader.next())
            #expect(frame.width == expected.width && frame.height == expected.height)
            #expect(corners(frame) == seen, "\(name), EXIF \(exif)")
        }
        // Written upright, without a matrix.
        try copy("\(folder)/turned.mp4", "\(folder)/out.mp4")
        #expect(probe("\(folder)/out.mp4", "width,height") == "\(expected.width)\(expected.height)")
        let side = Shell.run("ffprobe -v error -show_entries stream_side_data -i \(folder)/out.mp4")
        #expect(!side.text.contains("matrix"), "\(side.text)")
    }

    @Test func `a turned picture's pixels are turned too`() throws {
        let folder = make(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -vf setsar=16/11 -c:v libx264 a.mp4
            ffmpeg -v error -i a.mp4 -c copy -metadata:s:v rotate=90 in.mp4
            """)
        defer { Fixtures.remove(folder) }
        #expect(try reader("\(folder)/in.mp4").stream.sampleAspect == Rational(11, 16))
    }

    @Test(arguments: ["y4m", "nut", "mkv", "mp4", "mov", "webm", "avi"])
    func `the shape of pixels stays`(_ container: String) throws {
        let folder = make(
            """
            for a in 16/11 1/1; do ffmpeg -v error -f lavfi -i testsrc2=s=88x48:r=25:d=0.2 \
              -vf setsar=$a -pix_fmt yuv420p ${a%/*}.y4m; done
            ffmpeg -v error -i 16.y4m -c:v ffv1 ffv1.mkv
            ffmpeg -v error -i 16.y4m -c:v libvpx-vp9 vp9.webm
            ffmpeg -v error -i 16.y4m -c:v mpeg4 pasp.mp4
            ffmpeg -v error -i 16.y4m -c:v rawvideo raw.nut
            """)
        defer { Fixtures.remove(folder) }
        for input in ["16.y4m", "ffv1.mkv", "vp9.webm", "pasp.mp4", "raw.nut"] {
            let out = "\(folder)/\(input).\(container)"
            try copy("\(folder)/\(input)", out)
            #expect(try reader(out).stream.sampleAspect == Rational(16, 11), "\(input)")
        }
        try copy("\(folder)/1.y4m", "\(folder)/square.y4m")
        let header = Shell.run("head -n 1 \(folder)/square.y4m").text
        #expect(header.contains(" A1:1 "), "\(header)")
        // Another size keeps the shape of the picture.
        try copy("\(folder)/16.y4m", "\(folder)/wide.y4m", PictureSize(width: 176, height: 48))
        #expect(try reader("\(folder)/wide.y4m").stream.sampleAspect == Rational(8, 11))
    }

    @Test(arguments: [("topleft", "C420paldv"), ("left", "C420mpeg2"), ("center", "C420jpeg")])
    func `where colour lies stays`(_ location: String, _ name: String) throws {
        let folder = make(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=0.2 -c:v libx264 -pix_fmt yuv420p \
              -chroma_sample_location \(location) in.mp4
            """)
        defer { Fixtures.remove(folder) }
        try copy("\(folder)/in.mp4", "\(folder)/out.y4m")
        #expect(Shell.run("head -n 1 \(folder)/out.y4m").text.contains(name))
        try copy("\(folder)/out.y4m", "\(folder)/out.mp4")
        #expect(probe("\(folder)/out.mp4", "chroma_location") == location)
    }
}

@Suite struct `What encoders take` {
    @Test func `odd sizes become 4:4:4, or the error says what to give`() throws {
        let folder = make(
            "ffmpeg -v error -f lavfi -i testsrc2=s=64x48:r=25:d=0.2 -vf scale=49:37 -pix_fmt yuv420p in.y4m"
        )
        defer { Fixtures.remove(folder) }
        for container in ["mp4", "mkv", "mov"] {
            let notes = try copy("\(folder)/in.y4m", "\(folder)/out.\(container)")
            #expect(notes.contains { $0.contains("odd") }, "\(notes)")
            #expect(probe("\(folder)/out.\(container)", "width,height,pix_fmt") == "4937yuv444p")
        }
        let error = #expect(throws: VideoIOError.self) {
            try copy("\(folder)/in.y4m", "\(folder)/asked.mp4", pixelFormat: "yuv420p")
        }
        guard case .usage(let words) = error, words.contains("odd"), words.contains("yuv444p")
        else {
            Issue.record("\(String(describing: error))")
            return
        }
        for container in ["webm", "avi", "ts", "nut", "y4m", "ogv"] {
            try copy("\(folder)/in.y4m", "\(folder)/out.\(container)")
            #expect(probe("\(folder)/out.\(container)", "width,height") == "4937")
        }
    }

    @Test(arguments: [
        ("yuv420p10le", "mp4", "yuv420p10le"), ("yuv422p10le", "mkv", "yuv420p10le"),
        ("yuv420p10le", "webm", "yuv420p10le"), ("yuv420p12le", "mp4", "yuv420p10le"),
        ("yuv420p10le", "ts", "yuv420p"), ("gbrp10le", "y4m", "yuv444p10le"),
        ("yuv420p", "mp4", "yuv420p"),
    ])
    func `depth stays where the encoder has it, else it is said`(
        _ format: String, _ container: String, _ written: String
    ) throws {
        let folder = make(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=0.2 -pix_fmt \(format) -c:v ffv1 in.mkv
            """)
        defer { Fixtures.remove(folder) }
        let notes = try copy("\(folder)/in.mkv", "\(folder)/out.\(container)")
        #expect(probe("\(folder)/out.\(container)", "pix_fmt") == written)
        let loses = format.contains("12") || container == "ts"
        #expect(notes.contains { $0.contains("bits a sample") } == loses, "\(notes)")
    }

    @Test(arguments: ["mkv", "mp4"])
    func `what is known of light stays, or is said to be lost`(_ container: String) throws {
        let light =
            "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):"
            + "max-cll=1000,400"
        let folder = make(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=0.2 -pix_fmt yuv420p10le \
              -c:v libx265 -x265-params "log-level=0:\(light)" -color_primaries bt2020 \
              -color_trc smpte2084 -colorspace bt2020nc in.\(container)
            """)
        defer { Fixtures.remove(folder) }
        let input = try reader("\(folder)/in.\(container)").stream
        #expect(input.marks.contentLight == [1000, 400])
        #expect(input.marks.masteringDisplay?.count == 20)
        for (name, codec) in [("x264.mkv", nil), ("x264.mp4", nil), ("x265.mp4", "libx265")] {
            let notes = try copy(
                "\(folder)/in.\(container)", "\(folder)/\(name)", codec: codec)
            let output = try reader("\(folder)/\(name)").stream
            #expect(notes.isEmpty, "\(notes)")
            #expect(output.marks.contentLight == input.marks.contentLight, "\(name)")
            let (a, b) = (input.marks.masteringDisplay, output.marks.masteringDisplay)
            for k in 0..<10 {
                let expected = Double(try #require(a)[2 * k]) / Double(try #require(a)[2 * k + 1])
                let found = Double(try #require(b)[2 * k]) / Double(try #require(b)[2 * k + 1])
                #expect(abs(expected - found) <= 1e-4 * max(expected, 1), "\(name) \(k)")
            }
            #expect(output.marks.transfer == 16 && output.marks.primaries == 9)
            #expect(output.bitDepth == 10)
        }
        let notes = try copy("\(folder)/in.\(container)", "\(folder)/out.ts")
        #expect(notes.contains { $0.contains("mastering") }, "\(notes)")
    }
}

@Suite struct `What frames hold` {
    @Test(arguments: ["tff", "bff"])
    func `fields are said, and made whole where that is asked for`(_ order: String) throws {
        let folder = make(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=50:d=0.8 \
              -vf "interlace=scan=\(order)" \
              -c:v libx264 -flags +ildct+ilme -x264opts \(order)=1 in.mp4
            ffmpeg -v error -i in.mp4 -c:v rawvideo -field_order \(order == "tff" ? "tt" : "bb") raw.mov
            ffmpeg -v error -i in.mp4 -vf bwdif=mode=send_frame -pix_fmt yuv420p whole.y4m
            """)
        defer { Fixtures.remove(folder) }
        let fields = try reader("\(folder)/in.mp4")
        #expect(fields.stream.isInterlaced)
        #expect(fields.notes.contains { $0.contains("--deinterlace") })
        let whole = try reader("\(folder)/in.mp4") { $0.deinterlaces = true }
        #expect(whole.notes.isEmpty)
        let expected = try reader("\(folder)/whole.y4m")
        var (count, last) = (0, Int64.min)
        while let frame = try whole.next() {
            let other = try #require(try expected.next())
            #expect(frame.bytes == other.bytes, "frame \(count)")
            #expect(frame.pts > last)
            last = frame.pts
            count += 1
        }
        #expect(count == 20 && whole.stream.frameRate == Rational(25, 1))
        #expect(try expected.next() == nil)
    }

    @Test func `deinterlacing loses no frame before a fault, or where the size changes`() throws {
        let folder = make(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=64x48:r=25:d=0.4 -pix_fmt yuv420p -f rawvideo a.yuv
            head -c 44000 a.yuv > cut.yuv
            for s in 64x48 96x64; do ffmpeg -v error -f lavfi -i testsrc2=s=$s:r=25:d=1 \
              -c:v libx264 -f mpegts $s.ts; done
            cat 64x48.ts 96x64.ts > both.ts
            """)
        defer { Fixtures.remove(folder) }
        let cut = try reader("\(folder)/cut.yuv") {
            ($0.format, $0.size) = ("rawvideo", PictureSize(width: 64, height: 48))
            ($0.pixelFormat, $0.frameRate, $0.deinterlaces) = ("yuv420p", Rational(25, 1), true)
        }
        var count = 0
        let error = #expect(throws: VideoIOError.self) {
            while try cut.next() != nil { count += 1 }
        }
        #expect(count == 9 && "\(String(describing: error))".contains("truncated"))
        let both = try reader("\(folder)/both.ts") { $0.deinterlaces = true }
        count = 0
        while try both.next() != nil { count += 1 }
        #expect(count == 50)
    }

    @Test(arguments: ["gbrpf32le", "gbrapf32be", "grayf32le"], ["nan", "inf", "-inf"])
    func `samples that are no numbers are refused`(_ format: String, _ value: String) throws {
        let planes = format == "grayf32le" ? 1 : format.contains("gbrap") ? 4 : 3
        let order = format.hasSuffix("be") ? ">" : "<"
        let folder = make(
            """
            python3 -c "
            import struct
            n = 8 * 6 * \(planes)
            f = open('in.raw', 'wb')
            for i in range(3):
                v = [0.5] * n
                if i == 2: v[n - 1] = float('\(value)')
                f.write(struct.pack('\(order)%df' % n, *v))"
            """)
        defer { Fixtures.remove(folder) }
        let reader = try reader("\(folder)/in.raw") {
            ($0.format, $0.size) = ("rawvideo", PictureSize(width: 8, height: 6))
            ($0.pixelFormat, $0.frameRate) = (format, Rational(25, 1))
        }
        for _ in 0..<2 { _ = try #require(try reader.next()) }
        let error = #expect(throws: VideoIOError.self) { try reader.next() }
        guard case .badInput(_, let words) = error, words.contains("frame 3") else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test(arguments: ["8192x1", "1x8192", "4000x2", "3x5000"], Fit.allCases)
    func `strips are brought to the model's size in little memory`(_ size: String, _ fit: Fit)
        throws
    {
        let folder = make(
            "ffmpeg -v error -f lavfi -i testsrc2=s=64x64:r=25:d=0.08 -vf scale=\(size.split(separator: "x").joined(separator: ":")) -pix_fmt yuv444p in.y4m"
        )
        defer { Fixtures.remove(folder) }
        let target = fit == .tile ? nil : PictureSize(width: 224, height: 224)
        let reader = try VideoReader(
            InputOptions(url: "\(folder)/in.y4m"), fit: fit, size: target,
            cancellation: Cancellation())
        let before = Fixtures.peakMemory()
        let frame = try #require(try reader.next())
        if fit != .tile { #expect(frame.width == 224 && frame.height == 224) }
        #expect(Fixtures.peakMemory() - before < 200 << 20)
    }

    @Test func `a file without frames is left out`() throws {
        let folder = make("printf 'YUV4MPEG2 W64 H48 F25:1 C420jpeg\\n' > in.y4m")
        defer { Fixtures.remove(folder) }
        for name in ["out.mp4", "out.y4m", "out.nut"] {
            let error = #expect(throws: VideoIOError.self) {
                try copy("\(folder)/in.y4m", "\(folder)/\(name)")
            }
            #expect("\(String(describing: error))".contains("no frames"))
        }
        #expect(Shell.run("ls -A", in: folder).text == "in.y4m")
    }
}
