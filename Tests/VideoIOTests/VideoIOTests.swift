import Glibc
import Testing
import VidTwinTestSupport
import VideoIO

private let media = "\(Fixtures.folder)/media"

private func reader(
    _ path: String, _ fit: Fit = .crop, _ size: PictureSize? = PictureSize(width: 224, height: 224),
    cancellation: Cancellation = Cancellation()
) throws -> VideoReader {
    try VideoReader(InputOptions(url: path), fit: fit, size: size, cancellation: cancellation)
}

private func frames(_ reader: VideoReader) throws -> [RGBFrame] {
    var frames: [RGBFrame] = []
    while let frame = try reader.next() { frames.append(frame) }
    return frames
}

@Suite struct `Reading` {
    @Test(arguments: [
        (Fit.crop, "scale=398:224:flags=FLAGS,crop=224:224:87:0:exact=1"),
        (.stretch, "scale=224:224:flags=FLAGS"),
        (.pad, "scale=224:126:flags=FLAGS,format=gbrp,pad=224:224:0:49"),
    ])
    func `pictures are those of ffmpeg with the same filters`(_ fit: Fit, _ filters: String) throws
    {
        let flags = "bicubic+accurate_rnd+full_chroma_int"
        let expected = Shell.run(
            """
            ffmpeg -v error -i $MEDIA/city.mp4 -frames:v 5 -sws_flags \(flags) \
              -vf '\(filters.split(separator: "FLAGS", omittingEmptySubsequences: false).joined(separator: flags))' \
              -pix_fmt rgb24 -f rawvideo -
            """)
        #expect(expected.status == 0, "\(expected.errors)")
        let reader = try reader("\(media)/city.mp4", fit)
        var found: [UInt8] = []
        for _ in 0..<5 { found += try #require(try reader.next()).bytes }
        #expect(found == expected.output)
    }

    @Test func `what a stream is`() throws {
        let stream = try reader("\(media)/bunny.mp4").stream
        #expect(stream.size == PictureSize(width: 480, height: 270))
        #expect(stream.frameRate == Rational(24, 1))
        #expect(stream.pixelFormat == "yuv420p" && stream.bitDepth == 8)
        #expect(stream.frameCount == 96 && stream.copied?.hasSound == true)
    }

    @Test func `all frames come, with their times, at any size`() throws {
        let whole = try frames(try reader("\(media)/bunny.mp4", .crop, nil))
        #expect(whole.count == 96)
        #expect(whole.allSatisfy { $0.width == 480 && $0.height == 270 })
        #expect(zip(whole, whole.dropFirst()).allSatisfy { $0.pts < $1.pts })
        let cancellation = Cancellation()
        var options = InputOptions(url: "\(media)/bunny.mp4")
        (options.skip, options.frames) = (10, 7)
        let part = try VideoReader(options, fit: .crop, size: nil, cancellation: cancellation)
        let some = try frames(part)
        #expect(some.map(\.bytes) == whole[10..<17].map(\.bytes))
        #expect(some.first?.pts == 0)
    }

    @Test func `10-bit video arrives as 16-bit samples that are no widened 8-bit ones`() throws {
        let folder = Fixtures.temporaryFolder()
        let made = Shell.run(
            """
            ffmpeg -v error -f lavfi \
              -i "nullsrc=s=224x224,format=yuv444p10le,geq=lum='64+X*3+Y':cb=512:cr=512" \
              -frames:v 1 -strict -1 -f yuv4mpegpipe ten.y4m
            """, in: folder)
        #expect(made.status == 0, "\(made.errors)")
        let frame = try #require(try reader("\(folder)/ten.y4m").next())
        #expect(frame.depth == .sixteen && frame.bytes.count == 224 * 224 * 6)
        let samples = stride(from: 0, to: frame.bytes.count, by: 2).map {
            Int(frame.bytes[$0]) | Int(frame.bytes[$0 + 1]) << 8
        }
        #expect(Set(samples).count > 300)
    }

    @Test func `waiting for a silent pipe can be cancelled`() throws {
        let folder = Fixtures.temporaryFolder()
        let path = "\(folder)/pipe"
        #expect(mkfifo(path, 0o600) == 0)
        let writer = Glibc.open(path, O_RDWR)
        defer { close(writer) }
        let cancellation = Cancellation()
        let thread = Task.detached {
            try? await Task.sleep(nanoseconds: 300_000_000)
            cancellation.cancel()
        }
        let error = #expect(throws: VideoIOError.self) {
            try reader(path, cancellation: cancellation)
        }
        guard case .cancelled = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        thread.cancel()
    }

