import Glibc
import LatentIO
import TensorFiles
import VidTwin
import VideoIO

/// Encodes the videos of a set, one after the other, with the next one being read meanwhile.
struct EncodedSet {
    /// How videos are read.
    struct Reading {
        let description: InputDescription
        let skip: Int
        let frames: Int?
        let rate: Rational?
        /// Endings of the files beside a video that go along.
        let companions: [String]
        /// Where videos of archives are put by.
        let folder: String
    }

    let model: VidTwinModel
    let identity: ModelIdentity
    let reading: Reading
    /// Of every video; a seed of samples is each video's own.
    let encoding: ClipEncoder.Options
    let interruption: Interruption
    /// The videos that could not be read, or not to their end, and why.
    private(set) var failures: [(name: String, problem: String)] = []
    /// The archive whose videos are being read.
    private var archive: ArchivedVideos?

    init(
        _ model: VidTwinModel, _ identity: ModelIdentity, _ reading: Reading,
        _ encoding: ClipEncoder.Options, _ interruption: Interruption
    ) {
        (self.model, self.identity, self.reading) = (model, identity, reading)
        (self.encoding, self.interruption) = (encoding, interruption)
    }

    /// A video that is being read.
    private struct Opened {
        let video: SetRecord.Video
        let frames: BackgroundReader
        let stream: VideoStreamInfo
        let companions: [String: [UInt8]]
        /// What is read of an archive.
        var file: ScratchFile?
    }

    /// Encodes videos, and passes their clips and ends on.
    ///
    /// - Parameters:
    ///   - videos: what is to be done.
    ///   - done: videos that are done.
    ///   - send: takes each clip, and the end of each video.
    /// - Throws: what is not a video's fault.
    mutating func run(
        _ videos: [VideoEntry], done: [String: SetRecord], _ send: (SetOutput.Item) throws -> Void
    ) throws {
        var waiting = videos[...]
        var next: Opened?
        defer { next?.frames.close() }
        while true {
            // The one after the present one is open and read while that is encoded.
            guard let present = try next ?? open(&waiting, done, of: videos.count) else { return }
            next = nil
            defer { present.frames.close() }
            next = try open(&waiting, done, of: videos.count)
            try encode(present, send)
            if interruption.signal != nil { return }
        }
    }

    private mutating func encode(_ opened: Opened, _ send: (SetOutput.Item) throws -> Void) throws {
        var encoding = encoding
        encoding.seed = encoding.seed.map { EncodedSet.seed($0, of: opened.video.name) }
        encoding.source = opened.video.name
        var encoder = ClipEncoder(
            model, identity, opened.stream, SampleName(ofMember: opened.video.name), encoding)
        var clips = ClipAssembler<RGBFrame>(
            length: model.configuration.frames, stride: encoding.stride)
        func pass(_ clip: ClipAssembler<RGBFrame>.Clip) throws {
            var sample = try encoder.sample(clip)
            sample.companions = opened.companions
            try send(.clip(sample, frames: clip.valid - clip.repeated))
        }
        while let frame = opened.frames.queue.pop()?.frame {
            if let clip = clips.push(frame) { try pass(clip) }
            if interruption.signal != nil { return }
        }
        if interruption.signal != nil { return }
        if let clip = clips.finish() { try pass(clip) }
        var video = opened.video
        if let fault = opened.frames.fault {
            guard let fault = fault as? VideoIOError else { throw fault }
            if case .cancelled = fault { return }
            video.problem = "\(fault)"
            note(video.name, "\(fault)")
        }
        try send(.end(of: video))
    }

    private mutating func note(_ name: String, _ problem: String) {
        Log.error(problem.contains(name) ? problem : "\(name): \(problem)")
        failures.append((name, problem))
    }

    /// Opens the next video that is to be done and can be read.
    private mutating func open(
        _ waiting: inout ArraySlice<VideoEntry>, _ done: [String: SetRecord], of count: Int
    ) throws -> Opened? {
        while true {
            if let opened = try openArchived(done) { return opened }
            guard interruption.signal == nil, let entry = waiting.popFirst() else { return nil }
            let place = "\(count - waiting.count) of \(count)"
            do {
                if let problem = entry.problem {
                    throw VideoIOError.badInput(url: entry.name, problem: problem)
                }
                if entry.isArchive {
                    archive = try ArchivedVideos(entry, interruption.reading)
                    Log.notice("\(place): \(entry.name.visible)")
                    continue
                }
                let video = try EncodedSet.video(entry)
                if try isDone(video, done) { continue }
                Log.notice("\(place): \(entry.name.visible)")
                return try open(
                    entry.path, video,
                    companions: EncodedSet.companions(of: entry, reading.companions))
            } catch VideoIOError.cancelled {
                return nil
            } catch let error as VideoIOError {
                note(entry.name, "\(error)")
            }
        }
    }

