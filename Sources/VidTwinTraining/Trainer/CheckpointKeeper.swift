import Glibc
import TensorFiles

/// Writes a run's checkpoints and keeps the best of them. What is good is never destroyed: a file gets
/// its name when it is complete, and old ones are dropped after that.
package struct CheckpointKeeper {
    package let folder: RunFolder
    package let checkpoint: RunCheckpoint
    /// How many are kept beside the last; negative keeps all.
    package let keep: Int
    /// Whether there is a validation that values checkpoints.
    package let isValidated: Bool

    package init(
        _ folder: RunFolder, _ checkpoint: RunCheckpoint, keep: Int, isValidated: Bool
    ) {
        (self.folder, self.checkpoint) = (folder, checkpoint)
        (self.keep, self.isValidated) = (keep, isValidated)
    }

    /// Saves the state as `last.ckpt` and, with `isNamed`, under a name of its own; `value` is that of
    /// the monitored term where this very state was validated.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package func save(_ state: inout RunState, isNamed: Bool, value: Double?) throws {
        state.lecam = checkpoint.computation.lecam
        state.averageUpdates = checkpoint.average?.updates ?? 0
        var isBest = !isValidated || state.best == nil
        if let value, value.isFinite, value < state.best?.value ?? .infinity {
            state.best = (value, state.batch)
            isBest = true
        }
        let (epoch, step) = (String(state.epoch), String(state.globalStep))
        let name =
            "epoch=\(padded(epoch, 4))-step=\(padded(step, 8)).ckpt"
        var dropped: [String] = []
        if isNamed, keep != 0 {
            state.kept.removeAll { $0.name == name }
            state.kept.append(RunState.Kept(name: name, value: value))
            while keep > 0, state.kept.count > keep {
                dropped.append(state.kept.remove(at: worst(state.kept)).name)
            }
        }
        let isKept = state.kept.last?.name == name && isNamed
        let path = isKept ? "\(folder.checkpoints)/\(name)" : folder.last
        // Weights first: a checkpoint without them would not be whole.
        let weights = String(path.dropLast("ckpt".count)) + "safetensors"
        try checkpoint.writeModel(to: weights, state)
        try checkpoint.write(to: path, state)
        if isKept {
            try folder.link(weights, as: "\(folder.checkpoints)/last.safetensors")
            try folder.link(path, as: folder.last)
        }
        if isBest { try folder.link(weights, as: folder.model) }
        for name in dropped where !state.kept.contains(where: { $0.name == name }) {
            "\(folder.checkpoints)/\(name)".withPathBytes { _ = unlink($0) }
            "\(folder.checkpoints)/\(name.dropLast("ckpt".count))safetensors"
                .withPathBytes { _ = unlink($0) }
        }
    }

    /// Which of the kept ones goes first: the oldest that was not validated, then the highest value.
    private func worst(_ kept: [RunState.Kept]) -> Int {
        if let index = kept.firstIndex(where: { $0.value == nil }) { return index }
        return kept.indices.max { (kept[$0].value ?? 0, -$0) < (kept[$1].value ?? 0, -$1) } ?? 0
    }

    private func padded(_ text: String, _ width: Int) -> String {
        String(repeating: "0", count: max(width - text.count, 0)) + text
    }
}
