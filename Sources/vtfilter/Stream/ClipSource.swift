import Glibc
import LatentIO
import ForkSafety
import VidTwin
import VideoIO

/// A video, or the latents of one, clip by clip: a file, a pipe or standard input; what it is, its
/// first bytes tell.
final class ClipSource {
    /// What the video is.
    let stream: VideoStreamInfo
    /// How its frames were brought to the model's size.
    let fit: Fit
    /// Whether frames have pixels.
    let hasPictures: Bool
    private let model: VidTwinModel
    private let kind: Kind
    private let cancellation: Cancellation
    private var rest: [CopiedPacket] = []
    private var order = ClipOrder()

    /// Which frames of a source are taken.
    struct Cut {
        /// Frames that are left out at the start.
        var skip = 0
        /// Frames that are taken at most.
        var frames: Int?
    }
    private let cut: Cut
    /// Of latents: frames that were taken, and the time of the first.
    private var taken = (frames: 0, start: Int64(0))
    /// Of latents: the number of the first frame that is there.
    private var firstFrame: Int?

    private enum Kind {
        case video(BackgroundReader)
        case latents(any LatentStream, first: Buffered)
    }

    /// The first sample, read to know the stream.
    private final class Buffered {
        var sample: LatentSample?
        let input: LatentInput
        init(_ sample: LatentSample, _ input: LatentInput) {
            (self.sample, self.input) = (sample, input)
        }
    }

    init(
        _ url: String, _ description: InputDescription, model: VidTwinModel, fit: Fit,
        rate: Rational?, cut: Cut, cancellation: Cancellation
    ) throws {
        (self.model, self.cut) = (model, cut)
        self.cancellation = cancellation
        let input = try LatentInput(url)
        let start = try ClipSource.peek(input, cancellation)
        let size = PictureSize(
            width: model.configuration.width, height: model.configuration.height)
        if input.isArchive || LatentReader.isLatents(start.bytes) {
            let reader = try input.clips(
                start: start.isConsumed ? start.bytes : [], cancellation)
            guard let first = try reader.next() else { throw input.noLatents }
            stream = try first.info.stream(size, place: input.place)
            self.fit = Fit(rawValue: first.info.fit) ?? .crop
            hasPictures = false
            kind = .latents(reader, first: Buffered(first, input))
            return
        }
        var options = description.options(for: url)
        (options.skip, options.frames) = (cut.skip, cut.frames)
        if start.isConsumed {
            // The descriptor stays open as long as the process: both ends of the pipe are used.
            options.opened = (dup(input.descriptor), start.bytes)
        }
        let reader = try VideoReader(options, fit: fit, size: size, cancellation: cancellation)
        stream = reader.stream.resampled(to: rate)
        self.fit = fit
        reader.say(input.place)
        fit.announce(stream.size, model: size)
        hasPictures = true
        let reading = BackgroundReader(
            reader, rate: rate, gap: description.gap.maximum,
            capacity: 2 * model.configuration.frames)
        try reading.start()
        kind = .video(reading)
    }

    /// The first bytes of an input; those of a pipe are gone from it then.
    private static func peek(
        _ input: LatentInput, _ cancellation: Cancellation
    ) throws -> (bytes: [UInt8], isConsumed: Bool) {
        var bytes = [UInt8](repeating: 0, count: LatentReader.peek)
        let isFile = lseek(input.descriptor, 0, SEEK_CUR) >= 0
        var done = 0
        while done < bytes.count {
            if !isFile { try cancellation.wait(for: input.descriptor) }
            let (offset, room) = (done, bytes.count - done)
            let got = bytes.withUnsafeMutableBytes { buffer in
                let target = buffer.baseAddress.map { $0 + offset }
                return isFile
                    ? pread(input.descriptor, target, room, off_t(offset))
                    : read(input.descriptor, target, room)
            }
            if got < 0 && (errno == EINTR || errno == EAGAIN) { continue }
            if got < 0 {
                throw VideoIOError.badInput(
                    url: input.place, problem: String(cString: strerror(errno)))
            }
            if got == 0 { break }
            done += got
        }
        return (Array(bytes.prefix(done)), !isFile)
    }

    /// Refuses latents of another model, where the input is latents.
    func check(force: Bool, _ identity: () throws -> ModelIdentity) throws {
        guard case .latents(_, let first) = kind, let sample = first.sample else { return }
        try identity().check(sample, force: force)
    }

