import VidTwin
import VideoIO

/// Evaluates videos one after the other; of a video, one clip is in memory at a time.
struct EvaluationRun {
    let evaluator: Evaluator
    let rate: Rational?
    let limit: Int?
    let gap: Double
    let deinterlaces: Bool
    let collectsMoments: Bool
    let cancellation = Cancellation()
    private(set) var moments = Moments()

    init(
        evaluator: Evaluator, rate: Rational?, limit: Int?, gap: Double, deinterlaces: Bool,
        collectsMoments: Bool
    ) {
        (self.evaluator, self.rate, self.limit) = (evaluator, rate, limit)
        (self.gap, self.deinterlaces) = (gap, deinterlaces)
        self.collectsMoments = collectsMoments
    }

    /// Opens a video and says what was decided.
    private func open(_ path: String, _ fit: Fit, _ size: PictureSize?) throws -> VideoReader {
        var options = InputOptions(url: path)
        options.deinterlaces = deinterlaces
        options.copiesTracks = false
        let reader = try VideoReader(options, fit: fit, size: size, cancellation: cancellation)
        reader.say(path)
        return reader
    }

    /// A model's reconstruction of a video against the video.
    mutating func reconstruction(
        of entry: VideoEntry, model: VidTwinModel, fit: Fit, seed: UInt64?
    ) throws -> VideoScore {
        let c = model.configuration
        let reader = try open(entry.path, fit, PictureSize(width: c.width, height: c.height))
        var sampler = FrameSampler(reader, rate: rate, gap: gap)
        var generator = seed.map { TorchGenerator(seed: $0) }
        return try score(entry.name, clip: c.frames) { count in
            let pictures = try sampler.take(count).map(\.picture)
            if pictures.isEmpty { return ([], []) }
            return (
                pictures.map { MetricFrame($0) },
                try model.reconstruction(pictures, sampling: &generator)
            )
        }
    }

    /// One video against another, frame by frame; ends with the shorter one.
    ///
    /// - Returns: the scores, and a sentence where the videos differ in length.
    mutating func comparison(
        _ reference: String, _ distorted: String
    ) throws -> (score: VideoScore, note: String?) {
        let first = try open(reference, .stretch, nil)
        let second = try open(distorted, .stretch, nil)
        if first.stream.size != second.stream.size {
            throw VideoIOError.badInput(
                url: distorted,
                problem: "expected frames of \(first.stream.size), as in \(reference), found "
                    + "\(second.stream.size)")
        }
        var a = FrameSampler(first, rate: rate, gap: gap)
        var b = FrameSampler(second, rate: rate, gap: gap)
        var shorter: String?
        let result = try score(distorted, clip: 16) { count in
            var (x, y) = (try a.take(count), try b.take(count))
            if x.count != y.count { shorter = x.count < y.count ? reference : distorted }
            let common = min(x.count, y.count)
            (x, y) = (Array(x.prefix(common)), Array(y.prefix(common)))
            return (x.map { MetricFrame($0.picture) }, y.map { MetricFrame($0.picture) })
        }
        let whole = limit.map { result.frames.count >= $0 } ?? false
        if shorter == nil, !whole {
            if try a.next() != nil {
                shorter = distorted
            } else if try b.next() != nil {
                shorter = reference
            }
        }
        return (
            result, shorter.map { "\($0) ends first: \(result.frames.count) frames were compared" }
        )
    }

    /// Scores clips until one is not full.
    private mutating func score(
        _ name: String, clip: Int,
        _ next: (Int) throws -> (reference: [MetricFrame], distorted: [MetricFrame])
    ) throws -> VideoScore {
        var (scores, clips): ([FrameScore], [Int]) = ([], [])
        var extremes = VideoMoments(video: name)
        while true {
            let count = min(clip, (limit ?? .max) - scores.count)
            if count == 0 { break }
            let (x, y) = try next(count)
            if x.isEmpty { break }
            let found = try evaluator.scores(x, y)
            if collectsMoments { try extremes.look(scores.count, found, x, y) }
            scores += found
            clips.append(found.count)
            if found.count < count { break }
        }
        if scores.isEmpty {
            throw VideoIOError.badInput(url: name, problem: "expected frames, found none")
        }
        if collectsMoments { moments.add(extremes) }
        return VideoScore(name: name, clips: clips, frames: scores)
    }
}

extension FrameSampler {
    /// Up to `count` frames.
    fileprivate mutating func take(_ count: Int) throws -> [RGBFrame] {
        var frames: [RGBFrame] = []
        while frames.count < count, let frame = try next() { frames.append(frame) }
        return frames
    }
}
