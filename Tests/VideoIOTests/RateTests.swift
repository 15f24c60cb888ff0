import Testing
import VidTwinTestSupport
import VideoIO

/// What ffprobe finds in a video's first stream.
struct Probe {
    let rate: String
    let mean: String
    let frames: Int?
    let seconds: Double?

    init(_ path: String) {
        let result = Shell.run(
            """
            ffprobe -v error -count_frames -select_streams v:0 -of default=nw=1 -show_entries \
              stream=r_frame_rate,avg_frame_rate,nb_read_frames:format=duration '\(path)'
            """)
        var found: [Substring: String] = [:]
        for line in result.text.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1)
            if parts.count == 2, found[parts[0]] == nil { found[parts[0]] = String(parts[1]) }
        }
        rate = found["r_frame_rate"] ?? "none"
        mean = found["avg_frame_rate"] ?? "none"
        frames = found["nb_read_frames"].flatMap { Int($0) }
        seconds = found["duration"].flatMap { Double($0) }
    }
}

private let size = PictureSize(width: 96, height: 64)

/// A video of `times.count` frames that are shown at these times.
private func write(
    _ path: String, _ times: [Int64], timeBase: Rational, rate: Rational?, variable: Bool = false,
    gap: Double = FrameSampler.maximumGap
) throws -> [String] {
    LibavMessages.silence()
    let stream = try VideoStreamInfo(
        format: "nut", size: size, pixelFormat: "yuv420p", timeBase: timeBase, frameRate: rate,
        sampleAspect: Rational(1, 1), colors: (2, 0))
    var options = OutputOptions(url: path)
    (options.overwrite, options.maximumGap) = (true, gap)
    let writer = try VideoWriter(options, like: stream, size: size)
    // Noise: program streams give several small frames one time.
    var random = SplitMix64(seed: 3)
    for pts in times {
        try writer.write(
            RGBFrame(
                width: size.width, height: size.height, depth: .eight,
                bytes: (0..<size.width * size.height * 3).map { _ in
                    UInt8(truncatingIfNeeded: random.next())
                }, pts: pts,
                duration: 0))
    }
    let said = writer.notes
    return said + (try writer.finish())
}

/// When the frames of a rate are shown, as a container of this time base rounds it.
private func times(_ count: Int, _ rate: Rational, _ timeBase: Rational) -> [Int64] {
    (0..<count).map { Int64((Double($0) / rate.value / timeBase.value).rounded()) }
}

private let rates = [
    Rational(25, 1), Rational(30000, 1001), Rational(24000, 1001), Rational(25, 2), Rational(50, 1),
]
/// The units that containers count in: mp4, Matroska, NUT, MPEG.
private let timeBases = [
    Rational(1, 12800), Rational(1, 1000), Rational(1, 51200), Rational(1, 90000),
]
private let containers = [
    "mp4", "mov", "mkv", "webm", "nut", "y4m", "avi", "ts", "m2ts", "mpg", "vob", "mxf", "h264",
    "flv", "wmv", "ogv", "3gp",
]