    /// The next clip, or nil at the end.
    func next(_ force: Bool, _ identity: () throws -> ModelIdentity) throws -> SourceClip? {
        switch kind {
        case .video(let reading):
            var (frames, copied): ([RGBFrame], [CopiedPacket]) = ([], [])
            let count = model.configuration.frames
            while frames.count < count, let item = reading.queue.pop() {
                copied += item.copied
                if let frame = item.frame { frames.append(frame) }
            }
            if frames.isEmpty {
                rest = copied
                if let fault = reading.fault { throw fault }
                return nil
            }
            var clip = ClipAssembler<RGBFrame>(length: count)
            let full = frames.compactMap { clip.push($0) }.last ?? clip.finish()
            let pictures = (full?.elements ?? []).map(\.picture)
            let latents = try model.encode(model.clip(pictures))
            return SourceClip(latents: latents, frames: frames, copied: copied)
        case .latents(let reader, let first):
            guard let sample = try nextSample(reader, first) else { return nil }
            try identity().check(sample, force: force)
            let info = sample.info
            try order.check(sample, frames: model.configuration.frames)
            if order.known(info) > 0 {
                throw LatentError.malformed(
                    place: sample.key,
                    expected: "clips that share no frames (encode without --stride)",
                    found: "\(order.known(info)) frames of the clip before")
            }
            order.took(sample)
            let depth: SampleDepth = stream.bitDepth > 8 ? .sixteen : .eight
            // As of videos, the first frame that is taken is shown at 0.
            if cut.skip > 0, taken.frames == 0 { taken.start = info.pts.first ?? 0 }
            let rest = cut.frames.map { $0 - taken.frames } ?? info.pts.count
            let frames = info.pts.prefix(rest).enumerated().map { t, pts in
                RGBFrame(
                    width: 0, height: 0, depth: depth, bytes: [], pts: pts - taken.start,
                    duration: t + 1 < info.pts.count ? info.pts[t + 1] - pts : info.lastDuration)
            }
            taken.frames += frames.count
            return SourceClip(
                latents: try Latents.of(sample, for: model).0, frames: frames, copied: [])
        }
    }

    /// The next sample of latents that is not left out.
    private func nextSample(
        _ reader: any LatentStream, _ first: Buffered
    ) throws -> LatentSample? {
        if let frames = cut.frames, taken.frames >= frames { return nil }
        while let sample = try first.sample ?? reader.next() {
            first.sample = nil
            let info = sample.info
            let start = firstFrame ?? info.firstFrame
            firstFrame = start
            let before = info.firstFrame - start
            if before + info.validFrames <= cut.skip { continue }
            if before < cut.skip {
                throw UsageError(
                    "--skip \(cut.skip): latents are cut between clips, which begin at frames "
                        + "\(before) and \(before + info.validFrames) here")
            }
            return sample
        }
        return nil
    }

    /// Packets of other tracks after the last frame.
    func takeRest() -> [CopiedPacket] { rest }

    /// Whether more clips are known to come, without waiting long for one.
    func hasMore() -> Bool {
        switch kind {
        case .video(let reading): return reading.queue.waits(milliseconds: 500)
        case .latents(let reader, let first):
            if let frames = cut.frames, taken.frames >= frames { return false }
            if first.sample != nil { return true }
            let isFile = lseek(first.input.descriptor, 0, SEEK_CUR) >= 0
            return isFile && ((try? reader.next()) ?? nil) != nil
        }
    }

    /// Nobody takes clips any more, of either source: reading of a silent pipe ends too.
    func close() {
        cancellation.cancel()
        if case .video(let reading) = kind { reading.close() }
    }
}

extension ClipSource {
    /// Opens several inputs at once, so that one writer may feed them in any order. The first that
    /// fails ends the waiting for all.
    static func open(
        _ urls: [String], _ description: InputDescription, model: VidTwinModel, fit: Fit,
        rate: Rational?, cut: Cut, _ cancellation: Cancellation
    ) throws -> [ClipSource] {
        /// What came of an input: its thread's own until that is joined.
        final class Outcome: @unchecked Sendable {
            var source: ClipSource?
        }
        let first = Guarded<(any Error)?>(nil)
        let outcomes = urls.map { _ in Outcome() }
        @Sendable func failed(_ error: any Error) {
            first.withLock { $0 = $0 ?? error }
            cancellation.cancel()
        }
        var threads: [BackgroundThread] = []
        for (url, outcome) in zip(urls, outcomes) {
            do {
                threads.append(
                    try BackgroundThread {
                        do {
                            outcome.source = try ClipSource(
                                url, description, model: model, fit: fit, rate: rate, cut: cut,
                                cancellation: cancellation)
                        } catch { failed(error) }
                    })
            } catch { failed(error) }
        }
        for thread in threads { thread.join() }
        let sources = outcomes.compactMap(\.source)
        if let fault = first.withLock({ $0 }) {
            for source in sources { source.close() }
            throw fault
        }
        return sources
    }
}
