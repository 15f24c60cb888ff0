import ArgumentParser
import LatentIO
import TensorFiles
import VidTwin
import VideoIO

/// `vtfilter decode -o FOLDER/`
extension Decode {
    /// Decodes every video of a stream to a file of its own.
    func runFolder() throws {
        let interruption = Interruption()
        let opened = try model.open()
        let loaded = try model.load(opened)
        let source = try LatentInput(input)
        let videos = LatentVideos(try source.samples(interruption.reading))
        guard let first = videos.next(after: nil) else {
            throw videos.fault ?? (interruption.signal.map { Interrupted(signal: $0) })
                ?? source.noLatents
        }
        let inputs = [input] + opened.files.paths
        let told = try progress.start(words, total: nil, inputs: inputs)
        var folder = FolderRun(
            command: self, folder: try DecodedFolder(output: output, format: format),
            model: loaded, identity: ModelIdentity(opened), place: source.place, inputs: inputs,
            interruption: interruption)
        let set = DecodedSet()
        let job = StreamJob(
            interruption: interruption, progress: told, ahead: 2 * loaded.configuration.frames)
        try job.run(writing: set) { send in
            var next: LatentVideos.Video? = first
            while let video = next, interruption.signal == nil {
                try folder.decode(video, videos, send)
                next = videos.next(after: video)
            }
            return videos.fault
        }
        Log.notice(
            "\(output.visible): \(set.written) videos are written"
                + (folder.kept > 0 ? ", \(folder.kept) were there" : ""))
        if !set.failures.isEmpty || folder.hasFailures { throw ExitCode(ExitStatus.badInput) }
    }
}

/// What is done with the videos of a stream, one after the other.
private struct FolderRun {
    let command: Decode
    let folder: DecodedFolder
    let model: VidTwinModel
    let identity: ModelIdentity
    let place: String
    let inputs: [String]
    let interruption: Interruption
    /// Files that were there.
    private(set) var kept = 0
    /// Whether a video did not become a file.
    private(set) var hasFailures = false
    /// The files that videos have become, and the names of all that came.
    private var files: [String: String] = [:]
    private var names: Set<String> = []
    /// Those whose clips came again after another's.
    private var scattered: Set<String> = []

    init(
        command: Decode, folder: DecodedFolder, model: VidTwinModel, identity: ModelIdentity,
        place: String, inputs: [String], interruption: Interruption
    ) {
        (self.command, self.folder, self.model) = (command, folder, model)
        (self.identity, self.place, self.inputs) = (identity, place, inputs)
        self.interruption = interruption
    }

    private mutating func fail(_ video: LatentVideos.Video, _ problem: String) {
        Log.error(
            "\(place.visible): \((video.info.source ?? video.name).visible): \(problem.visible)")
        hasFailures = true
    }

    /// Decodes a video; what is wrong with it alone is said.
    ///
    /// - Throws: what is wrong with all.
    mutating func decode(
        _ video: LatentVideos.Video, _ videos: LatentVideos,
        _ send: (DecodedSet.Item) throws -> Void
    ) throws {
        let file = try folder.file(of: video)
        if names.contains(video.name) {
            if files[file] == video.name {
                try send(.remove(path: "\(folder.path)/\(file)"))
                files[file] = ""  // the name stays taken
            }
            if !scattered.insert(video.name).inserted { return }
            return fail(
                video,
                "expected the clips of a video one after the other, found more of them after another "
                    + "video's; decode it alone: --name \(video.name)")
        }
        names.insert(video.name)
        if files[file] != nil {
            return fail(video, "expected a file of its own, found \(file) taken by another one")
        }
        switch folder.place(of: file) {
        case .empty: break
        case .other:
            return fail(video, "expected a file at \(folder.path)/\(file), found another kind")
        case .file where command.resume:
            kept += 1
            return
        case .file where !command.file.overwrite:
            throw NewFileError.refused(
                "\(folder.path)/\(file) exists; --resume goes on with the files that are missing, -y "
                    + "overwrites")
        case .file: break
        }
        do {
            try folder.makeFolders(for: file)
        } catch {
            guard case .badInput = error else { throw error }
            return fail(video, "\(error)")
        }
        files[file] = video.name
        do {
            try decode(video, file, send)
            // Of a stream that is cut, nobody knows whether this was all.
            try send(videos.fault == nil && interruption.signal == nil ? .end : .discard)
        } catch let error as LatentError {
            if case .cancelled = error { return }
            fail(video, "\(error)")
            try send(.discard)
        }
    }

    private func decode(
        _ video: LatentVideos.Video, _ file: String, _ send: (DecodedSet.Item) throws -> Void
    ) throws {
        let clips = ModelLatents(
            OrderedLatents(video, named: nil, place: place), for: model, identity,
            isForced: command.force, part: command.part)
        guard var clip = try clips.next() else { return }
        let c = model.configuration
        let stream = try command.stream(of: clip.sample.info, c)
        var frames = command.frames(of: stream)
        Log.notice("\(file.visible)")
        try send(
            .begin(
                DecodedSet.Opening(
                    name: file,
                    options: command.options(
                        "\(folder.path)/\(file)", inputs: inputs, interruption),
                    stream: stream, size: PictureSize(width: c.width, height: c.height),
                    fit: Fit(rawValue: clip.sample.info.fit) ?? .crop)))
        while interruption.signal == nil {
            let decoded = try model.decoded(clip.latents, part: clip.part)
            for frame in try frames.take(decoded, clip.sample) { try send(.frame(frame)) }
            guard let next = try clips.next() else { break }
            clip = next
        }
        for frame in frames.finish() { try send(.frame(frame)) }
    }
}
