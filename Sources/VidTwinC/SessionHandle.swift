import CVidTwin
import Glibc
import Synchronization
import VidTwin

/// What a `vidtwin_session` points to: a stream, one call at a time.
final class SessionHandle: @unchecked Sendable {
    let model: VidTwinModel
    private let log: HostLog
    private let options: Session.Options
    /// The process whose call is in this session; 0 where none is. Nothing waits for it, so that
    /// neither a log callback nor the child of a fork can hang here.
    private let user = Atomic<pid_t>(0)
    /// Reached by the call that holds `user` only.
    private var stream: Stream

    private struct Stream {
        let session: Session
        /// Numbers of the frames that were sent and whose reconstruction is not ready.
        var waiting: [Int64] = []
        var ready: [(picture: Picture, pts: Int64)] = []
        var received = 0
        var isFlushed = false
        /// What a computation failed with; nothing more comes then.
        var failure: (any Error)?
        /// Noise of clips that are encoded by themselves.
        var generator: TorchGenerator?

        init(_ model: VidTwinModel, _ options: Session.Options) {
            session = Session(model: model, options: options)
            generator = options.samplingSeed.map { TorchGenerator(seed: $0) }
        }
    }

    init(_ model: VidTwinModel, _ given: vidtwin_session_options) throws {
        let frames = model.configuration.frames
        guard (0..<frames).contains(Int(given.overlap)) else {
            throw CallError.argument(
                "overlap", expected: "0 to \(frames - 1) frames", found: "\(given.overlap)")
        }
        guard given.sample == 0 || given.sample == 1 else {
            throw CallError.argument("sample", expected: "0 or 1", found: "\(given.sample)")
        }
        var options = Session.Options()
        options.part = try SessionHandle.part(given.part)
        options.overlap = Int(given.overlap)
        options.samplingSeed = given.sample == 1 ? given.seed : nil
        self.model = model
        self.options = options
        log = HostLog(given.log, given.log_user)
        stream = Stream(model, options)
    }

    private static func part(_ value: Int32) throws -> Part {
        switch Int(value) {
        case VIDTWIN_PART_ALL: return .all
        case VIDTWIN_PART_STRUCTURE: return .structure
        case VIDTWIN_PART_DYNAMICS: return .dynamics
        default: throw CallError.argument("part", expected: "0 to 2", found: "\(value)")
        }
    }

    private func alone<Result>(_ body: (inout Stream) throws -> Result) throws -> Result {
        let (entered, holder) = user.compareExchange(
            expected: 0, desired: getpid(), ordering: .acquiringAndReleasing)
        guard entered else { throw holder == getpid() ? CallError.inUse : CallError.leftBehind }
        defer { user.store(0, ordering: .releasing) }
        return try body(&stream)
    }

    /// This is the child of a fork, and a thread of the parent was in a call: what it left must not be
    /// touched.
    var isLeftBehind: Bool { ![0, getpid()].contains(user.load(ordering: .acquiring)) }

    // MARK: - A stream

    func send(_ frame: vidtwin_frame) throws -> vidtwin_status {
        try alone { stream in
            if let failure = stream.failure { throw failure }
            if stream.isFlushed {
                throw CallError(
                    status: VIDTWIN_ERROR_STATE,
                    description: "send: the stream was flushed; reset the session for a new one")
            }
            if stream.received < stream.ready.count { return VIDTWIN_AGAIN }
            let picture = try FrameMemory(frame, "frame", for: model.configuration).read("frame")
            stream.waiting.append(frame.pts)
            try take(&stream) { try $0.push(picture) }
            return VIDTWIN_OK
        }
    }

    func flush() throws -> vidtwin_status {
        try alone { stream in
            if let failure = stream.failure { throw failure }
            if stream.isFlushed { return VIDTWIN_OK }
            stream.isFlushed = true
            let before = stream.ready.count - stream.received
            try take(&stream) { try $0.finish() }
            let count = stream.ready.count - stream.received - before
            log.debug("flush: \(count) frames of the last clip")
            return VIDTWIN_OK
        }
    }

    /// Puts what a computation gives beside what is ready already.
    private func take(
        _ stream: inout Stream, _ compute: (Session) throws -> [Picture]
    ) throws {
        do {
            let pictures = try compute(stream.session)
            stream.ready.removeFirst(stream.received)
            stream.received = 0
            stream.ready += zip(pictures, stream.waiting).map { ($0, $1) }
            stream.waiting.removeFirst(min(pictures.count, stream.waiting.count))
        } catch {
            stream.failure = error
            throw error
        }
    }

