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
    /// What a run that goes on is told only once.
    package var remembered = RememberedOptions()
    package var allowsPartial = false
    package var recomputing = Recomputing.auto
    package var threads: Int?
    /// The processes of the run, where there are several.
    package var processes: Processes?
    /// Whether TensorBoard's files and pictures are written.
    package var writesEvents = true
    /// Where W&B shows the run, for which a log is written; nil without.
    package var wandb: WandbRun.Place?

    package init() {}

    /// Files with the weights of LPIPS.
    var lpips: [String] { remembered.lpips ?? [] }
    var writesLossWeights: Bool { remembered.writesLossWeights ?? true }
}
