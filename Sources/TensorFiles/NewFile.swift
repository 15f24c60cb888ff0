import Glibc

/// The one way to write a file that must never be half there: under a temporary name, brought to
/// the disk, then renamed. What stood there before stays until then.
package enum NewFile {
    /// The end of temporary names; what a run that was killed left behind has it, too.
    package static let temporaryEnding = ".tmp"

    /// Calls `body` with a descriptor to write to.
    ///
    /// - Throws: `CheckpointError.unwritable` or what `body` throws; nothing is left behind then.
    package static func write(_ path: String, _ body: (Descriptor) throws -> Void) throws {
        let temporary = "\(path).\(getpid())\(temporaryEnding)"
        let number = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        func failure() -> CheckpointError {
            .unwritable(path: path, problem: String(cString: strerror(errno)))
        }
        if number < 0 { throw failure() }
        do {
            defer { close(number) }
            try body(Descriptor(number, place: path))
            guard fsync(number) == 0, rename(temporary, path) == 0 else { throw failure() }
        } catch {
            unlink(temporary)
            if case StreamError.failure(_, let problem) = error {
                throw CheckpointError.unwritable(path: path, problem: problem)
            }
            throw error
        }
        // The name, too, is on the disk.
        let end = path.lastIndex(of: "/")
        let folder = end.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if directory >= 0 {
            fsync(directory)
            close(directory)
        }
    }

    /// Writes a text.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package static func write(_ text: String, to path: String) throws {
        try write(path) { try $0.write(Array(text.utf8)) }
    }
}
