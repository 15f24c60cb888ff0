/// Element type of stored latents.
public enum LatentType: String, Sendable, Codable, CaseIterable {
    /// Half precision.
    case f16
    /// Single precision.
    case f32

    var descriptor: String { self == .f16 ? "<f2" : "<f4" }
    /// Bytes of a value.
    public var byteCount: Int { self == .f16 ? 2 : 4 }
}

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

    /// The bytes of an `.npy` file.
    public func encoded(as type: LatentType) -> [UInt8] {
        let sizes = shape.map { "\($0), " }.joined()
        let tuple = shape.count == 1 ? "(\(shape[0]),)" : "(\(sizes.dropLast(2)))"
        var header = Array(
            "{'descr': '\(type.descriptor)', 'fortran_order': False, 'shape': \(tuple), }".utf8)
        // Data begins at a multiple of 64 bytes; the header ends with a line feed.
        let padding = (64 - (10 + header.count + 1) % 64) % 64
        header += [UInt8](repeating: 32, count: padding) + [10]
        var bytes = NPYArray.magic + [1, 0, UInt8(header.count & 255), UInt8(header.count >> 8)]
        bytes += header
        switch type {
        case .f32: values.withUnsafeBytes { bytes += $0 }
        case .f16:
            for value in values {
                let bits = Float16Bits.encode(value)
                bytes += [UInt8(bits & 255), UInt8(bits >> 8)]
            }
        }
        return bytes
    }

    /// Reads an `.npy` file of `<f2` or `<f4` values in C order.
    ///
    /// - Throws: `LatentError.malformed` for anything else.
    public init(_ bytes: ArraySlice<UInt8>, place: String) throws(LatentError) {
        func malformed(_ expected: String, _ found: String) -> LatentError {
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
        guard let type = LatentType.allCases.first(where: { header.contains("'\($0.descriptor)'") })
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
                type == .f32
                    ? Float(bitPattern: raw.loadUnaligned(fromByteOffset: 4 * i, as: UInt32.self))
                    : Float16Bits.decode(raw.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self))
            }
        }
    }
}

/// binary16, without needing a CPU or compiler that knows it.
enum Float16Bits {
    /// Rounded to nearest, ties to even; too large becomes infinity.
    static func encode(_ value: Float) -> UInt16 {
        let sign = UInt16(value.bitPattern >> 16) & 0x8000
        let magnitude = value.magnitude
        if magnitude.isNaN { return sign | 0x7e00 }
        if magnitude >= 65520 { return sign | 0x7c00 }
        if magnitude < 0x1p-14 {  // subnormal: multiples of 2^-24
            return sign | UInt16((magnitude * 0x1p24).rounded(.toNearestOrEven))
        }
        let bits = magnitude.bitPattern
        let rounded = bits + 0xfff + (bits >> 13 & 1)
        return sign | UInt16((rounded >> 13) - (112 << 10))
    }

    static func decode(_ bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let magnitude = UInt32(bits & 0x7fff)
        if magnitude >= 0x7c00 {
            return Float(bitPattern: sign | 0x7f80_0000 | (magnitude & 0x3ff) << 13)
        }
        let value = Float(bitPattern: magnitude << 13) * 0x1p112
        return Float(bitPattern: sign | value.bitPattern)
    }
}
