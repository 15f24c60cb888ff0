import CCrypto
import Glibc

/// SHA-256 of files, by libcrypto.
public enum FileDigest {
    /// The SHA-256 of a text as 64 hexadecimal digits.
    public static func sha256(text: String) -> String { hexadecimal(bytes(of: text)) }

    /// The 32 bytes of a text's SHA-256.
    package static func bytes(of text: String) -> [UInt8] {
        var text = text
        return text.withUTF8 { digest(UnsafeRawBufferPointer($0)) }
    }

    /// The SHA-256 of bytes in memory as 64 hexadecimal digits.
    static func sha256(_ bytes: UnsafeRawBufferPointer) -> String { hexadecimal(digest(bytes)) }

    private static func digest(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var context = SHA256_CTX()
        SHA256_Init(&context)
        SHA256_Update(&context, bytes.baseAddress, bytes.count)
        return final(&context)
    }

    private static func final(_ context: inout SHA256_CTX) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        SHA256_Final(&digest, &context)
        return digest
    }

    private static func hexadecimal(_ digest: [UInt8]) -> String {
        let digits = Array("0123456789abcdef")
        return String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    /// The SHA-256 of a file as 64 hexadecimal digits.
    ///
    /// - Throws: `CheckpointError.file` where it cannot be read.
    public static func sha256(path: String) throws -> String {
        guard let file = path.withPathBytes({ fopen($0, "rb") }) else {
            throw CheckpointError.file(path: path, problem: String(cString: strerror(errno)))
        }
        defer { fclose(file) }
        var context = SHA256_CTX()
        SHA256_Init(&context)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { break }
            SHA256_Update(&context, buffer, count)
        }
        if ferror(file) != 0 {
            throw CheckpointError.file(path: path, problem: String(cString: strerror(errno)))
        }
        return hexadecimal(final(&context))
    }
}
