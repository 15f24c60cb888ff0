/// A .safetensors file: 8 bytes of header length, a JSON header, the tensors' bytes.
struct SafeTensors: Sendable {
    struct Entry: Sendable {
        let info: TensorInfo
        /// In bytes from the file's start.
        let range: Range<Int>
    }

    private let file: MappedFile
    let tensors: [String: Entry]
    let metadata: [String: String]

    /// The format's own limit on the header.
    private static let maximumHeader = 100_000_000

    init(_ file: MappedFile) throws(CheckpointError) {
        self.file = file
        let size = file.bytes.count
        guard let length = file.number(0, UInt64.self), length >= 2,
            length <= SafeTensors.maximumHeader, length <= size - 8
        else {
            throw .malformed(
                path: file.path, place: "header length",
                expected: "2 to \(min(max(size - 8, 2), SafeTensors.maximumHeader))",
                found: file.number(0, UInt64.self).map(String.init) ?? "too large a number")
        }
        let data = 8 + length
        let header = UnsafeRawBufferPointer(rebasing: file.bytes[8..<data])
        var parser = SafeTensorsHeader(header, path: file.path)
        let parsed = try parser.parse()
        metadata = parsed.metadata
        var tensors: [String: Entry] = [:]
        for tensor in parsed.tensors {
            func malformed(_ expected: String, _ found: String) -> CheckpointError {
                .malformed(path: file.path, place: tensor.name, expected: expected, found: found)
            }
            guard let type = ElementType(rawValue: tensor.type) else {
                throw malformed("a known dtype", tensor.type)
            }
            var bytes = type.byteCount
            for dimension in tensor.shape {
                let (product, overflow) = bytes.multipliedReportingOverflow(by: dimension)
                if overflow { throw malformed("a shape that fits the file", "\(tensor.shape)") }
                bytes = product
            }
            let (begin, end) = tensor.offsets
            guard begin <= end, end <= size - data else {
                throw malformed("offsets within \(size - data) bytes", "\(begin)..<\(end)")
            }
            guard end - begin == bytes else {
                throw malformed(
                    "\(bytes) bytes for \(type.rawValue) \(tensor.shape)", "\(end - begin)")
            }
            let info = TensorInfo(name: tensor.name, shape: tensor.shape, type: type)
            let entry = Entry(info: info, range: data + begin..<data + end)
            if tensors.updateValue(entry, forKey: tensor.name) != nil {
                throw malformed("each name once", "it twice")
            }
        }
        self.tensors = tensors
        var end = data
        for entry in tensors.values.sorted(by: {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }) {
            if entry.range.lowerBound != end {
                throw .malformed(
                    path: file.path, place: entry.info.name,
                    expected: "bytes from \(end - data) on, without gap or overlap",
                    found: "from \(entry.range.lowerBound - data) on")
            }
            end = entry.range.upperBound
        }
        if end != size {
            throw .malformed(
                path: file.path, place: "end of the file",
                expected: "\(end) bytes, as the header says", found: "\(size)")
        }
    }

    /// Calls `body` with the elements of a tensor, if they are aligned.
    func withElements<Element, Result>(
        _ name: String, _ body: (UnsafePointer<Element>) throws -> Result
    ) throws -> Result? {
        guard let entry = tensors[name], let base = file.bytes.baseAddress,
            MemoryLayout<Element>.stride == entry.info.type.byteCount
        else { return nil }
        let start = base + entry.range.lowerBound
        guard Int(bitPattern: start) % MemoryLayout<Element>.alignment == 0 else { return nil }
        file.prefetch(entry.range)
        defer { file.release(entry.range) }
        return try body(start.assumingMemoryBound(to: Element.self))
    }

    func read(_ name: String, into destination: UnsafeMutablePointer<Float>) {
        guard let entry = tensors[name], let base = file.bytes.baseAddress else { return }
        file.prefetch(entry.range)
        let elements = Elements(
            bytes: base + entry.range.lowerBound, type: entry.info.type, bigEndian: false)
        elements.convert(
            from: 0, count: entry.range.count / entry.info.type.byteCount, into: destination)
        file.release(entry.range)
    }
}
