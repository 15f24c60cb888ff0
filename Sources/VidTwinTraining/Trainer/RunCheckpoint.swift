package import TensorFiles
import VidTwin

/// A run's checkpoint as PyTorch Lightning lays it out: everything that a run needs to go on, read
/// by `torch.load(weights_only=True)`, by the reference, by a strict resume of Lightning's, and by us.
package struct RunCheckpoint {
    package let computation: any BatchComputation
    package let generator, discriminator: Optimizer
    package let generatorSchedule, discriminatorSchedule: Schedule
    package let average: AveragedWeights?
    /// The fixed position tables of the model, in float64.
    package let tables: [(name: String, shape: [Int], values: [Double])]
    /// `loss.perceptual_loss.*`, which a strict resume of Lightning's asks for.
    package let perceptual: [(name: String, tensor: TorchTensor)]

    package init(
        computation: any BatchComputation, generator: Optimizer, discriminator: Optimizer,
        generatorSchedule: Schedule, discriminatorSchedule: Schedule, average: AveragedWeights?,
        tables: [(name: String, shape: [Int], values: [Double])],
        perceptual: [(name: String, tensor: TorchTensor)] = []
    ) {
        self.computation = computation
        (self.generator, self.discriminator) = (generator, discriminator)
        (self.generatorSchedule, self.discriminatorSchedule) = (
            generatorSchedule, discriminatorSchedule
        )
        (self.average, self.tables, self.perceptual) = (average, tables, perceptual)
    }

    /// What Lightning's version is that checkpoints claim: the one that the reference pins.
    private static let lightning = "2.2.4"

    /// Writes a `.ckpt`, under a temporary name until it is complete.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package func write(to path: String, _ state: RunState) throws {
        let value = value(state)
        try NewFile.write(path) { try TorchWriter.write(value, to: $0) }
    }

    /// The whole object.
    package func value(_ state: RunState) -> TorchValue {
        .named([
            ("epoch", .integer(state.epoch)), ("global_step", .integer(state.globalStep)),
            ("pytorch-lightning_version", .text(RunCheckpoint.lightning)),
            ("state_dict", weights),
            ("loops", LightningLoops(state).value), ("callbacks", .dictionary([])),
            (
                "optimizer_states",
                .list([
                    optimizer(generator, generatorSchedule, state.batch),
                    optimizer(discriminator, discriminatorSchedule, state.batch),
                ])
            ),
            (
                "lr_schedulers",
                .list([
                    schedule(generatorSchedule, state), schedule(discriminatorSchedule, state),
                ])
            ),
            ("vidtwin", ours(state)),
        ])
    }

    // MARK: - Parts

    private func tensor(_ parameter: Parameter) -> TorchValue {
        .tensor(TorchTensor(parameter.shape, floats: parameter.pointer))
    }

    private var weights: TorchValue {
        var pairs: [(name: String, value: TorchValue)] = []
        let model = computation.generatorParameters.filter { !$0.name.hasPrefix("loss.") }
        pairs += tables.map { ($0.name, .tensor(TorchTensor($0.shape, $0.values))) }
        pairs += model.map { ($0.name, tensor($0)) }
        let learned = computation.generatorParameters.filter { $0.name.hasPrefix("loss.") }
        pairs += learned.map { ($0.name, tensor($0)) }
        if let fixed = computation.fixedLogVariance {
            pairs.append(("loss.logvar", .tensor(TorchTensor([], [fixed]))))
        }
        pairs += perceptual.map { ($0.name, .tensor($0.tensor)) }
        pairs += computation.discriminatorParameters.map { ($0.name, tensor($0)) }
        pairs += computation.discriminatorBuffers.map { buffer in
            let tensor =
                buffer.isCount
                ? TorchTensor(buffer.shape, buffer.values.map { Int64($0) })
                : TorchTensor(buffer.shape, buffer.values)
            return (buffer.name, .tensor(tensor))
        }
        return .ordered(pairs)
    }

    private func optimizer(
        _ optimizer: Optimizer, _ schedule: Schedule, _ batch: Int
    ) -> TorchValue {
        var states: [(key: TorchValue, value: TorchValue)] = []
        for (index, state) in optimizer.states.enumerated() {
            guard let state else { continue }
            let shape = optimizer.parameters[index].shape
            let mean =
                state.mean.map { TorchTensor(shape, floats: $0.pointer) }
                ?? TorchTensor(shape, .float32) { write in
                    var values = [Float](repeating: 0, count: optimizer.parameters[index].count)
                    values.withUnsafeMutableBufferPointer {
                        if let base = $0.baseAddress { optimizer.mean(index, into: base) }
                    }
                    try values.withUnsafeBytes { try write($0) }
                }
            states.append(
                (
                    key: .integer(index),
                    value: .named([
                        ("step", .tensor(TorchTensor([], [Float(state.step)]))),
                        ("exp_avg", .tensor(mean)),
                        (
                            "exp_avg_sq",
                            .tensor(TorchTensor(shape, floats: state.square.pointer))
                        ),
                    ])
                ))
        }
        let options = optimizer.options
        let group: [(String, TorchValue)] = [
            ("lr", .float(schedule(batch))),
            ("betas", .tuple([.float(options.betas.0), .float(options.betas.1)])),
            ("eps", .float(options.epsilon)), ("weight_decay", .float(options.weightDecay)),
            ("amsgrad", .bool(false)), ("foreach", .none), ("maximize", .bool(false)),
            ("capturable", .bool(false)), ("differentiable", .bool(false)), ("fused", .none),
            ("decoupled_weight_decay", .bool(options.kind == .adamW)),
            ("initial_lr", .float(schedule.peak)),
            ("params", .list(optimizer.parameters.indices.map { .integer($0) })),
        ]
        return .named([("state", .dictionary(states)), ("param_groups", .list([.named(group)]))])
    }

    private func schedule(_ schedule: Schedule, _ state: RunState) -> TorchValue {
        let rate = TorchValue.float(schedule(state.batch))
        var pairs: [(String, TorchValue)] = []
        if case .cosine(let start, let maximum, let minimum, let warmUp, let total) = schedule {
            pairs += [
                ("verbosity_interval", .integer(0)), ("lr_warm_up_steps", .integer(warmUp)),
                ("lr_start", .float(start)), ("lr_min", .float(minimum)),
                ("lr_max", .float(maximum)), ("lr_max_decay_steps", .integer(total)),
            ]
        }
        pairs += [
            ("base_lrs", .list([.float(schedule.peak)])), ("last_epoch", .integer(state.batch)),
            ("_step_count", .integer(state.batch + 1)), ("last_lr", rate),
            ("_last_lr", .list([rate])),
        ]
        return .named(pairs)
    }

    private func ours(_ state: RunState) -> TorchValue {
        var pairs: [(String, TorchValue)] = [
            ("version", .text("\(Release.version)")), ("batch", .integer(state.batch)),
            ("epoch_batches", .integer(state.epochBatches)),
            ("batch_clips", .integer(state.batchClips)), ("total", .integer(state.total)),
            ("seed", .integer(Int(bitPattern: UInt(state.seed)))),
            ("lecam", .list([.float(state.lecam.real), .float(state.lecam.fake)])),
            ("ema_updates", .integer(state.averageUpdates)),
            ("failures", .integer(state.failures)), ("validated", .integer(state.validated)),
            (
                "kept",
                .list(
                    state.kept.map {
                        .list([.text($0.name), $0.value.map { .float($0) } ?? .none])
                    })
            ), ("config", .text(state.configuration)), ("options", state.options.value),
            (
                "epoch_sums",
                .list(
                    state.epochSums.sorted { $0.key < $1.key }.map {
                        .list([.text($0.key), .float($0.value.sum), .integer($0.value.batches)])
                    })
            ),
        ]
        if let best = state.best {
            pairs.append(("best", .list([.float(best.value), .integer(best.batch)])))
        }
        if let patience = state.patience {
            pairs.append(
                ("patience", .list([.float(patience.best), .integer(patience.failures)])))
        }
        if state.isOver { pairs.append(("is_over", .bool(true))) }
        if let average {
            pairs.append(
                (
                    "ema",
                    .named(
                        zip(average.parameters, average.values).map {
                            ($0.name, .tensor(TorchTensor($0.shape, floats: $1.pointer)))
                        })
                ))
        }
        return .named(pairs)
    }
}

