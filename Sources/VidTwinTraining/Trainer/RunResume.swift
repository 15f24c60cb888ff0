package import TensorFiles
import VidTwin

extension RunCheckpoint {
    /// What a checkpoint remembers of its run; the trainer needs it before anything is built.
    ///
    /// A checkpoint of the reference's has no `vidtwin`: its counters are Lightning's, its seed and
    /// configuration are not known.
    /// - Throws: `CheckpointError.malformed` where something is missing.
    package static func state(of file: TorchFile) throws -> RunState {
        func expected(_ what: String, _ place: String) -> CheckpointError {
            .malformed(
                path: file.path, place: place, expected: what, found: "none: not a run's checkpoint"
            )
        }
        guard let steps = file.root["global_step"]?.integer, steps >= 0 else {
            throw expected("the number of steps", "global_step")
        }
        let ours = file.root["vidtwin"]
        let batch = ours?["batch"]?.integer ?? steps / 2
        guard batch >= 0, batch < 1 << 40 else { throw expected("a number of batches", "batch") }
        var state = RunState(
            epochBatches: ours?["epoch_batches"]?.integer ?? batch + 1,
            total: ours?["total"]?.integer ?? 0,
            seed: ours?["seed"]?.integer.map { UInt64(UInt(bitPattern: $0)) } ?? 0,
            configuration: ours?["config"]?.text ?? "")
        state.batch = batch
        state.batchClips = ours?["batch_clips"]?.integer ?? 0
        if let items = ours?["patience"]?.items, items.count == 2, let best = items[0].number,
            let failures = items[1].integer
        {
            state.patience = (best, failures)
        }
        state.isOver = ours?["is_over"]?.bool ?? false
        for entry in ours?["epoch_sums"]?.items ?? [] {
            guard let items = entry.items, items.count == 3, let name = items[0].text,
                let sum = items[1].number, let batches = items[2].integer, batches > 0
            else { continue }
            state.epochSums[name] = RunState.EpochSum(sum: sum, batches: batches)
        }
        if let options = ours?["options"] { state.options = RememberedOptions(options) }
        if let lecam = ours?["lecam"]?.items?.compactMap(\.number), lecam.count == 2 {
            state.lecam = (lecam[0], lecam[1])
        }
        state.averageUpdates = ours?["ema_updates"]?.integer ?? 0
        state.failures = ours?["failures"]?.integer ?? 0
        state.validated = ours?["validated"]?.integer ?? 0
        state.kept = (ours?["kept"]?.items ?? []).compactMap { entry in
            guard let items = entry.items, items.count == 2, let name = items[0].text,
                !name.contains("/")
            else { return nil }
            return RunState.Kept(name: name, value: items[1].number)
        }
        if let items = ours?["best"]?.items, items.count == 2, let value = items[0].number,
            let batch = items[1].integer
        {
            state.best = (value, batch)
        }
        return state
    }

    /// Puts what a checkpoint holds beside weights into the optimizers, the averages and the
    /// computation.
    ///
    /// - Returns: what was not there, one sentence each.
    /// - Throws: `CheckpointError` where it does not fit the parameters.
    @discardableResult
    package func restore(from file: TorchFile, _ state: RunState) throws -> [String] {
        guard let states = file.root["optimizer_states"]?.items, states.count == 2 else {
            throw CheckpointError.malformed(
                path: file.path, place: "optimizer_states", expected: "those of two optimizers",
                found: "others")
        }
        try restore(generator, from: states[0], file.path)
        try restore(discriminator, from: states[1], file.path)
        computation.lecam = state.lecam
        let names = Set(computation.discriminatorBuffers.map(\.name))
        for (name, node) in file.root["state_dict"]?.named ?? [] where names.contains(name) {
            for buffer in computation.discriminatorBuffers where buffer.name == name {
                buffer.values = try checked(node, buffer.shape, file.path)
            }
        }
        guard let average else { return [] }
        guard let ema = file.root["vidtwin"]?["ema"] else {
            return ["\(file.path) holds no averaged weights: they start at the weights"]
        }
        for (parameter, buffer) in zip(average.parameters, average.values) {
            guard let node = ema[parameter.name] else {
                throw CheckpointError.missing(
                    path: file.path, name: "vidtwin.ema.\(parameter.name)")
            }
            let values = try checked(node, parameter.shape, file.path)
            buffer.pointer.update(from: values, count: values.count)
        }
        average.updates = state.averageUpdates
        return []
    }

    private func checked(_ node: TorchFile.Node, _ shape: [Int], _ path: String) throws -> [Float] {
        let found = try node.shape()
        guard found == shape else {
            throw CheckpointError.malformed(
                path: path, place: node.place, expected: "a tensor of shape \(shape)",
                found: found.map { "\($0)" } ?? "another value")
        }
        return try node.floats()
    }

    private func restore(
        _ optimizer: Optimizer, from node: TorchFile.Node, _ path: String
    ) throws {
        let count = optimizer.parameters.count
        guard let groups = node["param_groups"]?.items, groups.count == 1,
            let parameters = groups[0]["params"]?.items, parameters.count == count
        else {
            throw CheckpointError.malformed(
                path: path, place: "\(node.place).param_groups",
                expected: "one group of \(count) parameters", found: "others")
        }
        for (index, entry) in node["state"]?.numbered ?? [] {
            guard optimizer.parameters.indices.contains(index) else {
                throw CheckpointError.malformed(
                    path: path, place: entry.place, expected: "a parameter below \(count)",
                    found: "\(index)")
            }
            let shape = optimizer.parameters[index].shape
            guard let step = entry["step"], let mean = entry["exp_avg"],
                let square = entry["exp_avg_sq"]
            else {
                throw CheckpointError.malformed(
                    path: path, place: entry.place, expected: "step, exp_avg, exp_avg_sq",
                    found: "others")
            }
            let steps = try step.number ?? step.floats().first.map(Double.init) ?? -1
            guard steps >= 0, steps < 1e15 else {
                throw CheckpointError.malformed(
                    path: path, place: step.place, expected: "a number of steps",
                    found: "\(steps)")
            }
            try optimizer.restore(
                index, step: Int(steps), mean: try checked(mean, shape, path),
                square: try checked(square, shape, path))
        }
    }
}
