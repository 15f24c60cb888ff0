import VideoIO

/// What latents of a set have in common: an encoder and its options.
struct SetIdentity: Codable, Equatable {
    let configSHA256, checkpointSHA256: String
    /// The options that change what is written, as text.
    let options: String
    /// Which part of the set a process has.
    let shard: String

    /// Whether both belong to one set.
    func isSameSet(as other: SetIdentity) -> Bool {
        configSHA256 == other.configSHA256 && checkpointSHA256 == other.checkpointSHA256
            && options == other.options
    }
}

/// A video of a set that was encoded.
struct SetRecord: Codable, Equatable {
    /// What is known of a video when its last clip was encoded.
    struct Video: Codable, Equatable, Sendable {
        /// Its name: the path below the set's folder.
        let name: String
        /// What the keys of its samples begin with.
        let key: String
        /// Bytes of its file, and when that was changed, in nanoseconds: another file of the name is another
        /// video.
        let bytes, modified: Int64
        /// What was wrong with it after its last clip.
        var problem: String?

        /// Whether it is the same file.
        func isSame(as other: Video) -> Bool {
            name == other.name && bytes == other.bytes && modified == other.modified
        }
    }

    let video: Video
    /// The file that holds its samples.
    let shard: String
    let clips, frames: Int
    /// Of each array that was written.
    let statistics: [String: ChannelStatistics]

    init(
        _ video: Video, shard: String, clips: Int, frames: Int,
        statistics: [String: ChannelStatistics]
    ) {
        (self.video, self.shard, self.clips) = (video, shard, clips)
        (self.frames, self.statistics) = (frames, statistics)
    }
}
