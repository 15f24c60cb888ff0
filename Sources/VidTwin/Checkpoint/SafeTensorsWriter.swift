import FoundationEssentials
import Glibc

/// Writes a .safetensors file, tensor after tensor, under a temporary name until it is complete.
struct SafeTensorsWriter: ~Copyable {
    /// What the header says of a tensor.
    struct Entry {
        let name: String
        let type: ElementType
        let shape: [Int]
        var byteCount: Int { shape.reduce(type.byteCount, *) }
    }

    private let path, temporary: String
    private var file: UnsafeMutablePointer<FILE>?

    /// Writes the header; the tensors' bytes follow by `append`, in the order of `entries`.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    init(path: String, _ entries: [Entry], metadata: [String: String]) throws {
        (self.path, temporary) = (path, "\(path).\(getpid()).tmp")
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        func json(_ value: some Encodable) throws -> String {
            String(decoding: try encoder.encode(value), as: UTF8.self)
        }
        var (fields, offset) = (["\"__metadata__\":\(try json(metadata))"], 0)
        for entry in entries {
            let end = offset + entry.byteCount
            fields.append(
                "\(try json(entry.name)):{\"dtype\":\"\(entry.type.rawValue)\","
                    + "\"shape\":\(try json(entry.shape)),\"data_offsets\":[\(offset),\(end)]}")
            offset = end
        }
        var header = Array("{\(fields.joined(separator: ","))}".utf8)
        header += [UInt8](repeating: 32, count: (8 - header.count % 8) % 8)
        file = fopen(temporary, "wbxe")
        if file == nil { throw failure() }
        try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try append($0) }
        try header.withUnsafeBytes { try append($0) }
    }

    deinit {
        if let file {
            fclose(file)
            unlink(temporary)
        }
    }

    /// Writes bytes of the tensors, little-endian and without gaps.
    func append(_ bytes: UnsafeRawBufferPointer) throws {
        guard let file, fwrite(bytes.baseAddress, 1, bytes.count, file) == bytes.count else {
            throw failure()
        }
    }

    /// Gives the file its name.
    mutating func finish() throws {
        guard let file else { return }
        let isWritten = fflush(file) == 0 && fsync(fileno(file)) == 0
        guard isWritten, rename(temporary, path) == 0 else { throw failure() }
        fclose(file)
        self.file = nil
    }

    private func failure() -> CheckpointError {
        .unwritable(path: path, problem: String(cString: strerror(errno)))
    }
}
