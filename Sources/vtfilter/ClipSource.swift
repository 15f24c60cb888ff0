import Glibc
import LatentIO
import VidTwin
import VideoIO

/// A clip of one of the two videos of a cross-reenactment.
struct SourceClip {
    let latents: Latents
    /// Its frames, or their times alone where only latents are known.
    let frames: [RGBFrame]
    let audio: [AudioPacket]
}

/// A video, or the latents of one, clip by clip: a file, a pipe or standard input; what it is, its
/// first bytes tell.
final class ClipSource {
    /// What the video is.
    let stream: VideoStreamInfo
    /// Whether frames have pixels.
    let hasPictures: Bool
    private let model: VidTwinModel
    private let kind: Kind
    private let cancellation: Cancellation
    private var rest: [AudioPacket] = []

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
        _ url: String, model: VidTwinModel, fit: Fit, rate: Rational?, force: Bool,
        identity: () throws -> ModelIdentity, cancellation: Cancellation
    ) throws {
        self.model = model
        self.cancellation = cancellation
        let input = try LatentInput(url)
        let start = try ClipSource.peek(input)
        let size = PictureSize(
            width: model.configuration.width, height: model.configuration.height)
        let archive = url.hasSuffix(".safetensors")
        if archive || LatentReader.isLatents(start.bytes) {
            let reader: any LatentStream =
                try archive
                ? LatentArchive(path: url) ?? { throw input.noLatents }()
                : LatentReader(
                    descriptor: input.descriptor, place: input.place,
                    start: start.isConsumed ? start.bytes : [],
                    cancelDescriptor: cancellation.wakeDescriptor)
            guard let first = try reader.next() else { throw input.noLatents }
            let mine = try identity()
            try mine.check(first, force: force)
            stream = try first.info.stream(size, place: input.place)
            hasPictures = false
            kind = .latents(reader, first: Buffered(first, input))
            return
        }
        var options = InputOptions(url: url)
        if start.isConsumed {
            // The descriptor stays open as long as the process: both ends of the pipe are used.
            options.opened = (dup(input.descriptor), start.bytes)
        }
        let reader = try VideoReader(options, fit: fit, size: size, cancellation: cancellation)
        stream = reader.stream.resampled(to: rate)
        hasPictures = true
        kind = .video(
            BackgroundReader(reader, rate: rate, capacity: 2 * model.configuration.frames))
    }

    /// The first bytes of an input; those of a pipe are gone from it then.
    private static func peek(
        _ input: LatentInput
    ) throws -> (bytes: [UInt8], isConsumed: Bool) {
        var bytes = [UInt8](repeating: 0, count: LatentReader.peek)
        let isFile = lseek(input.descriptor, 0, SEEK_CUR) >= 0
        var done = 0
        while done < bytes.count {
            let (offset, room) = (done, bytes.count - done)
            let got = bytes.withUnsafeMutableBytes { buffer in
                let target = buffer.baseAddress.map { $0 + offset }
                return isFile
                    ? pread(input.descriptor, target, room, off_t(offset))
                    : read(input.descriptor, target, room)
            }
            if got < 0 && errno == EINTR { continue }
            if got < 0 {
                throw VideoIOError.badInput(
                    url: input.place, problem: String(cString: strerror(errno)))
            }
            if got == 0 { break }
            done += got
        }
        return (Array(bytes.prefix(done)), !isFile)
    }

    /// The next clip, or nil at the end.
    func next(_ force: Bool, _ identity: () throws -> ModelIdentity) throws -> SourceClip? {
        switch kind {
        case .video(let reading):
            var (frames, audio): ([RGBFrame], [AudioPacket]) = ([], [])
            let count = model.configuration.frames
            while frames.count < count, let item = reading.queue.pop() {
                audio += item.audio
                if let frame = item.frame { frames.append(frame) }
            }
            if frames.isEmpty {
                rest = audio
                if let fault = reading.fault { throw fault }
                return nil
            }
            var clip = ClipAssembler<RGBFrame>(length: count)
            let full = frames.compactMap { clip.push($0) }.last ?? clip.finish()
            let pictures = (full?.elements ?? []).map(\.picture)
            let latents = try model.moments(model.clip(pictures)).mean
            return SourceClip(latents: latents, frames: frames, audio: audio)
        case .latents(let reader, let first):
            guard let sample = try first.sample ?? reader.next() else { return nil }
            first.sample = nil
            try identity().check(sample, force: force)
            let info = sample.info
            guard (1...model.configuration.frames).contains(info.validFrames),
                info.pts.count == info.validFrames
            else {
                throw LatentError.malformed(
                    place: sample.key, expected: "1 to \(model.configuration.frames) frames",
                    found: "\(info.validFrames)")
            }
            let depth: SampleDepth = stream.bitDepth > 8 ? .sixteen : .eight
            let frames = info.pts.enumerated().map { t, pts in
                RGBFrame(
                    width: 0, height: 0, depth: depth, bytes: [], pts: pts,
                    duration: t + 1 < info.pts.count ? info.pts[t + 1] - pts : info.lastDuration)
            }
            return SourceClip(
                latents: try Latents.of(sample, for: model).0, frames: frames, audio: [])
        }
    }

    /// Audio after the last frame.
    func takeRest() -> [AudioPacket] { rest }

    /// Nobody takes clips any more, of either source: reading of a silent pipe ends too.
    func close() {
        cancellation.cancel()
        if case .video(let reading) = kind { reading.close() }
    }
}

extension LatentInfo {
    /// The video that the latents are of, in the model's size.
    func stream(_ modelSize: PictureSize, place: String) throws -> VideoStreamInfo {
        let source = PictureSize(width: width, height: height)
        let size = (Fit(rawValue: fit) ?? .crop).restoredSize(of: source, model: modelSize)
        guard let base = Rational(timeBase), let aspect = Rational(sampleAspect) else {
            throw LatentError.malformed(
                place: place, expected: "timeBase and sampleAspect as ratios",
                found: "\(timeBase), \(sampleAspect)")
        }
        return try VideoStreamInfo(
            format: "yuv4mpegpipe", size: size, pixelFormat: pixelFormat, timeBase: base,
            frameRate: rate.flatMap { Rational($0) }, sampleAspect: aspect,
            colors: (colorSpace, colorRange))
    }
}
