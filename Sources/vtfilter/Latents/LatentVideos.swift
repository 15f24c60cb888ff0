import LatentIO

/// The videos of a stream of latents that holds several, one after the other: each is a stream of its own
/// clips, to be taken before the next.
final class LatentVideos {
    private let stream: any LatentStream
    /// The first clip of the next video.
    private var waiting: LatentSample?
    /// What is wrong with the stream, after whole samples.
    private(set) var fault: (any Error)?
    private var ended = false

    /// Takes a stream apart.
    init(_ stream: any LatentStream) { self.stream = stream }

    /// One of them.
    final class Video: LatentStream {
        /// What its samples are called without their numbers.
        let name: String
        /// What the first of them says.
        let info: LatentInfo
        private let videos: LatentVideos

        fileprivate init(_ first: LatentSample, _ videos: LatentVideos) {
            (name, info, self.videos) = (first.video, first.info, videos)
        }

        /// The next clip, or nil at the end: of the video, or of all.
        func next() -> LatentSample? {
            videos.advance()
            guard let sample = videos.waiting, sample.video == name,
                sample.info.source == info.source
            else { return nil }
            videos.waiting = nil
            return sample
        }
    }

    /// The next video, or nil at the end; clips of the one before that were not taken are passed over.
    func next(after last: Video?) -> Video? {
        if let last { while last.next() != nil {} }
        advance()
        return waiting.map { Video($0, self) }
    }

    private func advance() {
        if waiting != nil || ended { return }
        do {
            waiting = try stream.next()
            ended = waiting == nil
        } catch {
            (fault, ended) = (error, true)
        }
    }
}
