/// An array as numpy stores it: `.npy` version 1.0, little-endian, C order.
public struct NPYArray: Sendable, Equatable {
    /// Sizes of the axes.
    public let shape: [Int]
    /// The values in row-major order.
    public let values: [Float]

    /// An array of these values.
    ///
    /// - Precondition: as many values as the shape has elements.
    public init(shape: [Int], values: [Float]) {
        precondition(shape.reduce(1, *) == values.count, "\(values.count) values for \(shape)")
        (self.shape, self.values) = (shape, values)
    }

    private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

    /// What numpy calls the types that are read and written.
    private static let descriptors: KeyValuePairs<ElementType, String> = [
        .float32: "<f4", .float16: "<f2",
    ]

    /// The bytes of an `.npy` file.
    ///
    /// - Precondition: the type is float32 or float16.
    public func encoded(as type: ElementType) -> [UInt8] {
        guard let descriptor = NPYArray.descriptors.first(where: { $0.key == type })?.value else {
            preconditionFailure("\(type) is not written as .npy")
        }
        let sizes = shape.map { "\($0), " }.joined()
        let tuple = shape.count == 1 ? "(\(shape[0]),)" : "(\(sizes.dropLast(2)))"
        var header = Array(
            "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': \(tuple), }".utf8)
        // Data begins at a multiple of 64 bytes; the header ends with a line feed.
        let padding = (64 - (10 + header.count + 1) % 64) % 64
        header += [UInt8](repeating: 32, count: padding) + [10]
        var bytes = NPYArray.magic + [1, 0, UInt8(header.count & 255), UInt8(header.count >> 8)]
        bytes += header
        if type == .float32 {
            values.withUnsafeBytes { bytes += $0 }
        } else {
            for value in values {
                let bits = Binary16.encode(value)
                bytes += [UInt8(bits & 255), UInt8(bits >> 8)]
            }
        }
        return bytes
    }

    /// Reads an `.npy` file of `<f2` or `<f4` values in C order.
    ///
    /// - Throws: `StreamError.malformed` for anything else.
    public init(_ bytes: ArraySlice<UInt8>, place: String) throws(StreamError) {
        func malformed(_ expected: String, _ found: String) -> StreamError {
            .malformed(place: place, expected: expected, found: found)
        }
        let start = bytes.startIndex
        guard bytes.count >= 10, Array(bytes[start..<start + 6]) == NPYArray.magic else {
            throw malformed("an .npy array", "other data")
        }
        guard bytes[start + 6] == 1 else {
            throw malformed(".npy version 1", "version \(bytes[start + 6])")
        }
        let length = Int(bytes[start + 8]) | Int(bytes[start + 9]) << 8
        guard length <= bytes.count - 10 else {
            throw malformed("a header of \(length) bytes", "\(bytes.count - 10)")
        }
        let header = String(decoding: bytes[start + 10..<start + 10 + length], as: UTF8.self)
        guard header.contains("'fortran_order': False") else {
            throw malformed("C order", "another order")
        }
        guard
            let type = NPYArray.descriptors.first(where: { header.contains("'\($0.value)'") })?.key
        else { throw malformed("<f4 or <f2 values", String(header.prefix(60))) }
        guard let open = header.firstIndex(of: "("), let close = header[open...].firstIndex(of: ")")
        else { throw malformed("a shape", String(header.prefix(60))) }
        var (shape, count): ([Int], Int) = ([], 1)
        for part in header[header.index(after: open)..<close].split(separator: ",") {
            guard let size = Int(part.filter { $0 != " " }), size >= 0 else {
                throw malformed("a shape of whole numbers", String(part))
            }
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard !overflow, product <= bytes.count, shape.count < 8 else {
                throw malformed("a shape that fits the data", String(header.prefix(80)))
            }
            shape.append(size)
            count = product
        }
        let data = bytes[(start + 10 + length)...]
        guard data.count == count * type.byteCount else {
            throw malformed("\(count * type.byteCount) bytes of data", "\(data.count)")
        }
        self.shape = shape
        values = data.withUnsafeBytes { raw in
            (0..<count).map { i in
                type == .float32
                    ? Float(bitPattern: raw.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self))
                    : Binary16.decode(raw.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self))
            }
        }
    }
}
