import Glibc
import VideoIO

/// Files that are written in one go.
enum OutputFile {
    /// Whether a file can be made there, said before the work rather than after it.
    ///
    /// - Throws: `VideoIOError.usage`.
    static func check(_ path: String) throws {
        if path == "-" { return }
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            throw VideoIOError.usage("\(path): expected a file to write, found a folder")
        }
        let end = path.lastIndex(of: "/")
        let folder = end.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        if access(folder, W_OK | X_OK) != 0 {
            throw VideoIOError.usage(
                "\(path): cannot be written: \(String(cString: strerror(errno)))")
        }
    }

    /// Writes bytes to a file, under a temporary name until they are complete, or to standard
    /// output (`-`).
    static func write(_ bytes: [UInt8], to path: String) throws {
        let temporary = path == "-" ? path : "\(path).\(getpid()).tmp"
        let descriptor =
            path == "-" ? 1 : open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        func failure() -> VideoIOError {
            errno == EPIPE
                ? .brokenPipe(url: path)
                : .failure(
                    url: path == "-" ? "standard output" : path,
                    problem: "cannot be written: \(String(cString: strerror(errno)))")
        }
        if descriptor < 0 { throw failure() }
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if count < 0 && errno == EINTR { continue }
            if count < 0 {
                let error = failure()
                if path != "-" { unlink(temporary) }
                throw error
            }
            done += count
        }
        if path != "-" {
            guard close(descriptor) == 0, rename(temporary, path) == 0 else { throw failure() }
        }
    }
}
