import FoundationEssentials
import Glibc
import TensorFiles
import VideoIO

/// The folder of a set's latents: `-o 'OUT/shard-%06d.tar'`.
struct SetFolder {
    /// The folder.
    let path: String
    private let prefix, suffix: String
    private let digits: Int

    /// Takes an output apart; a folder alone has shards `shard-000000.tar`.
    ///
    /// - Throws: `UsageError` for a name without the place of a number.
    init(output: String) throws {
        let slash = output.lastIndex(of: "/")
        path = slash.map { $0 == output.startIndex ? "/" : String(output[..<$0]) } ?? "."
        var name = slash.map { String(output[output.index(after: $0)...]) } ?? output
        if name.isEmpty { name = "shard-%06d.tar" }
        let parts = name.split(separator: "%", omittingEmptySubsequences: false)
        guard output != "-", parts.count == 2, name.hasSuffix(".tar"),
            let end = parts[1].firstIndex(of: "d"),
            let digits = end == parts[1].startIndex ? 1 : Int(parts[1][..<end]),
            (1...18).contains(digits)
        else {
            throw UsageError(
                "-o \(output): a set of videos goes into several files: expected a folder and a name like "
                    + "OUT/shard-%06d.tar")
        }
        self.digits = digits
        prefix = String(parts[0])
        suffix = String(parts[1][parts[1].index(after: end)...])
    }

    /// The name of a shard.
    func shard(_ number: Int) -> String {
        let text = String(number)
        return prefix + String(repeating: "0", count: max(digits - text.count, 0)) + text + suffix
    }

    /// The number in a shard's name; nil where it is none of ours.
    func number(ofShard name: String) -> Int? {
        guard name.hasPrefix(prefix), name.hasSuffix(suffix),
            name.count > prefix.count + suffix.count,
            let number = Int(name.dropFirst(prefix.count).dropLast(suffix.count)), number >= 0,
            shard(number) == name
        else { return nil }
        return number
    }

    /// Whether a file is a shard of this folder, whatever the folder is called.
    func isShard(_ path: String) -> Bool {
        let slash = path.unicodeScalars.lastIndex(of: "/")
        let name = slash.map {
            String(path.unicodeScalars[path.unicodeScalars.index(after: $0)...])
        }
        guard number(ofShard: name ?? path) != nil,
            let own = FileIdentity(path: self.path)
        else { return false }
        let folder = slash.map { String(path.unicodeScalars[...$0]) } ?? "."
        return FileIdentity(path: folder) == own
    }

    /// Makes the folder if it is not there; the one that it is in has to be.
    ///
    /// - Throws: `VideoIOError.failure`.
    func make() throws {
        if path.withPathBytes({ mkdir($0, 0o777) }) != 0, errno != EEXIST {
            throw VideoIOError.failure(
                url: path, problem: "cannot be made: \(String(cString: strerror(errno)))")
        }
    }

    /// The names of what is in it, sorted.
    ///
    /// - Throws: `VideoIOError.badInput` where it cannot be read.
    func names() throws -> [String] { try InputFile.names(in: path) }

    /// The shards that are there.
    ///
    /// - Throws: `VideoIOError.badInput`.
    func shards() throws -> [(name: String, number: Int)] {
        try names().compactMap { name in number(ofShard: name).map { (name, $0) } }
    }

    /// Whether a shard is there.
    func has(_ shard: String) -> Bool { "\(path)/\(shard)".withPathBytes { access($0, F_OK) } == 0 }
}

/// `stats.json`: what who trains on latents scales them by.
struct SetStatistics: Encodable {
    private struct Latent: Encodable {
        let count: Int
        let mean, deviation: [Double]
    }

    private let videos, clips, frames: Int
    private let configSHA256, checkpointSHA256: String
    private let latents: [String: Latent]

    /// Of all videos, taken together in the order of their keys: the same whatever processes encoded them.
    ///
    /// - Throws: `VideoIOError.badInput` where videos have different latents.
    init(_ records: [SetRecord], of identity: SetIdentity) throws {
        var joined: [String: ChannelStatistics] = [:]
        for record in records.sorted(by: { $0.video.key < $1.video.key }) {
            for (name, own) in record.statistics {
                var sum = joined[name] ?? ChannelStatistics(channels: own.mean.count)
                guard sum.fits(own) else {
                    throw VideoIOError.badInput(
                        url: record.video.name,
                        problem:
                            "expected \(name) of \(sum.mean.count) channels, as the others have, found "
                            + "\(own.mean.count)")
                }
                sum.join(own)
                joined[name] = sum
            }
        }
        (videos, clips) = (records.count, records.reduce(0) { $0 + $1.clips })
        frames = records.reduce(0) { $0 + $1.frames }
        (configSHA256, checkpointSHA256) = (identity.configSHA256, identity.checkpointSHA256)
        latents = joined.mapValues {
            Latent(count: $0.count, mean: $0.mean, deviation: $0.deviation)
        }
    }

    /// The file's bytes.
    func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
    }
}
