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
        let pairs = metadata.sorted { $0.key < $1.key }
            .map { "\(SafeTensorsWriter.quoted($0.key)):\(SafeTensorsWriter.quoted($0.value))" }
        var (fields, offset) = (["\"__metadata__\":{\(pairs.joined(separator: ","))}"], 0)
        for entry in entries {
            let end = offset + entry.byteCount
            fields.append(
                "\(SafeTensorsWriter.quoted(entry.name)):{\"dtype\":\"\(entry.type.rawValue)\","
                    + "\"shape\":[\(entry.shape.map(String.init).joined(separator: ","))],"
                    + "\"data_offsets\":[\(offset),\(end)]}")
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

    /// A text as JSON writes it.
    private static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": out += "\\\(scalar)"
            case "\n": out += "\\n"
            case _ where scalar.value < 32:
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }

    private func failure() -> CheckpointError {
        .unwritable(path: path, problem: String(cString: strerror(errno)))
    }
}
