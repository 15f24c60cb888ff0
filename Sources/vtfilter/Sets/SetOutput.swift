import Glibc
import LatentIO
import TensorFiles
import VideoIO

/// Where the latents of a set go: shards that are whole tar streams, one after the other, none of which
/// ends within a video.
final class SetOutput: StreamOutput {
    enum Item: Sendable {
        /// A clip, and how many of its frames no clip before it had.
        case clip(LatentSample, frames: Int)
        /// The video of the clips before is complete.
        case end(of: SetRecord.Video)
    }

    private let folder: SetFolder
    private let journal: SetJournal
    private let type: LatentType
    private let channels: Int
    private let shardClips: Int
    /// From one shard of this process to its next.
    private let step: Int
    private var number: Int

    /// The shard that is being written.
    private struct Open {
        let file: NewFile
        let writer: LatentWriter
        let descriptor: Int32
        var records: [SetRecord] = []
        var clips = 0
        /// Bytes of whole videos.
        var whole: off_t = 0
    }
    private var open: Open?
    private var clips = 0
    private var frames = 0
    private var statistics: [String: ChannelStatistics] = [:]

    /// - Parameters:
    ///   - folder: where shards go.
    ///   - journal: what notes their videos.
    ///   - type: of the numbers.
    ///   - channels: of the dynamics of one axis.
    ///   - shardClips: clips after which a shard ends with its video.
    ///   - first: number of the first shard.
    ///   - step: from each number to the next.
    init(
        _ folder: SetFolder, _ journal: SetJournal, type: LatentType, channels: Int,
        shardClips: Int,
        first: Int, step: Int
    ) {
        (self.folder, self.journal, self.type) = (folder, journal, type)
        (self.channels, self.shardClips) = (channels, shardClips)
        (number, self.step) = (first, step)
    }

    func write(_ item: Item) throws -> Int {
        switch item {
        case .clip(let sample, let frames):
            try current().writer.write(sample)
            for (name, array) in sample.arrays where !name.hasSuffix("_logvar") {
                let isAxis = name.hasPrefix("dynamics_")
                let own = ChannelStatistics(
                    array, channels: channels(of: name, array), first: isAxis)
                statistics[name, default: ChannelStatistics(channels: own.mean.count)].join(own)
            }
            clips += 1
            self.frames += frames
            return frames
        case .end(let video):
            try end(video)
            return 0
        }
    }

    private func channels(of name: String, _ array: NPYArray) -> Int {
        switch name {
        case "structure": array.shape.last ?? 1
        case "dynamics": 2 * channels  // x's and y's of each position, as `cowvla` has them
        default: channels
        }
    }

    private func current() throws -> Open {
        if let open { return open }
        // What has this name is nobody's: a shard of a process that was killed before it noted it.
        let file = try NewFile(
            "\(folder.path)/\(folder.shard(number))", overwrite: true, inputs: [])
        let output = try file.open()
        let opened = Open(
            file: file, writer: LatentWriter(output, type: type), descriptor: output.number)
        open = opened
        return opened
    }

    private func end(_ video: SetRecord.Video) throws {
        defer { (clips, frames, statistics) = (0, 0, [:]) }
        guard clips > 0, var shard = open else { return }
        shard.records.append(
            SetRecord(
                video, shard: folder.shard(number), clips: clips, frames: frames,
                statistics: statistics))
        shard.clips += clips
        shard.whole = lseek(shard.descriptor, 0, SEEK_CUR)
        open = shard
        if shard.clips >= shardClips { try close() }
    }

    /// Ends the shard with its last whole video.
    private func close() throws {
        guard let shard = open else { return }
        open = nil
        if shard.records.isEmpty { return shard.file.abandon() }
        if ftruncate(shard.descriptor, shard.whole) != 0
            || lseek(shard.descriptor, shard.whole, SEEK_SET) < 0
        {
            throw VideoIOError.failure(
                url: shard.file.place, problem: String(cString: strerror(errno)))
        }
        try shard.writer.finish()
        try journal.add(shard.records)
        try shard.file.finish()
        number += step
    }

    /// What was whole stays: it was paid for.
    func abandon() { try? close() }

    func conclude(signal: Int32?, fault: (any Error)?) throws {
        try close()
        if let signal { throw Interrupted(signal: signal) }
        if let fault { throw fault }
    }
}
