import ArgumentParser
import VidTwinTraining

/// A log for W&B.
struct WandbOptions: ParsableArguments {
    @Flag(
        help: ArgumentHelp(
            "Write a run for Weights & Biases, without a network or a key.",
            discussion: "wandb sync, with the folder that is said at the end, uploads it."))
    var wandb = false

    @Option(help: ArgumentHelp("Where the run will appear (vidtok).", valueName: "project"))
    var wandbProject: String?

    @Option(help: ArgumentHelp("Whose it will be (the key's).", valueName: "entity"))
    var wandbEntity: String?

    func validate() throws {
        for (name, value) in [("project", wandbProject), ("entity", wandbEntity)] {
            guard let value else { continue }
            if !wandb { throw ValidationError("--wandb-\(name) goes with --wandb") }
            if value.isEmpty || value.contains("/") {
                throw ValidationError("--wandb-\(name) \(value): expected a name without /")
            }
        }
    }

    /// Where a run appears; nil without --wandb.
    var place: WandbRun.Place? {
        guard wandb else { return nil }
        var place = WandbRun.Place()
        if let wandbProject { place.project = wandbProject }
        place.entity = wandbEntity
        return place
    }
}
