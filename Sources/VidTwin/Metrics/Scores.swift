/// The metrics of one frame.
public struct FrameScore: Codable, Sendable, Equatable {
    /// In dB.
    public let psnr: Double
    /// −1…1, 1 for equal frames.
    public let ssim: Double
    /// 0 for equal frames; nil where no weights were given.
    public let lpips: Double?

    /// These scores.
    public init(psnr: Double, ssim: Double, lpips: Double?) {
        (self.psnr, self.ssim, self.lpips) = (psnr, ssim, lpips)
    }
}

/// The metrics of the frames of one video.
public struct VideoScore: Codable, Sendable, Equatable {
    /// The video's name.
    public let name: String
    /// Scored frames of each clip; filling is not scored.
    public let clips: [Int]
    /// One for each frame.
    public let frames: [FrameScore]

    /// The scores of a video.
    public init(name: String, clips: [Int], frames: [FrameScore]) {
        (self.name, self.clips, self.frames) = (name, clips, frames)
    }

    /// The mean over the frames, nil without frames.
    public var mean: FrameScore? { FrameScore.mean(frames) }

    /// The mean of each clip's frames.
    var clipMeans: [FrameScore] {
        var (means, start): ([FrameScore], Int) = ([], 0)
        for count in clips where start + count <= frames.count {
            if let mean = FrameScore.mean(frames[start..<start + count]) { means.append(mean) }
            start += count
        }
        return means
    }
}

/// The metrics of a set of videos.
public struct PooledScore: Codable, Sendable, Equatable {
    /// The mean over the videos' means: each video counts the same.
    public let overVideos: FrameScore?
    /// The mean over the clips' means, as the published figures are pooled.
    public let overClips: FrameScore?
    /// The mean over all frames.
    public let overFrames: FrameScore?

    /// Pools the scores of videos.
    public init(_ videos: [VideoScore]) {
        overVideos = FrameScore.mean(videos.compactMap(\.mean))
        overClips = FrameScore.mean(videos.flatMap(\.clipMeans))
        overFrames = FrameScore.mean(videos.flatMap(\.frames))
    }
}

extension FrameScore {
    /// The mean of each metric; LPIPS only where all have it.
    static func mean(_ scores: some Collection<FrameScore>) -> FrameScore? {
        if scores.isEmpty { return nil }
        let count = Double(scores.count)
        let lpips = scores.compactMap(\.lpips)
        return FrameScore(
            psnr: scores.reduce(0) { $0 + $1.psnr } / count,
            ssim: scores.reduce(0) { $0 + $1.ssim } / count,
            lpips: lpips.count == scores.count ? lpips.reduce(0, +) / count : nil)
    }
}
