import CVidTwin
import Glibc

/// A structure of the header that begins with its own size and may grow in later minor versions.
package protocol VersionedStructure {
    /// Its size in each version of the interface that changed it, the oldest first; the last one is
    /// this version's. New members stand at the end.
    static var sizes: [Int] { get }
    /// Its defaults.
    init()
}

extension vidtwin_model_options: VersionedStructure { package static let sizes = [56, 64] }
extension vidtwin_session_options: VersionedStructure { package static let sizes = [48] }
extension vidtwin_model_info: VersionedStructure { package static let sizes = [80] }
extension vidtwin_model_identity: VersionedStructure { package static let sizes = [152] }

extension VersionedStructure {
    /// - Throws: where no version of the structure has this size, or may come to have it.
    private static func check(_ size: Int) throws {
        let known = sizes.last ?? 0
        guard sizes.contains(size) || (known + 1...largestSize).contains(size) else {
            throw CallError.argument(
                "\(Self.self).struct_size", expected: "sizeof (\(Self.self)), \(known) or more",
                found: "\(UInt(bitPattern: size))")
        }
    }

    /// The structure at `pointer`. What its caller's version lacks has its default; what a later one
    /// adds must not be set.
    package static func read(_ pointer: UnsafePointer<Self>) throws -> Self {
        let raw = UnsafeRawPointer(pointer)
        let size = raw.loadUnaligned(as: Int.self)
        try check(size)
        let known = MemoryLayout<Self>.stride
        for at in known..<max(size, known)
        where raw.load(fromByteOffset: at, as: UInt8.self) != 0 {
            throw CallError(
                status: VIDTWIN_ERROR_UNSUPPORTED,
                description: "\(Self.self): expected options of interface version "
                    + "\(VIDTWIN_API_MAJOR).\(VIDTWIN_API_MINOR), found one of a later version set")
        }
        var value = Self()
        withUnsafeMutableBytes(of: &value) {
            $0.baseAddress?.copyMemory(from: raw, byteCount: min(size, known))
        }
        return value
    }

    /// Writes as much of this as `size` bytes hold; what is beyond is set to zero.
    package func write(to pointer: UnsafeMutablePointer<Self>, size: Int) throws {
        try Self.check(size)
        let raw = UnsafeMutableRawPointer(pointer)
        memset(raw, 0, size)
        withUnsafeBytes(of: self) {
            if let base = $0.baseAddress {
                raw.copyMemory(from: base, byteCount: min(size, $0.count))
            }
        }
        raw.storeBytes(of: size, as: Int.self)
    }

    /// - Throws: where the size that stands in the structure is none of it.
    package static func check(_ pointer: UnsafePointer<Self>) throws {
        try check(UnsafeRawPointer(pointer).loadUnaligned(as: Int.self))
    }

    /// As `write`; the size is the one that stands in the structure already.
    package func fill(_ pointer: UnsafeMutablePointer<Self>) throws {
        try write(to: pointer, size: UnsafeRawPointer(pointer).loadUnaligned(as: Int.self))
    }
}

/// No version of any structure is larger.
private let largestSize = 4096
