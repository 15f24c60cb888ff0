import Glibc

/// A file's path as text from which the very bytes of its name come back.
///
/// Names are bytes, and Swift's strings are Unicode: a byte that belongs to no UTF-8 stands in the
/// text as U+10FF00 plus the byte. Every path enters by `String(path:)` and leaves by
/// `withPathBytes`; for all names that are UTF-8 the text is what it looks like.
extension String {
    /// The text of a path's bytes.
    package init(pathBytes bytes: some Collection<UInt8>) {
        self.init()
        var rest = bytes[...]
        var decoder = UTF8()
        while !rest.isEmpty {
            var iterator = rest.makeIterator()
            decoder = UTF8()
            if case .scalarValue(let scalar) = decoder.decode(&iterator),
                !String.escapes.contains(scalar.value)
            {
                unicodeScalars.append(scalar)
                rest = rest.dropFirst(UTF8.width(scalar))
            } else if let byte = rest.popFirst() {
                unicodeScalars.append(
                    Unicode.Scalar(String.escapeBase + UInt32(byte)) ?? "\u{fffd}")
            }
        }
    }

    /// The text of a path as the system has it.
    package init(path: UnsafePointer<CChar>) {
        let bytes = UnsafeRawBufferPointer(start: path, count: strlen(path))
        self.init(pathBytes: bytes)
    }

    /// The bytes that the text stands for, without the 0 at the end.
    package var pathBytes: [UInt8] {
        if !utf8.contains(0xf4) { return Array(utf8) }  // where all escapes begin
        var bytes: [UInt8] = []
        for scalar in unicodeScalars {
            if String.escapes.contains(scalar.value) {
                bytes.append(UInt8(scalar.value - String.escapeBase))
            } else {
                bytes += UTF8.encode(scalar).map(Array.init) ?? []
            }
        }
        return bytes
    }

    /// Calls the system with the path's bytes.
    package func withPathBytes<Result>(
        _ body: (UnsafePointer<CChar>) throws -> Result
    ) rethrows -> Result {
        if !utf8.contains(0xf4) { return try withCString(body) }
        return try (pathBytes + [0]).withUnsafeBufferPointer { bytes in
            try bytes.withMemoryRebound(to: CChar.self) { characters in
                guard let base = characters.baseAddress else { return try "".withCString(body) }
                return try body(base)
            }
        }
    }

    /// The byte that a scalar of a path's text stands for, where it is none of UTF-8.
    package static func escapedByte(_ scalar: Unicode.Scalar) -> UInt8? {
        escapes.contains(scalar.value) ? UInt8(scalar.value - escapeBase) : nil
    }

    private static let escapeBase: UInt32 = 0x10_ff00
    private static let escapes: ClosedRange<UInt32> = 0x10_ff80...0x10_ffff
}
