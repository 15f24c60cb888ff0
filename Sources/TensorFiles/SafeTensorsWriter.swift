/// Writes a .safetensors file to a descriptor, tensor after tensor.
package struct SafeTensorsWriter {
    /// What the header says of a tensor.
    package struct Entry {
        let name: String
        let type: ElementType
        let shape: [Int]
        var byteCount: Int { shape.reduce(type.byteCount, *) }

        /// A tensor of this name, type and shape.
        package init(name: String, type: ElementType, shape: [Int]) {
            (self.name, self.type, self.shape) = (name, type, shape)
        }
    }

    private let output: Descriptor

    /// Writes the header; the tensors' bytes follow by `append`, in the order of `entries`.
    ///
    /// - Throws: `StreamError`.
    package init(
        _ output: Descriptor, _ entries: [Entry], metadata: [String: String]
    ) throws(StreamError) {
        self.output = output
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
        try output.write(withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) })
        try output.write(header)
    }

    /// Writes bytes of the tensors, little-endian and without gaps.
    ///
    /// - Throws: `StreamError`.
    package func append(_ bytes: UnsafeRawBufferPointer) throws(StreamError) {
        try output.write(bytes)
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
}
