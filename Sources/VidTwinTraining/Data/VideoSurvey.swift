package import VideoIO

/// What a video of a set is, found by decoding all of it.
package struct VideoFacts: Equatable, Sendable {
    /// From the first frame to the end of the last.
    package let seconds: Double
    package let frames: Int
    package let size: PictureSize
    /// Frames a second: the container's, or the mean where it has none.
    package let rate: Double
    /// Mean absolute difference between a frame and the next, 0…255, at 64 × 64 pixels.
    package let motion: Double

    package init(seconds: Double, frames: Int, size: PictureSize, rate: Double, motion: Double) {
        (self.seconds, self.frames, self.size) = (seconds, frames, size)
        (self.rate, self.motion) = (rate, motion)
    }

    private static let side = 64

    /// Decodes a video.
    ///
    /// - Throws: `VideoIOError` where a part of it cannot be read.
    package init(path: String, cancellation: Cancellation) throws {
        let timeline = try VideoTimeline(path: path, cancellation: cancellation)
        var options = InputOptions(url: path)
        options.copiesTracks = false
        let reader = try VideoReader(
            options, fit: .stretch,
            size: PictureSize(width: VideoFacts.side, height: VideoFacts.side),
            cancellation: cancellation)
        let step = reader.stream.bitDepth > 8 ? 2 : 1
        var (previous, frames, sum): ([UInt8], Int, Double) = ([], 0, 0)
        while let frame = try reader.next() {
            // The upper byte of 16 bits tells enough.
            let bytes =
                step == 1
                ? frame.bytes
                : stride(from: 1, to: frame.bytes.count, by: 2).map { frame.bytes[$0] }
            if !previous.isEmpty {
                var difference = 0
                for (a, b) in zip(previous, bytes) { difference += abs(Int(a) - Int(b)) }
                sum += Double(difference) / Double(max(bytes.count, 1))
            }
            previous = bytes
            frames += 1
        }
        if frames == 0 { throw VideoIOError.badInput(url: path, problem: "found no frames") }
        let seconds = (timeline.seconds.last ?? 0) + timeline.lastDuration
        self.init(
            seconds: seconds, frames: frames, size: reader.stream.size,
            rate: reader.stream.frameRate?.value ?? Double(frames) / max(seconds, 1e-9),
            motion: frames > 1 ? sum / Double(frames - 1) : 0)
    }
}

/// A list of videos with what they are: a row of the CSV that `prepare` writes.
package enum VideoSurvey {
    /// The columns; `train`, `evaluate` and `encode` read the first.
    package static let header = "videos,seconds,frames,size,rate,motion"

    /// A row.
    package static func row(_ name: String, _ facts: VideoFacts) -> String {
        "\(CSVTable.quoted(name)),\(MetricsLog.number(rounded(facts.seconds, 1e4))),"
            + "\(facts.frames),\(facts.size),\(MetricsLog.number(rounded(facts.rate, 1e4))),"
            + "\(MetricsLog.number(rounded(facts.motion, 1e3)))"
    }

    private static func rounded(_ value: Double, _ scale: Double) -> Double {
        (value * scale).rounded() / scale
    }

    /// The rows that an earlier look has, by name.
    package static func rows(of bytes: [UInt8]) -> [String: String] {
        // A line that was being written when the program ended is not whole.
        let whole = bytes.lastIndex(of: 10).map { Array(bytes[...$0]) } ?? []
        let columns = header.split(separator: ",").map(String.init)
        var rows: [String: String] = [:]
        for line in whole.split(separator: 10) {
            guard let row = CSVTable(Array(line)).rows.first, let fields = try? row.fields.get(),
                fields.count == columns.count, fields != columns
            else { continue }
            rows[fields[0]] = String(decoding: line, as: UTF8.self)
        }
        return rows
    }
}
