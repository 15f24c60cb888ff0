package import VidTwin

/// What a run is told beside its configuration.
package struct RunOptions {
    /// Whether blocks keep their input alone and are computed again on the way back.
    package enum Recomputing: String, CaseIterable, Sendable { case auto, on, off }

    /// Where run folders are made.
    package var logs = "logs"
    /// The run's name, in its folder's.
    package var name = "run"
    /// A run's folder or a checkpoint to go on from.
    package var resume: String?
    /// The seed; 23, or the resumed run's, where nil.
    package var seed: UInt64?
    /// Batches of the whole run; the configuration's epochs where nil.
    package var steps: Int?
    /// Files with the weights of LPIPS.
    package var lpips: [String] = []
    package var allowsPartial = false
    package var recomputing = Recomputing.auto
    /// The configuration's where nil.
    package var precision: Precision?
    package var threads: Int?
    package var writesLossWeights = true
    package var maximumBad = 0.01
    package var minimumFrames = 0

    package init() {}
}