    /// Opens the next video of the archive that is being read.
    private mutating func openArchived(_ done: [String: SetRecord]) throws -> Opened? {
        while let videos = archive, interruption.signal == nil {
            guard let found = try nextVideo(of: videos, done) else {
                archive = nil
                return nil
            }
            do {
                Log.notice("\(found.video.name.visible)")
                return try open(
                    found.video.name, found.video, companions: found.companions, found.file)
            } catch let error as VideoIOError {
                if case .cancelled = error { return nil }
                note(found.video.name, "\(error)")
            }
        }
        return nil
    }

    /// The next video of an archive that is to be done.
    private mutating func nextVideo(
        of archive: ArchivedVideos, _ done: [String: SetRecord]
    ) throws -> ArchivedVideos.Found? {
        defer {
            for (name, problem) in archive.problems { note(name, problem) }
            archive.problems = []
        }
        do {
            let found = try archive.next(reading.companions, in: reading.folder) { video in
                do { return try !isDone(video, done) } catch {
                    note(video.name, "\(error)")
                    return false
                }
            }
            if found == nil, !archive.hasVideos, archive.problems.isEmpty {
                Log.warning("\(archive.name.visible) holds no videos")
            }
            return found
        } catch let error as StreamError {
            if case .cancelled = error { return nil }
            note(archive.name, "\(error)")
            return nil
        }
    }

    /// Whether a video is done.
    ///
    /// - Throws: `VideoIOError.badInput` where another file of its name is.
    private mutating func isDone(
        _ video: SetRecord.Video, _ done: [String: SetRecord]
    ) throws -> Bool {
        guard let record = done[video.name] else { return false }
        if record.video.isSame(as: video) {
            if let problem = record.video.problem { failures.append((video.name, problem)) }
            return true
        }
        throw VideoIOError.badInput(
            url: video.name,
            problem: "was changed since it was encoded into \(record.shard); -y without --resume "
                + "begins anew")
    }

    private func open(
        _ path: String, _ video: SetRecord.Video, companions: [String: [UInt8]],
        _ file: ScratchFile? = nil
    ) throws -> Opened {
        let c = model.configuration
        var options = reading.description.options(for: path)
        if let file { options.opened = (file.descriptor, []) }
        (options.skip, options.frames, options.copiesTracks) = (reading.skip, reading.frames, false)
        let reader = try VideoReader(
            options, fit: encoding.fit, size: PictureSize(width: c.width, height: c.height),
            cancellation: interruption.reading)
        reader.say(video.name)
        let frames = BackgroundReader(
            reader, rate: reading.rate, gap: reading.description.gap.maximum, capacity: 2 * c.frames
        )
        try frames.start()
        return Opened(
            video: video, frames: frames, stream: reader.stream.resampled(to: reading.rate),
            companions: companions, file: file)
    }

    /// What tells a file from another one of its name.
    private static func video(_ entry: VideoEntry) throws -> SetRecord.Video {
        var status = stat()
        if entry.path.withPathBytes({ stat($0, &status) }) != 0 {
            throw VideoIOError.badInput(url: entry.name, problem: String(cString: strerror(errno)))
        }
        let time = status.st_mtim
        return SetRecord.Video(
            name: entry.name, key: SampleName(ofMember: entry.name).text,
            bytes: Int64(status.st_size),
            modified: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }

    /// The files beside a video, by the endings that they get in a shard.
    private static func companions(
        of entry: VideoEntry, _ endings: [String]
    ) throws -> [String: [UInt8]] {
        let file =
            entry.path.lastIndex(of: "/").map(entry.path.index(after:)) ?? entry.path.startIndex
        guard let dot = entry.path[file...].lastIndex(of: ".") else { return [:] }
        var found: [String: [UInt8]] = [:]
        for ending in endings {
            let path = entry.path[..<dot] + "." + ending
            guard String(path).withPathBytes({ access($0, F_OK) }) == 0 else { continue }
            // KEY.json is the clip's own.
            found[ending == "json" ? "source.json" : ending] = try InputFile.read(
                String(path), limit: 16 << 20)
        }
        return found
    }

    /// The seed of a video's samples: its own, so that no two videos have the same noise, and the same
    /// whatever else is in the set.
    private static func seed(_ seed: UInt64, of name: String) -> UInt64 {
        seed &+ (UInt64(FileDigest.sha256(text: name).prefix(16), radix: 16) ?? 0)
    }
}
