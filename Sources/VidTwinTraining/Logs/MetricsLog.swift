import Glibc
import TensorFiles

/// `metrics.jsonl`: one JSON object a line, on the disk's side of the program at once.
package final class MetricsLog {
    private let path: String
    private let descriptor: Int32

    /// Opens a file to add to, after cutting off what was written for batches from `batch` on, and a
    /// line that is not whole.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package init(_ path: String, before batch: Int) throws {
        self.path = path
        descriptor = path.withPathBytes { open($0, O_RDWR | O_CREAT | O_CLOEXEC, 0o666) }
        func failure() -> CheckpointError {
            .unwritable(path: path, problem: String(cString: strerror(errno)))
        }
        if descriptor < 0 { throw failure() }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count <= 0 { break }
            bytes += chunk.prefix(count)
        }
        var end = 0
        while let newline = bytes[end...].firstIndex(of: 10),
            let found = MetricsLog.batch(of: bytes[end..<newline]), found < batch
        {
            end = newline + 1
        }
        guard ftruncate(descriptor, end) == 0, lseek(descriptor, end, SEEK_SET) == end else {
            throw failure()
        }
    }

    deinit { close(descriptor) }

    /// The number after `{"batch": `.
    private static func batch(of line: ArraySlice<UInt8>) -> Int? {
        let start = Array("{\"batch\": ".utf8)
        guard line.starts(with: start) else { return nil }
        let digits = line.dropFirst(start.count).prefix { (48...57).contains($0) }
        return Int(String(decoding: digits, as: UTF8.self))
    }

    /// Adds a line.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package func write(batch: Int, epoch: Int? = nil, _ values: [(String, Double)]) throws {
        var line = "{\"batch\": \(batch)"
        if let epoch { line += ", \"epoch\": \(epoch)" }
        for (name, value) in values { line += ", \"\(name)\": \(MetricsLog.number(value))" }
        do {
            try Descriptor(descriptor, place: path).write(Array((line + "}\n").utf8))
        } catch .failure(_, let problem) {
            throw CheckpointError.unwritable(path: path, problem: problem)
        }
    }

    /// A number with nine significant digits; null where it is not finite.
    package static func number(_ value: Double) -> String {
        guard value.isFinite else { return "null" }
        var text = [CChar](repeating: 0, count: 40)
        withVaList([value]) { _ = vsnprintf(&text, text.count, "%.9g", $0) }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
