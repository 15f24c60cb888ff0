import Glibc
import TensorFiles
import VideoIO

/// What earlier runs left of a set.
struct BegunSet {
    private let folder: SetFolder
    private let identity: SetIdentity
    private let shard: Shard
    private let journals: [(identity: SetIdentity, records: [SetRecord])]
    /// Shards that this part numbers, with or without a record.
    private let shards: [String]
    /// Number of the next shard of this part.
    let next: Int

    /// Looks into the folder.
    ///
    /// - Throws: `VideoIOError.badInput`.
    init(_ folder: SetFolder, _ identity: SetIdentity, _ shard: Shard) throws {
        (self.folder, self.identity, self.shard) = (folder, identity, shard)
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

    /// Refuses to begin where there is something already.
    ///
    /// - Throws: `UsageError`.
    func checkIsEmpty() throws {
        let journal = SetJournal.name(identity.shard)
        if journals.contains(where: { $0.identity.shard == identity.shard }) {
            throw UsageError(
                "\(folder.path)/\(journal) exists, which lists the videos that an earlier run has "
                    + "finished there; --resume goes on where it stopped, -y encodes all anew")
        }
        if let other = otherDivision {
            throw UsageError(
                "\(folder.path)/\(SetJournal.name(other.description)) exists: the set there is one of "
                    + "\(other.division), found \(shard == .whole ? "none" : "--shard \(shard)"); --resume goes "
                    + "on with it, "
                    + (shard == .whole ? "-y encodes all anew" : "another folder begins anew"))
        }
        if let shard = shards.first {
            throw UsageError(
                "\(folder.path)/\(shard) exists, and \(journal), which would list its videos, does not; "
                    + "-y replaces it")
        }
    }

    /// Refuses to begin one part anew among parts of another division, whose videos it has too.
    ///
    /// - Throws: `UsageError`.
    func checkMayBeginAnew() throws {
        guard shard != .whole, let other = otherDivision else { return }
        throw UsageError(
            "-y: \(folder.path)/\(SetJournal.name(other.description)) is of a set of "
                + "\(other.division), found --shard \(shard), which "
                + "would leave others of it; remove the folder, or give another one")
    }

    /// A part that is there of another number of parts.
    private var otherDivision: Shard? {
        journals.compactMap { Shard(option: $0.identity.shard) }.first { $0.count != shard.count }
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

    /// Removes the shards of this part, and what was put together of it and others; of the whole set, all
    /// parts.
    func remove() {
        var paths = shards.map { "\(folder.path)/\($0)" } + ["\(folder.path)/stats.json"]
        paths.append(FailedVideos.path(folder, Shard.whole.description))
        for (other, _) in journals where shard == .whole || other.shard == identity.shard {
            paths.append("\(folder.path)/\(SetJournal.name(other.shard))")
            paths.append(FailedVideos.path(folder, other.shard))
        }
        for path in paths { path.withPathBytes { _ = unlink($0) } }
    }
}
