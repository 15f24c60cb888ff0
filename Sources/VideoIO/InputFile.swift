import Glibc
import TensorFiles

/// Small files that are read whole, and folders.
package enum InputFile {
    /// The bytes of a file or pipe; more than `limit` are refused.
    ///
    /// - Throws: `VideoIOError.badInput`.
    package static func read(_ path: String, limit: Int) throws(VideoIOError) -> [UInt8] {
        guard let file = path.withPathBytes({ fopen($0, "rb") }) else {
            throw .badInput(url: path, problem: String(cString: strerror(errno)))
        }
        defer { fclose(file) }
        var (bytes, chunk): ([UInt8], [UInt8]) = ([], [UInt8](repeating: 0, count: 1 << 16))
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            if count == 0 { break }
            bytes += chunk.prefix(count)
            if bytes.count > limit {
                throw .badInput(url: path, problem: "expected at most \(limit >> 20) MB")
            }
        }
        if ferror(file) != 0 {
            throw .badInput(url: path, problem: String(cString: strerror(errno)))
        }
        return bytes
    }

    /// The names in a folder, sorted by their bytes.
    ///
    /// - Throws: `VideoIOError.badInput` where it cannot be read.
    package static func names(in folder: String) throws(VideoIOError) -> [String] {
        do throws(StreamError) { return try FolderNames.names(in: folder) } catch {
            guard case .failure(_, let problem) = error else {
                throw .badInput(url: folder, problem: "\(error)")
            }
            throw .badInput(url: folder, problem: problem)
        }
    }
}