    func receive(into frame: UnsafeMutablePointer<vidtwin_frame>) throws -> vidtwin_status {
        try alone { stream in
            guard stream.received < stream.ready.count else {
                if let failure = stream.failure { throw failure }
                return stream.isFlushed ? VIDTWIN_END : VIDTWIN_AGAIN
            }
            let (picture, pts) = stream.ready[stream.received]
            let memory = try FrameMemory(frame.pointee, "frame", for: model.configuration)
            try memory.write(picture, "frame")
            frame.pointee.pts = pts
            stream.received += 1
            if stream.received == stream.ready.count {
                stream.ready.removeAll(keepingCapacity: true)
                stream.received = 0
            }
            return VIDTWIN_OK
        }
    }

    func reset() throws -> vidtwin_status {
        try alone { stream in
            stream = Stream(model, options)
            return VIDTWIN_OK
        }
    }

    // MARK: - Single clips

    func encode(
        _ frames: UnsafePointer<vidtwin_frame>, _ count: Int, into latents: LatentMemory
    ) throws -> vidtwin_status {
        try alone { stream in
            try latents.checkAll()
            let encoded = try encode(clip(frames, count, "frames"), &stream)
            try latents.write(encoded)
            return VIDTWIN_OK
        }
    }

    func moments(
        _ frames: UnsafePointer<vidtwin_frame>, _ count: Int, mean: LatentMemory,
        logVariance: LatentMemory
    ) throws -> vidtwin_status {
        try alone { _ in
            try mean.checkAll()
            try logVariance.checkAll()
            let moments = try model.moments(model.clip(try clip(frames, count, "frames")))
            try mean.write(moments.mean)
            try logVariance.write(moments.logVariance)
            return VIDTWIN_OK
        }
    }

    func decode(
        _ latents: LatentMemory, into frames: UnsafeMutablePointer<vidtwin_frame>, _ count: Int
    ) throws -> vidtwin_status {
        try alone { _ in
            let memory = try memory(UnsafePointer(frames), count, "frames")
            let decoded = try model.decoded(
                try latents.read(options.part, for: model), part: options.part)
            try write(decoded, to: memory)
            return VIDTWIN_OK
        }
    }

    func cross(
        _ structure: (frames: UnsafePointer<vidtwin_frame>, count: Int),
        _ dynamics: (frames: UnsafePointer<vidtwin_frame>, count: Int),
        into frames: UnsafeMutablePointer<vidtwin_frame>
    ) throws -> vidtwin_status {
        try alone { stream in
            let first = try clip(structure.frames, structure.count, "structure")
            let second = try clip(dynamics.frames, dynamics.count, "dynamics")
            let count = min(structure.count, dynamics.count)
            let memory = try memory(UnsafePointer(frames), count, "frames")
            let times = (0..<count).map { structure.frames[$0].pts }
            let (a, b) = (try encode(first, &stream), try encode(second, &stream))
            try write(
                try model.decoded(a.moving(as: b), part: options.part), to: memory)
            for (t, pts) in times.enumerated() { frames[t].pts = pts }
            return VIDTWIN_OK
        }
    }

    private func memory(
        _ frames: UnsafePointer<vidtwin_frame>, _ count: Int, _ what: String
    ) throws -> [FrameMemory] {
        guard (1...model.configuration.frames).contains(count) else {
            throw CallError.argument(
                "\(what): count", expected: "1 to \(model.configuration.frames) frames",
                found: "\(UInt(bitPattern: count))")
        }
        return try (0..<count).map {
            try FrameMemory(frames[$0], "\(what)[\($0)]", for: model.configuration)
        }
    }

    /// The pictures of a clip, filled by repeating the last one.
    private func clip(
        _ frames: UnsafePointer<vidtwin_frame>, _ count: Int, _ what: String
    ) throws -> [Picture] {
        var pictures = try memory(frames, count, what).enumerated().map {
            try $1.read("\(what)[\($0)]")
        }
        while let last = pictures.last, pictures.count < model.configuration.frames {
            pictures.append(last)
        }
        return pictures
    }

    private func encode(_ pictures: [Picture], _ stream: inout Stream) throws -> Latents {
        let moments = try model.moments(model.clip(pictures))
        return moments.latents(sampling: &stream.generator)
    }

    private func write(_ decoded: Tensor, to memory: [FrameMemory]) throws {
        let pictures = decoded.pictures(0..<memory.count, depths: memory.map(\.depth))
        for (t, picture) in pictures.enumerated() { try memory[t].write(picture, "frames[\(t)]") }
    }
}
