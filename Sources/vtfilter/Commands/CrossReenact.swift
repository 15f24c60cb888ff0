import ArgumentParser
import Glibc
import TensorFiles
import VidTwin
import VideoIO

/// `vtfilter cross-reenact`
struct CrossReenact: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cross-reenact",
        abstract: "Decode the structure of one video with the dynamics of another.",
        discussion: """
            Each input is a video or the latents of one: a file, a pipe, or - (one of them). Times and \
            sound are those of the structure. The result ends with the shorter input, and says so; \
            --loop and --hold go on with the dynamics' first or last clip.

            Examples:
              vtfilter cross-reenact --structure a.mp4 --dynamics b.mp4 -o c.mp4
              vtfilter cross-reenact --structure latents.tar --dynamics b.mp4 --loop -o c.mp4
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Inputs that are videos") var description: InputDescription
    @OptionGroup(title: "Output") var file: FileOptions
    @OptionGroup(title: "Words") var words: WordOptions
    @OptionGroup(title: "Words") var progress: ProgressOptions

    @Option(help: ArgumentHelp("What stays: a video or latents.", valueName: "a"))
    var structure: String

    @Option(help: ArgumentHelp("What moves: a video or latents.", valueName: "b"))
    var dynamics: String

    @Option(
        name: [.customShort("o"), .long], help: ArgumentHelp("A video, or -.", valueName: "file"))
    var output = "-"

    @Option(help: ArgumentHelp("Output format.", valueName: "format"))
    var outputFormat: String?

    @Option(
        name: .customLong("output-pix-fmt"),
        help: ArgumentHelp("Output pixel format.", valueName: "format"))
    var outputPixelFormat: String?

    @Option(
        name: .customLong("sample-fps"),
        help: ArgumentHelp("Choose frames of both videos by time at this rate.", valueName: "rate"))
    var sampleFPS: Parsed<SampleRate>?

    @Option(help: ArgumentHelp("Frames to leave out at the start of both.", valueName: "n"))
    var skip = 0

    @Option(help: ArgumentHelp("Frames to take of each at most.", valueName: "n"))
    var frames: Int?

    @Option(
        help: ArgumentHelp(
            "How frames are brought to the model's size: crop; pad and stretch give the size of the "
                + "structure's input back."))
    var fit: Fit = .crop

    @Option(help: "inputs: structure, dynamics and result side by side.")
    var show: Show?

    @Flag(help: "Start shorter dynamics again.")
    var loop = false

    @Flag(help: "Hold the last clip of shorter dynamics.")
    var hold = false

    @Flag(help: "Take latents of another model where shapes agree.")
    var force = false

    func validate() throws {
        if structure == "-" && dynamics == "-" {
            throw ValidationError("only one of --structure and --dynamics can be standard input")
        }
        if fit == .tile {
            throw ValidationError(
                "--fit tile: expected crop, pad or stretch; tiles have latents each")
        }
        if show != nil && fit != .crop {
            throw ValidationError(
                "--show inputs: pictures have the model's size, expected --fit crop")
        }
        if loop && hold { throw ValidationError("--loop and --hold exclude each other") }
        try sampleFPS?.check("--sample-fps")
        if skip < 0 { throw ValidationError("--skip \(skip): expected 0 or more") }
        if let frames, frames < 0 {
            throw ValidationError("--frames \(frames): expected 0 or more")
        }
        if frames == 0, output != "-" {
            throw ValidationError("--frames 0: a file of no frames is nothing; give 1 or more")
        }
    }

    func run() throws {
        words.configureLog()
        // Before anything is waited for.
        for url in [structure, dynamics]
        where url != "-" && url.withPathBytes({ access($0, R_OK) }) != 0 {
            throw VideoIOError.badInput(url: url, problem: String(cString: strerror(errno)))
        }
        let interruption = Interruption()
        let opened = try model.open()
        let loaded = try model.load(opened)
        var known: ModelIdentity?
        let identity = { () throws -> ModelIdentity in
            if let known { return known }
            let found = ModelIdentity(opened)
            known = found
            return found
        }
        let sources = try ClipSource.open(
            [structure, dynamics], description, model: loaded, fit: fit,
            rate: sampleFPS?.value?.rate, cut: ClipSource.Cut(skip: skip, frames: frames),
            interruption.reading)
        defer { for source in sources { source.close() } }
        let (a, b) = (sources[0], sources[1])
        for source in sources { try source.check(force: force, identity) }
        if let first = a.stream.frameRate, let second = b.stream.frameRate, first != second {
            Log.warning(
                "\(structure) has \(first) frames/s, \(dynamics) \(second): frames are paired one by "
                    + "one (--sample-fps pairs them by time)")
        }
        if show != nil && !(a.hasPictures && b.hasPictures) {
            throw UsageError("--show inputs: latents have no pictures to show")
        }
        let c = loaded.configuration
        let inputs = [structure, dynamics] + opened.files.paths
        var options = file.output(
            output, format: outputFormat, pixelFormat: outputPixelFormat)
        (options.inputs, options.cancellation) = (inputs, interruption.reading)
        options.maximumGap = description.gap.maximum
        options.isCut = skip > 0 || frames != nil
        let writer = try VideoWriter(
            options, like: a.stream,
            size: PictureSize(width: c.width * (show == nil ? 1 : 3), height: c.height),
            undoing: a.fit)
        for note in writer.notes { Log.warning(note) }
        let told = try progress.start(words, total: total(a.stream.frameCount), inputs: inputs)
        let job = StreamJob(interruption: interruption, progress: told, ahead: 2 * c.frames)
        try job.run(writing: writer) { send in
            try reenact(a, b, loaded, identity, interruption, send)
        }
    }

    /// Frames to come of so many, where that is known.
    private func total(_ count: Int?) -> Int? {
        let rest = count.map { max($0 - skip, 0) }
        guard let frames else { return rest }
        return min(rest ?? frames, frames)
    }

    /// Computes clips until an input ends.
    ///
    /// - Returns: a fault of an input, after the whole clips before it.
    private func reenact(
        _ a: ClipSource, _ b: ClipSource, _ model: VidTwinModel,
        _ identity: () throws -> ModelIdentity, _ interruption: Interruption,
        _ send: (StreamItem) throws -> Void
    ) throws -> (any Error)? {
        var (past, frames): ([SourceClip], Int) = ([], 0)
        var looped = 0
        while interruption.signal == nil {
            let first: SourceClip?
            var second: SourceClip?
            do {
                first = try a.next(force, identity)
                second = try looped == 0 && first != nil ? b.next(force, identity) : nil
            } catch {
                return error
            }
            guard let first else {
                try send(StreamItem(after: a.takeRest()))
                if looped == 0, b.hasMore() {
                    Log.notice("\(structure) ends first: \(frames) frames are written")
                }
                return nil
            }
            if let clip = second {
                // What --loop starts again, without pictures that nobody sees; the last one for --hold.
                let light = SourceClip(
                    latents: clip.latents, frames: show == nil ? [] : clip.frames, copied: [])
                past = loop ? past + [light] : [light]
            } else if loop || hold, let last = past.last {
                if looped == 0 {
                    Log.notice(
                        "\(dynamics) ends first: its \(loop ? "clips start again" : "last clip is held")"
                    )
                }
                second = loop ? past[looped % past.count] : last
                looped += 1
            }
            guard let second else {
                Log.notice("\(dynamics) ends first: \(frames) frames are written")
                return nil
            }
            let count =
                loop || hold ? first.frames.count : min(first.frames.count, second.frames.count)
            let results = try model.decoded(first.latents.moving(as: second.latents))
                .pictures(0..<count, depths: first.frames.prefix(count).map(\.depth.samples))
            try send(StreamItem(after: first.copied))
            for (t, picture) in results.enumerated() {
                var shown = picture
                if show != nil {
                    let other = second.frames[min(t, second.frames.count - 1)].picture
                    shown = Picture.sideBySide([
                        first.frames[t].picture, other.converted(to: picture.depth), picture,
                    ])
                }
                let (pts, duration) = (first.frames[t].pts, first.frames[t].duration)
                try send(StreamItem(RGBFrame(shown, pts: pts, duration: duration)))
            }
            frames += count
            if count < first.frames.count {
                Log.notice("\(dynamics) ends first: \(frames) frames are written")
                return nil
            }
        }
        return nil
    }
}

extension Picture {
    /// The picture with samples of another depth.
    func converted(to depth: Depth) -> Picture {
        if depth == self.depth { return self }
        let converted: [UInt8]
        switch depth {
        case .eight:  // rounded
            converted = bytes.withUnsafeBytes { raw in
                raw.bindMemory(to: UInt16.self).map { UInt8((Int($0) * 255 + 32767) / 65535) }
            }
        case .sixteen: converted = bytes.flatMap { [$0, $0] }
        case .float: preconditionFailure("frames of videos have whole samples")
        }
        return Picture(width: width, height: height, depth: depth, bytes: converted)
    }
}
