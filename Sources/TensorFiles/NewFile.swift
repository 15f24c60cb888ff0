import CSystem
import Glibc
import ForkSafety

/// Why an output is not written.
package enum NewFileError: Error, CustomStringConvertible, Sendable {
    /// What was asked for would do harm or makes no sense; nothing was touched.
    case refused(String)
    /// The system failed.
    case failure(place: String, problem: String)
    /// Waiting for a reader was ended from outside.
    case cancelled

    /// One line.
    package var description: String {
        if case .failure(let place, _) = self { return "\(place.visible): \(problem)" }
        return problem.visible
    }

    /// What is wrong, without the place.
    package var problem: String {
        switch self {
        case .refused(let problem), .failure(_, let problem): problem
        case .cancelled: "cancelled"
        }
    }
}

/// The one way to write a file.
///
/// A regular file is written under a temporary name of its own in the same folder, and gets its name
/// when it is complete and on the disk. Links are followed, so that a link stays one. What is there
/// is replaced only if that is asked for, and keeps its permissions; an input never is. Pipes,
/// devices and open descriptors (`-`, `/dev/fd/N`) are written into and never replaced.
package final class NewFile {
    /// For messages.
    package let place: String
    /// Whether what was written can be gone back to.
    package let isSeekable: Bool

    private enum Target {
        /// A name in an open folder, and the temporary one.
        case file(folder: Int32, name: String, temporary: String, key: UInt64)
        /// A pipe or device, opened when it is written.
        case special(path: String)
        /// A descriptor that stays open.
        case given
    }

    private let overwrite: Bool
    private let wake: Int32?
    private var target: Target
    private var number: Int32 = -1

    /// Prepares a file, a pipe, a device or `-`. Files that are `inputs` are refused. Waiting for a
    /// reader ends when `wake` becomes readable.
    package init(
        _ path: String, overwrite: Bool, inputs: some Sequence<FileIdentity>, wake: Int32? = nil
    ) throws(NewFileError) {
        place = path == "-" ? "standard output" : path
        (self.overwrite, self.wake) = (overwrite, wake)
        let found = try OutputLocation(path, place)
        if let identity = found.identity, identity.isRegular, inputs.contains(identity) {
            throw .refused("\(place): the output is the input; give another name")
        }
        switch found {
        case .descriptor(let given):
            number = given
            (target, isSeekable) = (.given, false)
        case .special(let path, _):
            (target, isSeekable) = (.special(path: path), false)
        case .file(let folder, let name, let status):
            do throws(NewFileError) {
                if status != nil, !overwrite {
                    throw .refused("\(place) exists; -y overwrites it")
                }
                Leftovers.remove(in: folder)
                let (opened, temporary) = try NewFile.create(in: folder, like: status, place)
                number = opened
                target = .file(
                    folder: folder, name: name, temporary: temporary,
                    key: NewFile.remember(folder, temporary))
            } catch {
                close(folder)
                throw error
            }
            isSeekable = true
        }
    }

    deinit { abandon() }

    /// Where to write; a named pipe waits for its reader here, the first time.
    ///
    /// - Throws: `NewFileError.failure` or `.cancelled`.
    package func open() throws(NewFileError) -> Descriptor {
        if number < 0, case .special(let path) = target { number = try openSpecial(path) }
        return Descriptor(number, place: place, wake: isSeekable ? nil : wake)
    }

    /// Everything was written: the file gets its name.
    ///
    /// - Throws: `NewFileError`; then nothing is left.
    package func finish() throws(NewFileError) {
        defer { abandon() }
        guard case .file(let folder, let name, let temporary, let key) = target else {
            guard case .special = target, number >= 0 else { return }
            defer { number = -1 }
            if close(number) != 0 { throw failure() }
            return
        }
        if fsync(number) != 0, errno != EINVAL, errno != ENOTSUP { throw failure() }
        // Still open: its lock keeps others from taking it for a leftover.
        let status = name.withPathBytes { name in
            overwrite
                ? renameat(folder, temporary, folder, name)
                : NewFile.renameNew(folder, temporary, name)
        }
        if status != 0 {
            if errno == EEXIST, !overwrite {
                throw .refused("\(place) exists, made meanwhile; -y overwrites it")
            }
            throw failure()
        }
        NewFile.forget(key)
        target = .given
        fsync(folder)  // not all file systems can, and the name is there
        close(folder)
        defer { number = -1 }
        if close(number) != 0 { throw failure() }
    }

    /// Removes what was written so far (nothing can be taken back from a pipe).
    package func abandon() {
        switch target {
        case .file(let folder, _, let temporary, let key):
            if number >= 0 { close(number) }
            unlinkat(folder, temporary, 0)
            NewFile.forget(key)
            close(folder)
        case .special:
            if number >= 0 { close(number) }
        case .given: break
        }
        number = -1
        target = .given
    }

    /// A file without a name to put by what is not written yet, beside the output where there is room
    /// for that too.
    package func scratch() throws(NewFileError) -> Int32 {
        if case .file(let folder, _, _, _) = target {
            return try NewFile.scratch(in: folder, place)
        }
        return try NewFile.scratch(in: NewFile.temporaryFolder ?? "/tmp")
    }

    /// The folder that the caller's environment names for temporary files.
    package static var temporaryFolder: String? {
        getenv("TMPDIR").flatMap { $0.pointee == 0 ? nil : String(path: $0) }
    }

    /// A file without a name in a folder.
    package static func scratch(in path: String) throws(NewFileError) -> Int32 {
        let folder = path.withPathBytes { Glibc.open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        if folder < 0 { throw failure(path) }
        defer { close(folder) }
        return try scratch(in: folder, path)
    }

    private static func scratch(in folder: Int32, _ place: String) throws(NewFileError) -> Int32 {
        let (descriptor, name) = try create(in: folder, like: nil, place)
        unlinkat(folder, name, 0)
        return descriptor
    }

    /// Whether another output would get the same name.
    package func isSame(as other: NewFile) -> Bool {
        guard case .file(let folder, let name, _, _) = target,
            case .file(let otherFolder, let otherName, _, _) = other.target
        else { return false }
        return name == otherName
            && FileIdentity(descriptor: folder) == FileIdentity(descriptor: otherFolder)
    }

    /// Writes everything and gives the file its name.
    ///
    /// - Throws: `NewFileError` and `StreamError`.
    package func write(_ bytes: [UInt8]) throws {
        try open().write(bytes)
        try finish()
    }

    // MARK: - Steps

    private func failure() -> NewFileError { NewFile.failure(place) }

    private static func failure(_ place: String) -> NewFileError {
        .failure(
            place: place, problem: "cannot be written: \(String(cString: strerror(errno)))")
    }

    /// A new file of a name that nobody can guess, with the permissions of the one that it replaces.
    private static func create(
        in folder: Int32, like status: stat?, _ place: String
    ) throws(NewFileError) -> (descriptor: Int32, name: String) {
        while true {
            let digits = String(UInt64.random(in: .min ... .max), radix: 36)
            let name = "\(temporaryStart)\(digits)\(temporaryEnding)"
            let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
            let descriptor = openat(folder, name, flags, status == nil ? 0o666 : 0o600)
            if descriptor < 0 {
                if errno == EEXIST || errno == EINTR { continue }
                throw failure(place)
            }
            if !Leftovers.claim(descriptor) {
                close(descriptor)
                continue
            }
            if let status {
                _ = fchown(descriptor, status.st_uid, status.st_gid)  // only root may
                _ = fchmod(descriptor, status.st_mode & 0o7777)
            }
            return (descriptor, name)
        }
    }

    /// Gives a file its name unless something has it (EEXIST), also where the file system has no
    /// call for just that.
    private static func renameNew(
        _ folder: Int32, _ from: String, _ to: UnsafePointer<CChar>
    ) -> Int32 {
        if vt_rename_new(folder, from, to) == 0 { return 0 }
        if errno != EINVAL && errno != ENOSYS { return -1 }
        if linkat(folder, from, folder, to, 0) == 0 { return unlinkat(folder, from, 0) }
        if errno == EEXIST { return -1 }
        if faccessat(folder, to, F_OK, 0) == 0 {
            errno = EEXIST
            return -1
        }
        return renameat(folder, from, folder, to)
    }

    private func openSpecial(_ path: String) throws(NewFileError) -> Int32 {
        while true {
            let descriptor = path.withPathBytes {
                Glibc.open($0, O_WRONLY | O_NONBLOCK | O_CLOEXEC)
            }
            if descriptor >= 0 {
                _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
                return descriptor
            }
            switch errno {
            case EINTR: continue
            case ENXIO where isPipe(path):  // that nobody reads yet
                var entry = pollfd(fd: wake ?? -1, events: Int16(POLLIN), revents: 0)
                if poll(&entry, 1, 50) > 0 { throw .cancelled }
            default: throw failure()
            }
        }
    }

    private func isPipe(_ path: String) -> Bool {
        var status = stat()
        defer { errno = ENXIO }
        return path.withPathBytes { stat($0, &status) } == 0 && status.st_mode & S_IFMT == S_IFIFO
    }

    // MARK: - Files that have no name yet

    private static let unfinished = Guarded<(next: UInt64, files: [UInt64: (Int32, String)])>
        .ofProcess(
            (0, [:]))

    private static func remember(_ folder: Int32, _ name: String) -> UInt64 {
        unfinished.withLock { state in
            state.next += 1
            state.files[state.next] = (folder, name)
            return state.next
        }
    }

    private static func forget(_ key: UInt64) {
        unfinished.withLock { _ = $0.files.removeValue(forKey: key) }
    }

    /// Removes every unfinished file of this process: for those who end it at once.
    package static func removeUnfinished() {
        unfinished.withLock { state in
            for (folder, name) in state.files.values { unlinkat(folder, name, 0) }
        }
    }
}

// MARK: - Files that are replaced

extension NewFile {
    /// How temporary names begin.
    static let temporaryStart = ".vidtwin-"

    /// The end of temporary names; what a run that was killed left behind has it, too.
    package static let temporaryEnding = ".tmp"

    /// Writes a file that may be there already; `body` writes to the descriptor that it gets.
    ///
    /// - Throws: `CheckpointError.unwritable` or what `body` throws; nothing is left behind then.
    package static func write(_ path: String, _ body: (Descriptor) throws -> Void) throws {
        do {
            let file = try NewFile(path, overwrite: true, inputs: [])
            try body(try file.open())
            try file.finish()
        } catch let error as NewFileError {
            throw CheckpointError.unwritable(path: path, problem: error.problem)
        } catch StreamError.failure(_, let problem) {
            throw CheckpointError.unwritable(path: path, problem: problem)
        }
    }

    /// Writes a text.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package static func write(_ text: String, to path: String) throws {
        try write(path) { try $0.write(Array(text.utf8)) }
    }
}
