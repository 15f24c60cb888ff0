import Glibc
import TensorFiles

/// A W&B run's log: records in the framing of LevelDB's logs, in blocks of 32 KiB, each on the disk's side
/// of the program at once.
///
/// A record is one chunk, or several where it does not fit into the rest of a block: a checksum of type and
/// bytes (zlib's, where LevelDB has Castagnoli's), a length of two bytes, a type, the bytes.
package final class TransactionLog {
    private enum Chunk: UInt8 { case full = 1, first, middle, last }

    private static let block = 32768
    private static let head = 7
    /// `:W&B`, a magic number, version 0; they count as a part of the first block.
    private static let start: [UInt8] = [0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0x00]

    private let path: String
    private let output: Descriptor
    private var place: Int

    /// Makes a new file.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package init(_ path: String) throws {
        self.path = path
        let number = path.withPathBytes { open($0, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666) }
        if number < 0 {
            throw CheckpointError.unwritable(path: path, problem: String(cString: strerror(errno)))
        }
        output = Descriptor(number, place: path)
        place = TransactionLog.start.count
        try put(TransactionLog.start)
    }

    deinit { close(output.number) }

    /// Adds a record.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package func add(_ record: [UInt8]) throws {
        let bytes = TransactionLog.framed(record, at: place)
        try put(bytes)
        place += bytes.count
    }

    /// A record as it stands in a file from `place` on.
    package static func framed(_ record: [UInt8], at place: Int) -> [UInt8] {
        var (out, rest, isFirst) = ([UInt8](), record[...], true)
        repeat {
            var room = block - (place + out.count) % block
            if room < head {
                out += [UInt8](repeating: 0, count: room)
                room = block
            }
            let part = rest.prefix(room - head)
            rest = rest.dropFirst(part.count)
            let kind: Chunk =
                isFirst ? (rest.isEmpty ? .full : .first) : (rest.isEmpty ? .last : .middle)
            let checksum = CRC32.of([kind.rawValue] + part)
            out += (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (8 * $0)) }
            out += [UInt8(part.count & 255), UInt8(part.count >> 8), kind.rawValue] + part
            isFirst = false
        } while !rest.isEmpty
        return out
    }

    private func put(_ bytes: [UInt8]) throws {
        do { try output.write(bytes) } catch .failure(_, let problem) {
            throw CheckpointError.unwritable(path: path, problem: problem)
        }
    }
}
