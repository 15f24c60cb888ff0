import LatentIO

/// The clips of one video in the order of their frames, whatever their order in the stream: those
/// that come too early wait for those before them, as long as there is room.
///
/// A shard holds several videos; `name` picks one. Whole clips before a fault are delivered before
/// the fault is thrown.
final class OrderedLatents: LatentStream {
    private let stream: any LatentStream
    /// Which video is wanted.
    private let name: String?
    private let place: String
    /// The video that is read.
    private var video: String?
    /// Names of other videos that were met, for messages.
    private var others: [String] = []
    /// Clips that wait, by their first frame, descending.
    private var waiting: [LatentSample] = []
    private var waitingBytes = 0
    /// What was delivered, by first frame: clips that come again are told from others.
    private var known: [Int: Int] = [:]
    /// First frame of the clip that was delivered last, and where the next begins.
    private var last: (frame: Int, next: Int)?
    private var toldOfRepeats = false
    private var fault: (any Error)?
    private var ended = false

    /// Latents that wait: an hour of them, for the published model.
    private static let maximumBytes = 256 << 20
    private static let maximumKnown = 1 << 20

    /// Orders a stream; without a name, it must be of one video.
    init(_ stream: any LatentStream, named name: String?, place: String) {
        (self.stream, self.name, self.place) = (stream, name, place)
    }

    /// - Throws: `LatentError`; `.malformed` for two clips of the same frames and for clips that come
    ///   too late, for several videos without a name, and for a name that no video has.
    func next() throws -> LatentSample? {
        while !ended, !isNextReady {
            do {
                guard let sample = try stream.next() else {
                    ended = true
                    if video == nil, name != nil, !others.isEmpty { throw unknownName }
                    break
                }
                try take(sample)
            } catch {
                (fault, ended) = (error, true)
            }
        }
        if let sample = waiting.popLast() {
            waitingBytes -= sample.byteCount
            if known.count < OrderedLatents.maximumKnown {
                known[sample.info.firstFrame] = sample.fingerprint
            }
            last = (sample.info.firstFrame, sample.info.firstFrame + sample.info.stride)
            return sample
        }
        if let fault {
            self.fault = nil
            throw fault
        }
        return nil
    }

    /// Whether the first of those that wait is the one to deliver.
    private var isNextReady: Bool {
        guard let first = waiting.last else { return false }
        if waitingBytes > OrderedLatents.maximumBytes { return true }  // the one before is missing
        if let last { return first.info.firstFrame <= last.next }
        return first.info.firstFrame == 0 || first.number == 0
    }

    private func take(_ sample: LatentSample) throws {
        let found = sample.video
        if let name {
            guard found == name || found.split(separator: "/").last.map(String.init) == name else {
                remember(found)
                return
            }
        }
        if let video, video != found {
            throw malformed(
                "clips of one video; --name NAME picks one of several",
                "those of \(video) and of \(found)")
        }
        video = found
        let frame = sample.info.firstFrame
        if let fingerprint = known[frame] {
            return try repeated(sample, fingerprint == sample.fingerprint)
        }
        if let last, frame <= last.frame {
            throw malformed(
                "clips that are out of order by at most \(OrderedLatents.maximumBytes >> 20) MB",
                "\(sample.key), of frame \(frame), after the clip of frame \(last.frame)")
        }
        var (index, end) = (0, waiting.count)
        while index < end {  // by halves to the first that does not come after
            let middle = (index + end) / 2
            if waiting[middle].info.firstFrame > frame { index = middle + 1 } else { end = middle }
        }
        if index < waiting.count, waiting[index].info.firstFrame == frame {
            return try repeated(sample, waiting[index].fingerprint == sample.fingerprint)
        }
        waiting.insert(sample, at: index)
        waitingBytes += sample.byteCount
    }

    /// A clip of frames that another had.
    private func repeated(_ sample: LatentSample, _ isSame: Bool) throws {
        if !isSame {
            throw malformed("one clip of each frame", "another \(sample.key)")
        }
        if !toldOfRepeats {
            Log.warning("\(place): \(sample.key) is there twice; what is repeated is taken once")
        }
        toldOfRepeats = true
    }

    private func remember(_ name: String) {
        if others.count < 10, !others.contains(name) { others.append(name) }
    }

    private var unknownName: LatentError {
        malformed("a video named \(name ?? "")", others.joined(separator: ", "))
    }

    private func malformed(_ expected: String, _ found: String) -> LatentError {
        .malformed(place: place, expected: expected, found: found)
    }
}
