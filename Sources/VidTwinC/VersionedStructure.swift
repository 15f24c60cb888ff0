import CVidTwin
import Glibc

/// Structures that begin with their own size, and may grow in later versions of the interface.
enum VersionedStructure {
    /// No version of any structure is larger.
    private static let largest = 4096

    /// - Throws: where no version of the structure has this size.
    private static func check<T>(_ size: Int, _ type: T.Type) throws {
        let known = MemoryLayout<T>.stride
        guard (known...largest).contains(size) else {
            throw CallError.argument(
                "\(type).struct_size", expected: "sizeof (\(type)), \(known) or more",
                found: "\(UInt(bitPattern: size))")
        }
    }

    /// The structure at `pointer`; its caller may know a later version of it, as long as nothing
    /// that this version does not know is set.
    static func read<T>(_ pointer: UnsafePointer<T>) throws -> T {
        let raw = UnsafeRawPointer(pointer)
        let size = raw.loadUnaligned(as: Int.self)
        try check(size, T.self)
        let known = MemoryLayout<T>.stride
        for at in known..<max(size, known)
        where raw.load(fromByteOffset: at, as: UInt8.self) != 0 {
            throw CallError(
                status: VIDTWIN_ERROR_UNSUPPORTED,
                description: "\(T.self): expected options of interface version "
                    + "\(VIDTWIN_API_MAJOR).\(VIDTWIN_API_MINOR), found one of a later version set")
        }
        return pointer.pointee
    }

    /// Writes `value` over a structure of `size` bytes; what is beyond is set to zero.
    static func write<T>(_ value: T, to pointer: UnsafeMutablePointer<T>, size: Int) throws {
        try check(size, T.self)
        memset(pointer, 0, size)
        pointer.pointee = value
        UnsafeMutableRawPointer(pointer).storeBytes(of: size, as: Int.self)
    }

    /// As `write`; the size is the one that stands in the structure already.
    static func fill<T>(_ value: T, to pointer: UnsafeMutablePointer<T>) throws {
        try write(value, to: pointer, size: UnsafeRawPointer(pointer).loadUnaligned(as: Int.self))
    }
}
