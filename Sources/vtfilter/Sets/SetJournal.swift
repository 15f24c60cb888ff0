import FoundationEssentials
import Glibc
import TensorFiles
import VideoIO

/// What a process encoded of a set, a line of JSON for each video: the first line says of what model and
/// with what options, the others follow when their shard is complete.
///
/// A shard gets its name after its lines are on the disk, and a line counts only where its shard is there:
/// at whatever moment a process is killed, no video is lost or there twice.
struct SetJournal {
    /// The file.
    let path: String
    private let identity: SetIdentity

    /// Largest line that is read.
    private static let maximumLine = 1 << 24

    /// The journal of one part of a set, in the folder of its shards.
    init(folder: String, identity: SetIdentity) {
        (path, self.identity) = ("\(folder)/\(SetJournal.name(identity.shard))", identity)
    }

    /// The name of the journal of a part, `i/n`.
    static func name(_ shard: String) -> String {
        start + shard.split(separator: "/").joined(separator: "-of-") + ending
    }

    private static let start = "videos-"
    private static let ending = ".jsonl"

    /// All journals in a folder, in the order of their names.
    ///
    /// - Throws: `VideoIOError.badInput` for one that cannot be read or is none.
    static func all(in folder: SetFolder) throws -> [(identity: SetIdentity, records: [SetRecord])]
    {
        try folder.names().filter { $0.hasPrefix(start) && $0.hasSuffix(ending) }
            .map { try read("\(folder.path)/\($0)") }
    }

    private static func read(_ path: String) throws -> (identity: SetIdentity, records: [SetRecord])
    {
        let bytes = try InputFile.read(path, limit: 1 << 32)
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // A line that was being written when the process ended has no end; nothing counts on it.
        lines.removeLast()
        func parse<Value: Decodable>(_ type: Value.Type, _ number: Int) throws -> Value {
            guard lines[number].count <= maximumLine,
                let value = try? JSONDecoder().decode(type, from: Data(lines[number]))
            else {
                throw VideoIOError.badInput(
                    url: path, problem: "line \(number + 1): expected what vtfilter encode writes")
            }
            return value
        }
        if lines.isEmpty {
            throw VideoIOError.badInput(url: path, problem: "expected a line of JSON, found none")
        }
        let identity = try parse(SetIdentity.self, 0)
        return (identity, try lines.indices.dropFirst().map { try parse(SetRecord.self, $0) })
    }

    /// Makes the file anew with these records: those of an earlier run that count.
    ///
    /// - Throws: what `NewFile.write` throws.
    func begin(_ records: [SetRecord]) throws {
        var text = try line(identity)
        for record in records { text += try line(record) }
        try NewFile.write(text, to: path)
    }

    /// Adds records, and comes back when they are on the disk.
    ///
    /// - Throws: `VideoIOError.failure`.
    func add(_ records: [SetRecord]) throws {
        var text = ""
        for record in records { text += try line(record) }
        let descriptor = path.withPathBytes { open($0, O_WRONLY | O_APPEND | O_CLOEXEC) }
        func failure() -> VideoIOError {
            .failure(url: path, problem: "cannot be written: \(String(cString: strerror(errno)))")
        }
        if descriptor < 0 { throw failure() }
        defer { close(descriptor) }
        try Descriptor(descriptor, place: path).write(Array(text.utf8))
        if fsync(descriptor) != 0, errno != EINVAL, errno != ENOTSUP { throw failure() }
    }

    private func line(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    }
}