    @Test func `mutated files are read or refused, and never trap or hang`() throws {
        let folder = Fixtures.temporaryFolder()
        let made = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc=s=64x48:r=5 -frames:v 4 -pix_fmt yuv420p all.y4m
            ffmpeg -v error -i all.y4m -c:v rawvideo all.nut
            ffmpeg -v error -i all.y4m -c:v mpeg4 all.mkv
            ffmpeg -v error -i all.y4m -c:v libx264 -movflags +faststart all.mp4
            """, in: folder)
        #expect(made.status == 0, "\(made.errors)")
        LibavMessages.silence()
        var random = SplitMix64(seed: 5)
        for name in ["all.y4m", "all.nut", "all.mkv", "all.mp4"] {
            let intact = Fixtures.bytes("\(folder)/\(name)")
            for round in 0..<60 {
                var bytes = intact
                for _ in 0..<3 {
                    let at = Int(random.next() % UInt64(min(bytes.count, 2000)))
                    bytes[at] = UInt8(truncatingIfNeeded: random.next())
                }
                if round % 3 == 0 { bytes.removeLast(Int(random.next() % UInt64(bytes.count))) }
                Fixtures.write(bytes, to: "\(folder)/mutated")
                if let reader = try? reader("\(folder)/mutated") { _ = try? frames(reader) }
            }
        }
    }
}

@Suite struct `Writing` {
    @Test func `frames come back as they were written, and nothing stays of what is abandoned`()
        throws
    {
        let folder = Fixtures.temporaryFolder()
        let source = try reader("\(media)/city.mp4")
        let size = PictureSize(width: 224, height: 224)
        let pictures = [try #require(try source.next()), try #require(try source.next())]
        var options = OutputOptions(url: "\(folder)/out.nut")
        options.pixelFormat = "rgb24"
        let writer = try VideoWriter(options, like: source.stream, size: size)
        for picture in pictures { try writer.write(picture) }
        #expect(access("\(folder)/out.nut", F_OK) != 0, "no file before the end")
        try writer.finish()
        let back = try frames(try reader("\(folder)/out.nut"))
        #expect(back.map(\.bytes) == pictures.map(\.bytes))
        #expect(back.map(\.pts).first == 0)

        options.url = "\(folder)/abandoned.nut"
        let abandoned = try VideoWriter(options, like: source.stream, size: size)
        try abandoned.write(pictures[0])
        abandoned.abandon()
        let left = Shell.run("ls -A", in: folder).text
        #expect(left == "out.nut")
    }

    @Test func `a frame of another size is refused`() throws {
        let folder = Fixtures.temporaryFolder()
        let source = try reader("\(media)/city.mp4")
        let frame = try #require(try source.next())
        let writer = try VideoWriter(
            OutputOptions(url: "\(folder)/out.nut"), like: source.stream,
            size: PictureSize(width: 100, height: 100))
        #expect(throws: VideoIOError.self) { try writer.write(frame) }
    }

    @Test(arguments: [
        ("out.nonsense", nil), ("out.wav", nil), ("out.mkv", "nonsense"),
    ])
    func `formats that hold no such video are refused`(_ name: String, _ pixelFormat: String?)
        throws
    {
        let folder = Fixtures.temporaryFolder()
        let source = try reader("\(media)/city.mp4")
        var options = OutputOptions(url: "\(folder)/\(name)")
        options.pixelFormat = pixelFormat
        if name.hasSuffix("nonsense") { options.format = "nonsense" }
        #expect(throws: VideoIOError.self) {
            try VideoWriter(
                options, like: source.stream, size: PictureSize(width: 224, height: 224))
        }
        #expect(Shell.run("ls -A", in: folder).text.isEmpty)
    }
}
