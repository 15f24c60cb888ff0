import Glibc
import TensorFiles
import VideoIO

/// What earlier runs left of a set.
struct BegunSet {
    private let folder: SetFolder
    private let identity: SetIdentity
    private let journals: [(identity: SetIdentity, records: [SetRecord])]
    /// Shards that this part numbers, with or without a record.
    private let shards: [String]
    /// Number of the next shard of this part.
    let next: Int

    /// Looks into the folder.
    ///
    /// - Throws: `VideoIOError.badInput`.
    init(_ folder: SetFolder, _ identity: SetIdentity, _ shard: Shard) throws {
        (self.folder, self.identity) = (folder, identity)
        journals = try SetJournal.all(in: folder)
        let present = try folder.shards()
        shards = present.filter { $0.number % shard.count == shard.index - 1 }.map(\.name)
        // A number that any record has is not used again, even where its shard never came to be: the
        // record would count then.
        let recorded = journals.flatMap(\.records).compactMap { folder.number(ofShard: $0.shard) }
        let used = (recorded + present.map(\.number)).max() ?? -1
        next =
            (used + shard.count - (shard.index - 1)) / shard.count * shard.count + shard.index - 1
    }

    /// Something of this part that is there.
    var firstOwn: String? {
        shards.first
            ?? (journals.contains { $0.identity.shard == identity.shard } ? "its journal" : nil)
    }

    /// What this part finished.
    var own: [SetRecord] {
        journals.filter { $0.identity.shard == identity.shard }.flatMap(\.records)
            .filter { folder.has($0.shard) }
    }

    /// What any part finished, by the videos' names.
    var done: [String: SetRecord] {
        Dictionary(
            journals.flatMap(\.records).filter { folder.has($0.shard) }.map { ($0.video.name, $0) },
            uniquingKeysWith: { $1 })
    }

    /// Refuses to go on with another model or with other options.
    ///
    /// - Throws: `UsageError`.
    func check() throws {
        for (begun, _) in journals where !begun.isSameSet(as: identity) {
            let isModel =
                begun.configSHA256 != identity.configSHA256
                || begun.checkpointSHA256 != identity.checkpointSHA256
            throw UsageError(
                "--resume: \(folder.path) was begun with "
                    + (isModel
                        ? "another model"
                        : "other options: expected \(begun.options), found \(identity.options)"))
        }
    }

    /// Removes the shards of this part.
    func remove() {
        for name in shards { _ = "\(folder.path)/\(name)".withPathBytes { unlink($0) } }
    }
}
