import Glibc
import TensorFiles
import VidTwin

/// A checkpoint that a run goes on from.
struct ResumedRun {
    let path: String
    let file: TorchFile
    var state: RunState
    /// The folder that the run goes on in; nil where the checkpoint lies in none.
    let folder: RunFolder?
    /// Whether a run of ours wrote it.
    let isOurs: Bool
    /// Whether the configuration is another than the checkpoint's.
    private(set) var isChanged = false

    /// An unfinished run of this configuration; nil where there is none.
    init?(
        unfinished options: RunOptions, _ settings: TrainingSettings, total: Int, end: Int,
        batchClips: Int
    ) throws {
        guard
            let folder = RunFolder.unfinished(
                in: options.logs, configuration: settings.text, seed: options.seed ?? 23,
                total: total, end: end, batchClips: batchClips)
        else { return nil }
        try self.init(folder.last)
    }

    /// The one of a run's folder, or a checkpoint's file.
    init(_ resumed: String) throws {
        let found = ResumedRun.checkpoint(of: resumed)
        path = found
        file = try TorchFile(path: found)
        state = try RunCheckpoint.state(of: file)
        isOurs = file.root["vidtwin"]?["config"] != nil
        let parts = found.split(separator: "/", omittingEmptySubsequences: false)
        let isInRun = parts.count >= 2 && parts[parts.count - 2] == "checkpoints"
        let parent = parts.dropLast(2).joined(separator: "/")
        let home = parts.count == 2 ? "." : parent.isEmpty ? "/" : parent
        folder = isOurs && isInRun ? RunFolder(home) : nil
        state.options = state.options.located(below: home)
    }

    /// The checkpoint of a run's folder, or the file itself.
    static func checkpoint(of path: String) -> String {
        var status = stat()
        let isFolder =
            path.withPathBytes({ stat($0, &status) }) == 0 && status.st_mode & S_IFMT == S_IFDIR
        let trimmed = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        return isFolder ? "\(trimmed)/checkpoints/last.ckpt" : path
    }

    /// Says what differs between the checkpoint's configuration and this one, and takes this one.
    ///
    /// - Throws: `TrainingError.resume` where the weights' shapes would be others.
    mutating func adapt(
        to settings: TrainingSettings, total: Int, epochBatches: Int, batchClips: Int,
        seed: UInt64,
        _ tell: (Trainer.Event) -> Void
    ) throws {
        tell(
            .notice(
                "goes on from \(path): \(state.batch) batches are done"
                    + (folder == nil ? ", in a new folder" : "")))
        if isOurs, state.configuration != settings.text {
            isChanged = true
            let old = try ConfigurationTree(text: Array(state.configuration.utf8), path: path)
            let new = try ConfigurationTree(text: Array(settings.text.utf8), path: settings.place)
            for key in Set(old.paths + new.paths).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                let (a, b) = (old[key]?.words, new[key]?.words)
                if a != b {
                    tell(
                        .notice(
                            "\(key.joined(separator: ".")): \(a ?? "none") in the checkpoint, now "
                                + (b ?? "none")))
                }
            }
            let before = try Configuration(text: Array(state.configuration.utf8), path: path)
            if before.fingerprint != settings.model.fingerprint {
                throw TrainingError.resume(
                    "\(path): expected the configuration of the same model, found another: its shapes "
                        + "differ; ckpt_path starts a new run from weights")
            }
        }
        if isOurs, total < state.batch {
            throw TrainingError.resume(
                "\(path): \(total) batches in all: expected no fewer than the \(state.batch) that "
                    + "are done")
        }
        if isOurs, state.total != total {
            tell(
                .notice(
                    "the run was planned for \(state.total) batches, now for \(total): its learning "
                        + "rates change"))
        }
        if isOurs, state.batchClips > 0, state.batchClips != batchClips {
            tell(
                .warning(
                    "a batch had \(state.batchClips) clips and has \(batchClips) now: the order of "
                        + "clips is another"))
        } else if isOurs, state.epochBatches != epochBatches {
            tell(
                .warning(
                    "an epoch had \(state.epochBatches) batches and has \(epochBatches) now: the set "
                        + "of videos is another"))
        }
        if !isOurs {
            state.kept = []
            if state.seed != 0 || file.root["vidtwin"] == nil { state.seed = seed }
        }
        (state.total, state.epochBatches, state.seed) = (total, epochBatches, seed)
        state.configuration = settings.text
    }
}
