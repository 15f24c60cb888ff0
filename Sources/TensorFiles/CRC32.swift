import CDeflate

/// The checksum of zlib, PNG and zip.
package enum CRC32 {
    /// Of some bytes.
    package static func of(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { libdeflate_crc32(0, $0.baseAddress, $0.count) }
    }
}