/// The counters of Lightning's loops, so that it goes on where we stopped.
struct LightningLoops {
    private let state: RunState

    init(_ state: RunState) { self.state = state }

    private func counts(_ names: [String], _ values: (String) -> Int) -> TorchValue {
        .named(names.map { ($0, .integer(values($0))) })
    }

    private func progress(
        _ names: [String], total: (String) -> Int, current: (String) -> Int
    ) -> [(String, TorchValue)] {
        [("total", counts(names, total)), ("current", counts(names, current))]
    }

    private static let full = ["ready", "completed", "started", "processed"]
    private static let two = ["ready", "completed"]

    var value: TorchValue {
        let (full, two) = (LightningLoops.full, LightningLoops.two)
        let zero: (String) -> Int = { _ in 0 }
        let done = state.batch
        let inEpoch = done - state.epoch * state.epochBatches
        func zeros(_ names: [String]) -> [(String, TorchValue)] {
            progress(names, total: zero, current: zero)
        }
        let idle = TorchValue.named(zeros(full) + [("is_last_batch", .bool(false))])
        let validation = TorchValue.named([
            ("state_dict", .dictionary([])), ("batch_progress", idle),
        ])
        // The epoch has begun and is not over.
        func epochs(_ name: String) -> Int {
            name == "ready" || name == "started" ? state.epoch + 1 : state.epoch
        }
        let fit = TorchValue.named([
            ("state_dict", .dictionary([])),
            (
                "epoch_loop.state_dict", .named([("_batches_that_stepped", .integer(done))])
            ),
            (
                "epoch_loop.batch_progress",
                .named(
                    progress(full, total: { _ in done }, current: { _ in inEpoch })
                        + [("is_last_batch", .bool(inEpoch == state.epochBatches && done > 0))])
            ),
            ("epoch_loop.scheduler_progress", .named(zeros(two))),
            ("epoch_loop.automatic_optimization.state_dict", .dictionary([])),
            (
                "epoch_loop.automatic_optimization.optim_progress",
                .named([
                    (
                        "optimizer",
                        .named([
                            ("step", .named(zeros(two))),
                            ("zero_grad", .named(zeros(two + ["started"]))),
                        ])
                    )
                ])
            ), ("epoch_loop.manual_optimization.state_dict", .dictionary([])),
            (
                "epoch_loop.manual_optimization.optim_step_progress",
                .named(progress(two, total: { _ in 2 * done }, current: { _ in 2 * done }))
            ), ("epoch_loop.val_loop.state_dict", .dictionary([])),
            ("epoch_loop.val_loop.batch_progress", idle),
            ("epoch_progress", .named(progress(full, total: epochs, current: epochs))),
        ])
        return .named([
            ("fit_loop", fit), ("validate_loop", validation), ("test_loop", validation),
            (
                "predict_loop",
                .named([
                    ("state_dict", .dictionary([])), ("batch_progress", .named(zeros(full))),
                ])
            ),
        ])
    }
}
