import CCrypto
import Glibc

/// SHA-256 of files, by libcrypto.
public enum FileDigest {
    /// The SHA-256 of a text as 64 hexadecimal digits.
    public static func sha256(text: String) -> String { hexadecimal(bytes(of: text)) }

    /// The 32 bytes of a text's SHA-256.
    package static func bytes(of text: String) -> [UInt8] {
        var (digest, length) = ([UInt8](repeating: 0, count: 32), UInt32(0))
        let bytes = Array(text.utf8)
        EVP_Digest(bytes, bytes.count, &digest, &length, EVP_sha256(), nil)
        return digest
    }

    /// The SHA-256 of bytes in memory as 64 hexadecimal digits.
    static func sha256(_ bytes: UnsafeRawBufferPointer) -> String {
        var (digest, length) = ([UInt8](repeating: 0, count: 32), UInt32(0))
        EVP_Digest(bytes.baseAddress, bytes.count, &digest, &length, EVP_sha256(), nil)
        return hexadecimal(digest)
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
        guard let context = EVP_MD_CTX_new() else {
            throw CheckpointError.file(path: path, problem: "no memory for its SHA-256")
        }
        defer { EVP_MD_CTX_free(context) }
        EVP_DigestInit_ex(context, EVP_sha256(), nil)
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = fread(&buffer, 1, buffer.count, file)
            if count == 0 { break }
            EVP_DigestUpdate(context, buffer, count)
        }
        if ferror(file) != 0 {
            throw CheckpointError.file(path: path, problem: String(cString: strerror(errno)))
        }
        var (digest, length) = ([UInt8](repeating: 0, count: 32), UInt32(0))
        EVP_DigestFinal_ex(context, &digest, &length)
        return hexadecimal(digest)
    }
}
