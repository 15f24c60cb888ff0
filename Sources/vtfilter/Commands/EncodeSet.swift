import ArgumentParser
import LatentIO
import TensorFiles
import VidTwin
import VideoIO

/// `vtfilter encode --data-dir`
extension Encode {
    /// Refuses what makes no sense for a set.
    func validateSet() throws {
        if streams.input != "-" { throw ValidationError("-i and --data-dir exclude each other") }
        if name != nil {
            throw ValidationError(
                "--name is for one video; those of a set are called by their paths")
        }
        if streams.description.isOfOneInput {
            throw ValidationError("-f, -s, --pix-fmt and -r describe one input; a set has many")
        }
    }

    /// Encodes a set of videos.
    func runSet() throws {
        let folder = try SetFolder(output: streams.output)
        if set.merge { return try merge(folder) }
        let interruption = Interruption()
        let all = try VideoSet.entries(
            under: set.videos.dataDir ?? "", meta: set.videos.meta, archives: true
        ).filter { !folder.isShard($0.path) }
        let shard = try set.shard?.value?.shard() ?? .whole
        let opened = try model.open()
        let loaded = try model.load(opened)
        let c = loaded.configuration
        let encoding = try encoding(c)
        let identity = SetIdentity(
            configSHA256: opened.configuration.fingerprint,
            checkpointSHA256: opened.checkpointSHA256,
            options: "\(encoding.text) \(latentDtype.rawValue), skip \(streams.skip), frames "
                + "\(streams.frames.map(String.init) ?? "all"), rate "
                + "\(streams.sampleRate.map { "\($0)" } ?? "source"), "
                + "\(streams.description.corrections), passthrough "
                + "\(set.passthrough?.value?.names.joined(separator: ",") ?? "none")",
            shard: shard.description)
        try folder.make()
        let lock = try PartLock(folder, shard)
        defer { withExtendedLifetime(lock) {} }
        let begun = try BegunSet(folder, identity, shard)
        let journal = SetJournal(folder: folder.path, identity: identity)
        if set.resume {
            try begun.check()
        } else if streams.file.overwrite {
            try begun.checkMayBeginAnew()
            begun.remove()
        } else {
            try begun.checkIsEmpty()
        }
        try journal.begin(set.resume ? begun.own : [])
        let reading = EncodedSet.Reading(
            description: streams.description, skip: streams.skip, frames: streams.frames,
            rate: streams.sampleRate, companions: set.passthrough?.value?.names ?? [],
            folder: folder.path)
        var encoder = EncodedSet(loaded, ModelIdentity(opened), reading, encoding, interruption)
        let progress = try streams.progress.start(
            streams.words, total: nil, inputs: opened.files.paths)
        let output = SetOutput(
            folder, journal, type: latentDtype, channels: c.dynamicsChannels,
            shardClips: set.shardSize, first: set.resume ? begun.next : shard.index - 1,
            step: shard.count)
        let done = set.resume ? begun.done : [:]
        let job = StreamJob(interruption: interruption, progress: progress, ahead: 2)
        try job.run(writing: output) { send in
            try encoder.run(shard.part(of: all), done: done, send)
            return nil
        }
        try FailedVideos.write(encoder.failures, to: folder, shard)
        if shard.count == 1 { try writeStatistics(folder, identity) }
        if !encoder.failures.isEmpty { throw ExitCode(ExitStatus.badInput) }
    }

    /// Puts what the parts of a set wrote together.
    private func merge(_ folder: SetFolder) throws {
        if let shard = try PartLock.holders(in: folder).first {
            throw UsageError(
                "--merge: a process is still writing part \(shard) of \(folder.path); wait for its end"
            )
        }
        let journals = try SetJournal.all(in: folder)
        guard let first = journals.first?.identity else {
            throw VideoIOError.badInput(
                url: folder.path,
                problem: "expected what vtfilter encode --data-dir writes, found none")
        }
        for (identity, _) in journals where !identity.isSameSet(as: first) {
            throw VideoIOError.badInput(
                url: folder.path,
                problem: "parts \(first.shard) and \(identity.shard) are of different models "
                    + "or options")
        }
        if let part = Shard.missing(of: journals.compactMap { Shard(option: $0.identity.shard) }) {
            throw VideoIOError.badInput(url: folder.path, problem: "part \(part) is missing")
        }
        let done = journals.flatMap(\.records)
            .filter { $0.video.problem == nil && folder.has($0.shard) }.map(\.video.name)
        try FailedVideos.merge(folder, journals.map(\.identity.shard), done: Set(done))
        try writeStatistics(folder, first)
    }

    private func writeStatistics(_ folder: SetFolder, _ identity: SetIdentity) throws {
        let records = try SetJournal.all(in: folder).flatMap(\.records)
            .filter { folder.has($0.shard) }
        let statistics = try SetStatistics(records, of: identity)
        try NewFile("\(folder.path)/stats.json", overwrite: true, inputs: [])
            .write(try statistics.json())
        Log.notice("\(folder.path)/stats.json: \(records.count) videos")
    }
}