@Suite struct `Rates` {
    @Test(arguments: containers, rates)
    func `whatever unit the input counts in, the output has its rate, duration and frames`(
        _ container: String, _ rate: Rational
    ) throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        // Broadcast containers and MPEG-1 have a table of rates.
        let doubled = rate == Rational(25, 2) && ["mpg", "mxf"].contains(container)
        let expected = doubled ? Rational(25, 1) : rate
        let count = doubled ? 40 : 20
        // All units where the faults were, one of them elsewhere.
        let turn = (containers.firstIndex(of: container) ?? 0) + (rates.firstIndex(of: rate) ?? 0)
        let some =
            ["mp4", "y4m", "avi"].contains(container) ? timeBases : [timeBases[turn % 4]]
        for timeBase in some {
            let path = "\(folder)/out.\(container)"
            let notes = try write(
                path, times(20, rate, timeBase), timeBase: timeBase, rate: rate)
            let found = Probe(path)
            let context = "\(container), \(rate) frames/s, \(timeBase): \(found) \(notes)"
            #expect(found.frames == count, "\(context)")
            #expect(found.rate == "\(expected.numerator)/\(expected.denominator)", "\(context)")
            if let seconds = found.seconds, container != "h264" {
                // Some say where the last frame starts.
                #expect(abs(seconds - 20 / rate.value) < 1.1 / rate.value, "\(context)")
            }
            #expect(notes.isEmpty != doubled, "\(context)")
            let back = try VideoReader(
                InputOptions(url: path), fit: .crop, size: nil, cancellation: Cancellation())
            #expect(back.stream.frameRate == expected && !back.stream.isVariable, "\(context)")
        }
    }

    @Test(arguments: ["ts", "m2ts", "mpg"])
    func `containers whose clock starts anywhere are read from 0`(_ container: String) throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let made = Shell.run(
            """
            ffmpeg -v error -f lavfi -i testsrc2=s=96x64:r=25:d=0.8 -f lavfi -i sine=d=0.8 \
              -c:v mpeg2video -c:a mp2 -output_ts_offset 3600 in.\(container)
            """, in: folder)
        #expect(made.status == 0, "\(made.errors)")
        let reader = try VideoReader(
            InputOptions(url: "\(folder)/in.\(container)"), fit: .crop, size: nil,
            cancellation: Cancellation())
        var options = OutputOptions(url: "\(folder)/out.mkv")
        options.overwrite = true
        let writer = try VideoWriter(options, like: reader.stream, size: reader.stream.size)
        while let frame = try reader.next() {
            try writer.write(reader.takeCopied())
            try writer.write(frame)
        }
        try writer.finish()
        let seconds = try #require(Probe("\(folder)/out.mkv").seconds)
        #expect(seconds > 0.7 && seconds < 1, "\(seconds)")
    }

    @Test(arguments: ["y4m", "avi", "mxf", "h264", "mpg", "ts"])
    func `variable times in a container of one rate: said, and the duration stays`(
        _ container: String
    ) throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let path = "\(folder)/out.\(container)"
        // 26 frames in 2 s, of 25 a second.
        let shown = (0..<50).filter { $0 % 5 != 1 && ($0 < 10 || $0 % 2 == 0) }
        let mean = Rational(Int32(shown.count), 2)
        let notes = try write(
            path, shown.map { Int64($0) * 40 }, timeBase: Rational(1, 1000), rate: mean)
        let found = Probe(path)
        #expect(!notes.isEmpty)
        #expect(notes.allSatisfy { $0.contains("rate") || $0.contains("repeated") }, "\(notes)")
        let frames = try #require(found.frames)
        let back = try VideoReader(
            InputOptions(url: path), fit: .crop, size: nil, cancellation: Cancellation())
        let rate = try #require(back.stream.frameRate)
        #expect(abs(Double(frames) / rate.value - 2) < 0.1, "\(found)")
        if ["y4m", "avi", "h264"].contains(container) { #expect(frames == shown.count) }
    }

    @Test(arguments: ["mp4", "mkv", "nut", "mov", "webm", "wmv", "flv"])
    func `variable times stay where the container has times`(_ container: String) throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let path = "\(folder)/out.\(container)"
        let shown: [Int64] = [0, 40, 120, 240, 260, 700, 740, 780, 1000, 1500]
        let notes = try write(
            path, shown, timeBase: Rational(1, 1000), rate: Rational(25, 1))
        #expect(notes.isEmpty)
        let reader = try VideoReader(
            InputOptions(url: path), fit: .crop, size: nil, cancellation: Cancellation())
        var found: [Int64] = []
        while let frame = try reader.next() {
            found.append(Int64((Double(frame.pts) * reader.stream.timeBase.value * 1000).rounded()))
        }
        #expect(found.map { $0 - found[0] } == shown)
        #expect(reader.stream.isVariable)
    }

    @Test func `frames that are repeated fill no century`() throws {
        let folder = Fixtures.temporaryFolder()
        defer { Fixtures.remove(folder) }
        let century: [Int64] = [0, 1, 3_000_000_000]
        let error = #expect(throws: VideoIOError.self) {
            try write(
                "\(folder)/out.mxf", century, timeBase: Rational(1, 1), rate: Rational(25, 2))
        }
        #expect("\(String(describing: error))".contains("--max-gap"))
        _ = try write(
            "\(folder)/source.mkv", [0, 40, 80, 90_000], timeBase: Rational(1, 1000),
            rate: Rational(25, 1))
        func sampled(_ gap: Double) throws -> Int {
            let reader = try VideoReader(
                InputOptions(url: "\(folder)/source.mkv"), fit: .crop, size: nil,
                cancellation: Cancellation())
            var sampler = FrameSampler(reader, rate: Rational(25, 1), gap: gap)
            var count = 0
            do {
                while try sampler.next() != nil { count += 1 }
            } catch {
                #expect("\(error)".contains("--max-gap"))
                return -count
            }
            return count
        }
        #expect(try sampled(60) == -3, "three frames, then the fault")
        #expect(try sampled(100) == 2251)
    }
}
