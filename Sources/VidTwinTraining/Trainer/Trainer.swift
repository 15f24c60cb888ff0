package import VidTwin

/// Runs batches until the end, or until it is told to stop: computes, steps, logs, validates, saves.
package final class Trainer {
    /// When what happens, in batches.
    package struct Plan: Sendable {
        /// Batches that are done at the end.
        package var end: Int
        package var accumulate = 1
        package var batchSize = 1
        package var clip: Double?
        package var logEvery = 50
        /// Checkpoints with names of their own; none but after validations where nil.
        package var saveEvery: Int?
        /// Validations, counted over the whole run or within an epoch.
        package var validateEvery: Int?
        package var validatesWithinEpochs = false
        package var sanityBatches = 0
        package var monitor = "val/rec_loss"
        /// Validations in a row without a monitored term below the best, by more than `margin`, after
        /// which the run ends; never where nil.
        package var patience: Int?
        package var margin = 0.0
        /// Steps of both optimizers before the adversarial terms count.
        package var adversarialStart = 0

        package init(end: Int) { self.end = end }

        func active(_ batch: Int) -> (generator: Bool, discriminator: Bool) {
            (2 * batch >= adversarialStart, 2 * batch + 1 >= adversarialStart)
        }
    }

    /// What whoever started the run wants.
    package struct Requests {
        /// Whether to finish the batch, save and end.
        package var isStopped: () -> Bool = { false }
        /// Whether to save now; asked once a batch.
        package var takeSave: () -> Bool = { false }

        package init() {}
    }

    /// What happened, for a person.
    package enum Event {
        /// A batch is done: number, terms of the log, clips a second, share of time waited for data.
        case batch(Int, terms: [String: Double], clipsPerSecond: Double, waited: Double)
        case validated(Int, [(String, Double)], ShownClips)
        case saved(Int, path: String)
        case notice(String)
        case warning(String)
    }

    /// Batches after which processes look whether they have the same weights.
    private static let comparesEvery = 1000

    /// How a run ended.
    package enum End: Equatable { case done, stopped }

    package let plan: Plan
    package private(set) var state: RunState
    private let keeper: CheckpointKeeper
    private let data: TrainingData
    private let validation: Validation?
    /// Written by the first of several processes, as are events and checkpoints.
    private let metrics: MetricsLog?
    private let events: RunEvents?
    /// What keeps this process and others that have parts of the batches together.
    private let parallel: DataParallel?
    private let device: Device
    private let requests: Requests
    private let refuse: (_ video: String, _ problem: String) throws -> Void
    private let tell: (Event) -> Void
    /// The last validation, for the monitored term of the checkpoint that follows it.
    private var monitored: Double?
    private var unreadable: Set<String> = []
    private var since: (time: Double, clips: Int) = (0, 0)

    package init(
        _ plan: Plan, state: RunState, keeper: CheckpointKeeper, data: TrainingData,
        validation: Validation?, metrics: MetricsLog?, events: RunEvents? = nil,
        parallel: DataParallel? = nil, on device: Device,
        requests: Requests = Requests(),
        refuse: @escaping (_ video: String, _ problem: String) throws -> Void = { _, _ in },
        tell: @escaping (Event) -> Void
    ) {
        (self.plan, self.state, self.keeper, self.data) = (plan, state, keeper, data)
        (self.validation, self.metrics, self.device) = (validation, metrics, device)
        (self.requests, self.tell, self.events) = (requests, tell, events)
        (self.refuse, self.parallel) = (refuse, parallel)
    }

    private var processes: Processes? { parallel?.processes }
    /// Of the whole batch, which clips are this process's.
    private var share: BatchShare {
        BatchShare(
            rank: processes?.rank ?? 0, processes: processes?.count ?? 1, clips: plan.batchSize)
    }

    /// Whether this process, or another of the run, says so.
    private func any(_ own: Bool) -> Bool { processes?.any(own) ?? own }

    private var checkpoint: RunCheckpoint { keeper.checkpoint }

    /// Tells the logs that the program ends, with this status.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    package func finishLogs(status: Int) throws { try events?.finish(status: status) }

    /// Trains to the end.
    ///
    /// - Throws: `TrainingError.nonFinite` after three batches in a row without a step; the errors of
    ///   data and of writing. The last good checkpoint is there.
    package func run() throws -> End {
        defer { data.close() }
        try processes?.begin()
        try parallel?.compareWeights()
        if state.batch == 0, plan.sanityBatches > 0, let validation {
            _ = try validation.run(
                batches: plan.sanityBatches, active: plan.active(0), unreadable: sayUnreadable,
                isStopped: requests.isStopped)
        } else if isValidationDue {
            // The run was stopped before it could validate.
            guard try validateIfDue() else { return .stopped }
            try save(isNamed: true)
            monitored = nil
        }
        since = (monotonicSeconds(), 0)
        state.isOver = plan.patience.map { state.patience?.failures ?? 0 >= $0 } ?? false
        while state.batch < plan.end, !state.isOver {
            if any(requests.isStopped()) {
                try save(isNamed: false)
                return .stopped
            }
            // Its tensors are not claimed: what a way back keeps is estimated, not bounded.
            try device.computing(tensors: 0, scratch: 0, for: "a batch") { try batch() }
            let isValidated = try validateIfDue()
            let isNamed =
                isValidated && state.validated == state.batch
                || plan.saveEvery.map { state.batch % $0 == 0 } ?? false
            let isAskedFor = any(requests.takeSave())
            if !isValidated || isNamed || isAskedFor { try save(isNamed: isNamed) }
            if state.batch % Trainer.comparesEvery == 0 { try parallel?.compareWeights() }
            if !isValidated { return .stopped }
            monitored = nil
        }
        if state.isOver, let patience = state.patience {
            tell(
                .notice(
                    "ends after batch \(state.batch): \(plan.monitor) went below \(patience.best) in none "
                        + "of \(patience.failures) validations"))
        }
        try save(isNamed: false)
        return .done
    }

    // MARK: - A batch

    private func batch() throws {
        let b = state.batch
        let active = plan.active(b)
        let computation = checkpoint.computation
        let kept = (
            computation.lecam, computation.discriminatorBuffers.map(\.values)
        )
        checkpoint.generator.zeroGradients()
        if active.discriminator { checkpoint.discriminator.zeroGradients() }
        var (sums, counts, names): ([String: Double], [String: Int], [String]) = ([:], [:], [])
        var last: Tensor?
        let share = share
        for micro in 0..<plan.accumulate {
            let (clips, videos) = try data.next(plan.batchSize, on: device)
            names += videos
            last = clips
            if micro == plan.accumulate - 1 {
                parallel?.begin(discriminatorTrains: active.discriminator)
            }
            let terms = try computation.microBatch(
                clips, batch: b, firstClip: share.first(micro: micro),
                scale: 1 / Double(plan.accumulate * share.processes),
                generatorActive: active.generator, discriminatorActive: active.discriminator)
            for (name, value) in terms {
                sums[name, default: 0] += value
                counts[name, default: 0] += 1
            }
        }
        var terms = sums.reduce(into: [:]) { $0[$1.key] = $1.value / Double(counts[$1.key] ?? 1) }
        if let parallel {
            terms = try parallel.finish(terms)
            try data.share(parallel.processes)
        }
        terms["aeloss"] = terms["total_loss"]
        terms["discloss"] = terms["disc_loss"]
        let (generator, discriminator) = (checkpoint.generator, checkpoint.discriminator)
        terms["grad_norm_g"] = generator.gradientNorm()
        if active.discriminator { terms["grad_norm_d"] = discriminator.gradientNorm() }
        let rates = (checkpoint.generatorSchedule(b), checkpoint.discriminatorSchedule(b))
        let decisive = ["total_loss", "disc_loss", "grad_norm_g", "grad_norm_d"]
        let isFinite = decisive.allSatisfy { terms[$0]?.isFinite ?? true }
        if isFinite {
            try generator.step(
                rate: rates.0,
                scale: clipFactor(norm: terms["grad_norm_g"] ?? 0, maximum: plan.clip))
            if active.discriminator {
                try discriminator.step(
                    rate: rates.1,
                    scale: clipFactor(norm: terms["grad_norm_d"] ?? 0, maximum: plan.clip))
            }
            checkpoint.average?.update()
            state.failures = 0
        } else {
            computation.lecam = kept.0
            for (buffer, values) in zip(computation.discriminatorBuffers, kept.1) {
                buffer.values = values
            }
            state.failures += 1
        }
        state.batch += 1
        since.clips += names.count * share.processes
        try log(b, &terms, rates)
        if let last, isFinite { try events?.look(at: last, after: state, computation) }
        if !isFinite { try failed(b, names, terms) }
    }

    private func log(
        _ b: Int, _ terms: inout [String: Double], _ rates: (Double, Double)
    ) throws {
        let seconds = max(monotonicSeconds() - since.time, 1e-9)
        state.add(terms.filter { !TermNames.ours.contains($0.key) })
        if state.batch % state.epochBatches == 0 {
            try events?.epoch(
                state.batch,
                TermNames.ordered(state.epochMeans, TermNames.training, prefix: "train/"))
            state.epochSums = [:]
        }
        if state.batch % plan.logEvery == 0 {
            terms["clips_per_second"] = Double(since.clips) / seconds
            // The one that waits longest lets all wait.
            let own = data.takeWaited()
            let waited = processes?.gather([own]).map { $0[0] }.max() ?? own
            terms["wait_for_data"] = min(waited / seconds, 1)
            terms["peak_memory"] = peakMemory()
            let logged =
                TermNames.ordered(terms, TermNames.training, prefix: "train/")
                + [("lr_generator", rates.0), ("lr_discriminator", rates.1)]
            try metrics?.write(batch: b, epoch: b / state.epochBatches, logged)
            try events?.batch(state.batch, epoch: b / state.epochBatches, logged)
            since = (monotonicSeconds(), 0)
        }
        tell(
            .batch(
                b, terms: terms,
                clipsPerSecond: terms["clips_per_second"] ?? Double(since.clips) / seconds,
                waited: terms["wait_for_data"] ?? 0))
    }

    /// A batch without a step: says it, and ends the run at the third in a row.
    private func failed(_ b: Int, _ names: [String], _ terms: [String: Double]) throws {
        let names =
            try processes?.exchange(Array(names.joined(separator: "\0").utf8)).flatMap {
                String(decoding: $0, as: UTF8.self).split(separator: "\0").map(String.init)
            } ?? names
        let bad = terms.filter { !$0.value.isFinite }.map(\.key).sorted()
        let parameters =
            checkpoint.generator.nonFiniteGradients()
            + checkpoint.discriminator.nonFiniteGradients()
        var text =
            "batch \(b): not finite: \(bad.joined(separator: ", ")); no step is made; clips of "
            + names.joined(separator: ", ")
        if !parameters.isEmpty {
            text +=
                "; gradients of \(parameters.prefix(4).joined(separator: ", "))"
                + (parameters.count > 4 ? " and \(parameters.count - 4) more" : "")
        }
        tell(.warning(text))
        if state.failures >= 3 {
            processes?.failTogether()
            throw TrainingError.nonFinite(
                "three batches in a row gave losses or gradients that are not finite; the last good "
                    + "checkpoint is \(keeper.folder.last)")
        }
    }

    // MARK: - Validation and checkpoints

    private var isValidationDue: Bool {
        guard validation != nil, let every = plan.validateEvery, every > 0, state.batch > 0,
            state.validated != state.batch
        else { return false }
        let done =
            plan.validatesWithinEpochs
            ? (state.batch - 1) % state.epochBatches + 1 : state.batch
        return done % every == 0
    }

    /// Validates where it is time for that.
    ///
    /// - Returns: false where it was stopped meanwhile.
    private func validateIfDue() throws -> Bool {
        guard isValidationDue, let validation else { return true }
        let active = plan.active(state.batch - 1)
        var shown = ShownClips()
        func once(_ prefix: String) throws -> [(String, Double)]? {
            guard
                let result = try validation.run(
                    active: active, unreadable: sayUnreadable, isStopped: requests.isStopped)
            else { return nil }
            if prefix == (checkpoint.average == nil ? "val/" : "val_ema/") {
                // The page is the first one's.
                if processes?.isFirst ?? true {
                    shown = try result.extremes.shown(by: checkpoint.computation)
                }
            }
            return TermNames.ordered(result.terms, TermNames.validation, prefix: prefix)
        }
        guard var terms = try once("val/") else { return false }
        if let average = checkpoint.average {
            average.exchange()
            defer { average.exchange() }
            guard let averaged = try once("val_ema/") else { return false }
            terms += averaged
        }
        state.validated = state.batch
        monitored = terms.first { $0.0 == plan.monitor }?.1
        if monitored == nil {
            processes?.failTogether()
            throw TrainingError.data(
                "monitor: expected one of \(terms.map(\.0).joined(separator: ", ")), found "
                    + plan.monitor)
        }
        if let monitored, let patience = plan.patience {
            let best = state.patience?.best ?? .infinity
            let isBetter = monitored < best - plan.margin
            state.patience =
                isBetter ? (monitored, 0) : (best, (state.patience?.failures ?? 0) + 1)
            state.isOver = state.patience?.failures ?? 0 >= patience
        }
        try metrics?.write(batch: state.batch - 1, terms)
        try events?.validation(state.batch, terms)
        tell(.validated(state.batch - 1, terms, shown))
        since = (monotonicSeconds(), 0)
        _ = data.takeWaited()
        return true
    }

    private func save(isNamed: Bool) throws {
        // What is wrong is not saved.
        try parallel?.compareWeights()
        guard processes?.isFirst ?? true else { return }
        try keeper.save(&state, isNamed: isNamed, value: monitored)
        tell(.saved(state.batch, path: keeper.folder.last))
    }

    private func sayUnreadable(_ name: String, _ problem: String) throws {
        guard unreadable.insert(name).inserted else { return }
        try refuse(name, problem)
        tell(
            .warning("validation: \(problem.contains(name) ? "" : "\(name): ")\(problem); left out")
        )
    }
}
