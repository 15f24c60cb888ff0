import Glibc
import TensorFiles
import VidTwin

/// The folder of a run: `checkpoints`, `configs`, `metrics.jsonl`, and the two files that make it a
/// model folder.
package struct RunFolder: Sendable {
    package let path: String

    package init(_ path: String) { self.path = path }

    package var checkpoints: String { "\(path)/checkpoints" }
    package var last: String { "\(checkpoints)/last.ckpt" }
    package var metrics: String { "\(path)/metrics.jsonl" }
    package var model: String { "\(path)/model.safetensors" }
    package var report: String { "\(path)/report.html" }
    package var refused: String { "\(path)/refused.csv" }

    /// Makes a run's folder below `logs`, named by the time and `name`. It has a hidden name until
    /// `fill` has put into it what makes it a run.
    ///
    /// - Throws: `CheckpointError.unwritable`, or what `fill` throws.
    package static func make(
        in logs: String, name: String, configuration: String, fill: (RunFolder) throws -> Void
    ) throws -> RunFolder {
        try makeFolders(logs)
        let start = timeStamp()
        let hidden = "\(logs)/.\(start)_\(name).\(getpid()).tmp"
        let held = try begin(hidden, in: logs, name: name)
        defer { if held >= 0 { close(held) } }
        var isDone = false
        defer { if !isDone { remove(hidden) } }
        let folder = RunFolder(hidden)
        for inner in [folder.checkpoints, "\(hidden)/configs"]
        where inner.withPathBytes({ mkdir($0, 0o777) }) != 0 {
            throw failure(inner)
        }
        try NewFile.write(configuration, to: "\(hidden)/configs/\(start)-project.yaml")
        try NewFile.write(configuration, to: "\(hidden)/config.yaml")
        try fill(folder)
        while true {
            // A second run of the same second gets another name; no folder with files is replaced.
            let final = "\(logs)/\(timeStamp())_\(name)"
            if RunFolder.rename(hidden, final) == 0 {
                isDone = true
                return RunFolder(final)
            }
            if errno != ENOTEMPTY && errno != EEXIST { throw failure(final) }
            sleep(1)
        }
    }

    /// Makes a hidden folder and holds it, so that no other run takes it for a killed one's while it is
    /// filled; the folder above is held until that holds.
    private static func begin(_ hidden: String, in logs: String, name: String) throws -> Int32 {
        let above = hold(logs)
        defer { if above >= 0 { close(above) } }
        removeUnmade(in: logs, name: name)
        guard hidden.withPathBytes({ mkdir($0, 0o777) }) == 0 else { throw failure(hidden) }
        return hold(hidden)
    }

    private static func failure(_ path: String) -> CheckpointError {
        .unwritable(path: path, problem: String(cString: strerror(errno)))
    }

    /// Waits for a folder's lock, which ends with the descriptor that is given; -1 where there is none.
    private static func hold(_ path: String) -> Int32 {
        let folder = path.withPathBytes { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        if folder >= 0 { flock(folder, LOCK_EX) }
        return folder
    }

    /// Makes a folder and those above it.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    static func makeFolders(_ path: String) throws {
        var made = path.hasPrefix("/") ? "/" : ""
        for part in path.split(separator: "/") {
            made += (made.isEmpty || made.hasSuffix("/") ? "" : "/") + part
            if made.withPathBytes({ mkdir($0, 0o777) }) != 0, errno != EEXIST {
                throw failure(made)
            }
        }
    }

    /// Removes a folder that was never a run.
    private static func remove(_ path: String) {
        for name in names(in: path) {
            let inner = "\(path)/\(name)"
            if isFolder(inner) { remove(inner) } else { inner.withPathBytes { _ = unlink($0) } }
        }
        path.withPathBytes { _ = rmdir($0) }
    }

    /// `2026-01-31T23-59-59`, local time.
    private static func timeStamp() -> String {
        var (now, parts) = (time(nil), tm())
        localtime_r(&now, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
            + "\(two(parts.tm_hour))-\(two(parts.tm_min))-\(two(parts.tm_sec))"
    }

    private static func rename(_ from: String, _ to: String) -> Int32 {
        from.withPathBytes { from in to.withPathBytes { Glibc.rename(from, $0) } }
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return path.withPathBytes({ lstat($0, &status) }) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Names in a folder, sorted; none where it cannot be read.
    private static func names(in path: String) -> [String] {
        (try? FolderNames.names(in: path)) ?? []
    }

    /// The newest run below `logs` that a checkpoint says is of this configuration and seed, planned
    /// for as many batches of as many clips, and not at its end.
    package static func unfinished(
        in logs: String, configuration: String, seed: UInt64, total: Int, end: Int,
        batchClips: Int
    ) -> RunFolder? {
        for name in names(in: logs).reversed() where !name.hasPrefix(".") {
            let folder = RunFolder("\(logs)/\(name)")
            guard folder.last.withPathBytes({ access($0, R_OK) }) == 0,
                let file = try? TorchFile(path: folder.last),
                let state = try? RunCheckpoint.state(of: file)
            else { continue }
            if state.configuration == configuration, state.seed == seed, state.total == total,
                state.batch < end, !state.isOver,
                [0, batchClips].contains(state.batchClips)
            {
                return folder
            }
        }
        return nil
    }

    /// Removes what a run that was killed left half written, in whichever folder of it.
    package func removeTemporaries() { RunFolder.removeTemporaries(in: path) }

    private static func removeTemporaries(in folder: String) {
        for name in names(in: folder) {
            let path = "\(folder)/\(name)"
            if isFolder(path) {
                removeTemporaries(in: path)
            } else if name.hasSuffix(NewFile.temporaryEnding) {
                path.withPathBytes { _ = unlink($0) }
            }
        }
    }

    /// Removes folders of runs of a name that were killed while they were made: those that nobody holds.
    private static func removeUnmade(in logs: String, name: String) {
        for found in names(in: logs)
        where found.hasPrefix(".") && found.hasSuffix(NewFile.temporaryEnding)
            && found.contains("_\(name).")
        {
            let path = "\(logs)/\(found)"
            let folder = path.withPathBytes {
                open($0, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            }
            if folder < 0 { continue }
            defer { close(folder) }
            if flock(folder, LOCK_EX | LOCK_NB) == 0 { remove(path) }
        }
    }

    /// Gives a file a second name, whatever stood there.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package func link(_ file: String, as name: String) throws {
        let temporary = "\(name).\(getpid())\(NewFile.temporaryEnding)"
        temporary.withPathBytes { _ = unlink($0) }
        let linked = file.withPathBytes { file in
            temporary.withPathBytes { Glibc.link(file, $0) }
        }
        guard linked == 0 else {
            // A file system without second names: the bytes once more.
            return try NewFile.write(name) { try RunFolder.copy(file, to: $0) }
        }
        // Renaming one name of a file onto another of it does nothing, and leaves both.
        guard RunFolder.rename(temporary, name) == 0 else {
            let problem = String(cString: strerror(errno))
            temporary.withPathBytes { _ = unlink($0) }
            throw CheckpointError.unwritable(path: name, problem: problem)
        }
        temporary.withPathBytes { _ = unlink($0) }
    }

    private static func copy(_ path: String, to output: Descriptor) throws {
        let number = path.withPathBytes { open($0, O_RDONLY | O_CLOEXEC) }
        guard number >= 0 else {
            throw CheckpointError.file(path: path, problem: String(cString: strerror(errno)))
        }
        defer { close(number) }
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = Glibc.read(number, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw CheckpointError.file(path: path, problem: String(cString: strerror(errno)))
            }
            if count == 0 { return }
            try chunk.withUnsafeBytes {
                try output.write(UnsafeRawBufferPointer(rebasing: $0[..<count]))
            }
        }
    }
}
