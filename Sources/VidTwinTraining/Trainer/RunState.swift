/// How far a run has come, and what it must remember beside weights: what a checkpoint's `vidtwin`
/// holds.
package struct RunState: Equatable, Sendable {
    /// A checkpoint that is kept for its value of the monitored term.
    package struct Kept: Equatable, Sendable {
        /// The file's name within `checkpoints`.
        package let name: String
        /// Of the monitored term, the lower the better; nil where nothing was validated yet.
        package let value: Double?

        package init(name: String, value: Double?) { (self.name, self.value) = (name, value) }
    }

    /// A term's sum over batches of an epoch.
    package struct EpochSum: Equatable, Sendable {
        package var sum: Double
        package var batches: Int

        package init(sum: Double, batches: Int) { (self.sum, self.batches) = (sum, batches) }
    }

    /// Batches done, over all epochs.
    package var batch = 0
    /// Batches of an epoch.
    package var epochBatches: Int
    /// Clips of a batch, of all processes and micro-batches; 0 where a checkpoint does not say.
    package var batchClips = 0
    /// Batches that the learning rate is planned for.
    package var total: Int
    package var seed: UInt64
    package var lecam: (real: Double, fake: Double) = (0, 0)
    /// Steps of the averaged weights.
    package var averageUpdates = 0
    /// Batches in a row without a step, as something was not finite.
    package var failures = 0
    /// The checkpoints that are kept, as they were written.
    package var kept: [Kept] = []
    /// The best value so far, and the batches done then.
    package var best: (value: Double, batch: Int)?
    /// The batches done at the last validation.
    package var validated = 0
    /// The value of the monitored term that later ones must go below, and how many validations in a row
    /// did not; nil before the first.
    package var patience: (best: Double, failures: Int)?
    /// Whether the run ended early, as the monitored term did not improve any more.
    package var isOver = false
    /// The sums of an epoch's terms so far, and how many batches had them.
    package var epochSums: [String: EpochSum] = [:]
    /// The merged configuration's text.
    package var configuration: String
    /// What the command line said beside it.
    package var options = RememberedOptions()

    package init(epochBatches: Int, total: Int, seed: UInt64, configuration: String) {
        (self.epochBatches, self.total) = (max(epochBatches, 1), total)
        (self.seed, self.configuration) = (seed, configuration)
    }

    /// The epoch of the last batch that was done, from 0.
    package var epoch: Int { batch == 0 ? 0 : (batch - 1) / epochBatches }

    /// Lightning's count: the steps of both optimizers.
    package var globalStep: Int { 2 * batch }

    /// Adds a batch's terms to the epoch's; one that is not finite is left out.
    mutating func add(_ terms: [String: Double]) {
        for (name, value) in terms where value.isFinite {
            var sum = epochSums[name] ?? EpochSum(sum: 0, batches: 0)
            sum.sum += value
            sum.batches += 1
            epochSums[name] = sum
        }
    }

    /// The means of the epoch's terms so far.
    var epochMeans: [String: Double] { epochSums.mapValues { $0.sum / Double($0.batches) } }

    package static func == (a: RunState, b: RunState) -> Bool {
        a.batch == b.batch && a.epochBatches == b.epochBatches && a.total == b.total
            && a.seed == b.seed && a.lecam == b.lecam && a.averageUpdates == b.averageUpdates
            && a.batchClips == b.batchClips && a.failures == b.failures && a.kept == b.kept
            && a.best?.value == b.best?.value
            && a.best?.batch == b.best?.batch && a.validated == b.validated
            && a.configuration == b.configuration && a.options == b.options
            && a.epochSums == b.epochSums && a.isOver == b.isOver
            && a.patience?.best == b.patience?.best
            && a.patience?.failures == b.patience?.failures
    }
}
