import Glibc
import TensorFiles
import VideoIO

/// What a process holds of a set while it writes a part of it: a lock that goes with the process, however
/// that ends. Parts of another division number their shards otherwise, so they are kept apart too.
final class PartLock {
    private let path: String
    private let descriptor: Int32

    private static let start = ".videos-"
    private static let ending = ".lock"

    /// Takes a part.
    ///
    /// - Throws: `UsageError` where another process has it, or a part of another division;
    ///   `VideoIOError.failure`.
    init(_ folder: SetFolder, _ shard: Shard) throws {
        let path = "\(folder.path)/\(PartLock.start)\(shard.fileName)\(PartLock.ending)"
        (self.path, descriptor) = (path, try PartLock.take(path, folder, shard))
        if let other = try PartLock.holders(in: folder).first(where: { $0.count != shard.count }) {
            throw UsageError(
                "\(folder.path): another process is writing part \(other) of this set; all that write "
                    + "at a time need parts of one division, found \(shard)")
        }
    }

    deinit {
        // Before it is given back: who opens it meanwhile sees that it has no name any more.
        path.withPathBytes { _ = unlink($0) }
        close(descriptor)
    }

    private static func take(
        _ path: String, _ folder: SetFolder, _ shard: Shard
    ) throws -> Int32 {
        while true {
            let descriptor = path.withPathBytes {
                open($0, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o666)
            }
            if descriptor < 0 {
                if errno == EINTR { continue }
                throw VideoIOError.failure(
                    url: path, problem: "cannot be written: \(String(cString: strerror(errno)))")
            }
            if flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
                let code = errno
                if code == EWOULDBLOCK {
                    close(descriptor)
                    throw UsageError(
                        "\(folder.path): another process is writing "
                            + (shard == .whole ? "this set" : "part \(shard) of this set")
                            + "; wait for its end, or give each process a part of its own (--shard i/n)"
                    )
                }
                Log.warning(
                    "\(folder.path) is on a file system without locks "
                        + "(\(String(cString: strerror(code)))): processes that are given the same part "
                        + "are not kept apart")
                return descriptor
            }
            var status = stat()
            if fstat(descriptor, &status) == 0, status.st_nlink > 0 { return descriptor }
            close(descriptor)  // its holder ended meanwhile
        }
    }

    /// The parts that processes are writing.
    ///
    /// - Throws: `VideoIOError.badInput` where the folder cannot be read.
    static func holders(in folder: SetFolder) throws -> [Shard] {
        try folder.names().compactMap { name in
            guard name.hasPrefix(start), name.hasSuffix(ending),
                let shard = Shard(fileName: name.dropFirst(start.count).dropLast(ending.count))
            else { return nil }
            let descriptor = "\(folder.path)/\(name)".withPathBytes {
                open($0, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            }
            if descriptor < 0 { return nil }
            defer { close(descriptor) }
            return flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK ? shard : nil
        }
    }
}
