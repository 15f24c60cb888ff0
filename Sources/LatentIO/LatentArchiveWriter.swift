import FoundationEssentials
import Glibc

/// Writes the latents of one video as one .safetensors file: each array with one more axis, the
/// clips, in front; what is known of the clips stands as JSON in the header's metadata.
///
/// Arrays are collected in unnamed files beside the output, so memory does not grow with them.
public final class LatentArchiveWriter {
    private struct Column {
        let shape: [Int]
        let spool: Int32
        var bytes = 0
    }

    private let descriptor: Int32
    private let path: String
    private let type: LatentType
    private var columns: [String: Column] = [:]
    private var clips: [LatentInfo] = []
    private var name = ""

    /// The text under `format` in the metadata.
    public static let format = "vidtwin-latents-1"

    /// Writes to an open descriptor; `path` is where its unnamed files may be.
    public init(descriptor: Int32, path: String, type: LatentType) {
        (self.descriptor, self.path, self.type) = (descriptor, path, type)
    }

    deinit { for column in columns.values { close(column.spool) } }

    /// Adds a clip.
    ///
    /// - Throws: `LatentError`; all clips must have the same arrays.
    public func write(_ sample: LatentSample) throws {
        if clips.isEmpty {
            name = sample.key
            for (name, array) in sample.arrays {
                let spool = try spoolFile(name)
                columns[name] = Column(shape: array.shape, spool: spool)
            }
        }
        for (name, array) in sample.arrays {
            guard var column = columns[name], column.shape == array.shape else {
                throw LatentError.malformed(
                    place: sample.key, expected: "the arrays of the first clip", found: name)
            }
            let encoded = array.encoded(as: type)
            let data = Array(encoded.suffix(array.values.count * type.byteCount))
            try put(data, to: column.spool)
            column.bytes += data.count
            columns[name] = column
        }
        clips.append(sample.info)
    }

    /// Writes the file.
    public func finish() throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let json = String(decoding: try encoder.encode(clips), as: UTF8.self)
        func quoted(_ text: String) throws -> String {
            String(decoding: try encoder.encode(text), as: UTF8.self)
        }
        var header = "{\"__metadata__\":{\"format\":\(try quoted(LatentArchiveWriter.format)),"
        header += "\"clips\":\(try quoted(json)),\"key\":\(try quoted(name))}"
        var offset = 0
        for (name, column) in columns.sorted(by: { $0.key < $1.key }) {
            header += ",\(try quoted(name)):{\"dtype\":\"\(type == .f16 ? "F16" : "F32")\","
            header += "\"shape\":\([clips.count] + column.shape),"
            header += "\"data_offsets\":[\(offset),\(offset + column.bytes)]}"
            offset += column.bytes
        }
        header += "}"
        var bytes = Array(header.utf8)
        bytes += [UInt8](repeating: 32, count: (8 - bytes.count % 8) % 8)
        try put(
            withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { Array($0) } + bytes,
            to: descriptor)
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        for (_, column) in columns.sorted(by: { $0.key < $1.key }) {
            lseek(column.spool, 0, SEEK_SET)
            while true {
                let count = read(column.spool, &chunk, chunk.count)
                if count < 0 && errno == EINTR { continue }
                if count < 0 { throw failure("reading") }
                if count == 0 { break }
                try put(Array(chunk.prefix(count)), to: descriptor)
            }
        }
    }

    private func spoolFile(_ name: String) throws -> Int32 {
        let temporary = "\(path).\(name).\(getpid()).tmp"
        let spool = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        if spool < 0 { throw failure("creating \(temporary)") }
        unlink(temporary)
        return spool
    }

    private func put(_ bytes: [UInt8], to descriptor: Int32) throws {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if count < 0 && errno == EINTR { continue }
            if count < 0 { throw failure("writing") }
            done += count
        }
    }

    private func failure(_ what: String) -> LatentError {
        .failure(place: path, problem: "\(what) failed: \(String(cString: strerror(errno)))")
    }
}
