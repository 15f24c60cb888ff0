/// The element types that files of arrays hold.
public enum ElementType: String, Sendable, CaseIterable {
    /// IEEE binary64.
    case float64 = "F64"
    /// IEEE binary32.
    case float32 = "F32"
    /// IEEE binary16.
    case float16 = "F16"
    /// The upper half of a float32.
    case bfloat16 = "BF16"
    /// 4 exponent and 3 mantissa bits, no infinity.
    case float8E4M3 = "F8_E4M3"
    /// 5 exponent and 2 mantissa bits.
    case float8E5M2 = "F8_E5M2"
    /// A power of two: 8 exponent bits, nothing else.
    case float8E8M0 = "F8_E8M0"
    /// Whole numbers.
    case int64 = "I64"
    /// Whole numbers.
    case int32 = "I32"
    /// Whole numbers.
    case int16 = "I16"
    /// Whole numbers.
    case int8 = "I8"
    /// Whole numbers from 0 on.
    case uint64 = "U64"
    /// Whole numbers from 0 on.
    case uint32 = "U32"
    /// Whole numbers from 0 on.
    case uint16 = "U16"
    /// Whole numbers from 0 on.
    case uint8 = "U8"
    /// 0 or 1.
    case bool = "BOOL"

    /// Bytes of one element.
    public var byteCount: Int {
        switch self {
        case .float64, .int64, .uint64: 8
        case .float32, .int32, .uint32: 4
        case .float16, .bfloat16, .int16, .uint16: 2
        case .float8E4M3, .float8E5M2, .float8E8M0, .int8, .uint8, .bool: 1
        }
    }
}

/// Elements in memory, as a file holds them.
struct Elements {
    let bytes: UnsafeRawPointer
    let type: ElementType
    let bigEndian: Bool

    /// Writes `count` consecutive elements, from element `start` on, as float32.
    func convert(from start: Int, count: Int, into destination: UnsafeMutablePointer<Float>) {
        let source = bytes + start * type.byteCount
        switch type {
        case .float32:
            if bigEndian {
                each(count, destination, source, UInt32.self) { Float(bitPattern: $0) }
            } else {
                UnsafeMutableRawPointer(destination).copyMemory(from: source, byteCount: count * 4)
            }
        case .float64:
            each(count, destination, source, UInt64.self) { Float(Double(bitPattern: $0)) }
        case .float16: each(count, destination, source, UInt16.self, Binary16.decode)
        case .bfloat16:
            each(count, destination, source, UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
        case .float8E4M3: each(count, destination, source, UInt8.self, Elements.e4m3)
        // The upper byte of a float16.
        case .float8E5M2:
            each(count, destination, source, UInt8.self) { Binary16.decode(UInt16($0) << 8) }
        case .float8E8M0: each(count, destination, source, UInt8.self, Elements.e8m0)
        case .uint64: each(count, destination, source, UInt64.self) { Float($0) }
        case .uint32: each(count, destination, source, UInt32.self) { Float($0) }
        case .uint16: each(count, destination, source, UInt16.self) { Float($0) }
        case .int64: each(count, destination, source, UInt64.self) { Float(Int64(bitPattern: $0)) }
        case .int32: each(count, destination, source, UInt32.self) { Float(Int32(bitPattern: $0)) }
        case .int16: each(count, destination, source, UInt16.self) { Float(Int16(bitPattern: $0)) }
        case .int8: each(count, destination, source, UInt8.self) { Float(Int8(bitPattern: $0)) }
        case .uint8, .bool: each(count, destination, source, UInt8.self) { Float($0) }
        }
    }

    @inline(__always)
    private func each<Word: FixedWidthInteger>(
        _ count: Int, _ destination: UnsafeMutablePointer<Float>, _ source: UnsafeRawPointer,
        _: Word.Type, _ value: (Word) -> Float
    ) {
        for i in 0..<count {
            let word = source.loadUnaligned(
                fromByteOffset: i * MemoryLayout<Word>.size, as: Word.self)
            destination[i] = value(bigEndian ? word.byteSwapped : word)
        }
    }

    private static func e8m0(_ bits: UInt8) -> Float {
        if bits == 0xff { return .nan }
        return bits == 0 ? 0x1p-127 : Float(bitPattern: UInt32(bits) << 23)
    }

    private static func e4m3(_ bits: UInt8) -> Float {
        let sign = UInt32(bits & 0x80) << 24
        let magnitude = UInt32(bits & 0x7f)
        if magnitude == 0x7f { return .nan }
        let value = Float(bitPattern: magnitude << 20) * 0x1p120
        return Float(bitPattern: sign | value.bitPattern)
    }
}
