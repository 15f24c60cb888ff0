import VidTwin
import VidTwinTraining

/// What a run was told, in words for its page.
struct TrainingFacts {
    private let settings: TrainingSettings
    private let run: TrainingRun

    init(_ settings: TrainingSettings, _ run: TrainingRun) {
        (self.settings, self.run) = (settings, run)
    }

    private var options: RememberedOptions { run.trainer.state.options }

    /// The precision of products.
    var precision: String { (options.precision ?? settings.precision).rawValue }

    /// The first batch in which the discriminator trains.
    var discriminatorStart: Int { settings.loss.adversarialStart / 2 }

    /// Whether LPIPS is a part of the loss.
    var hasLPIPS: Bool {
        settings.loss.perceptualWeight > 0 && !(options.lpips ?? []).isEmpty
    }

    /// Seconds that a clip lasts.
    var clipSeconds: Double {
        let format = settings.training.options.format
        return Double(format.frames) / format.rate.value
    }

    /// Names and values.
    var rows: [(name: String, value: String)] {
        let (plan, loss) = (run.trainer.plan, settings.loss)
        let format = settings.training.options.format
        var rows: [(name: String, value: String)] = [
            (
                "model",
                "\(run.weightCount) weights, clips of \(format.frames) × \(format.height) × "
                    + "\(format.width) at \(format.rate) frames a second"
            ),
            ("start", settings.start ?? settings.initialisation.rawValue),
            ("training data", words(settings.training)),
            ("validation data", settings.validation.map(words) ?? "none"),
            (
                "batch",
                "\(plan.batchSize) clips"
                    + (plan.accumulate > 1 ? " × \(plan.accumulate) micro-batches" : "")
                    + ", \(run.trainer.state.epochBatches) batches an epoch"
            ),
            ("precision", precision), ("threads", "\(run.device.threads)"),
            ("seed", "\(run.trainer.state.seed)"),
            (
                "optimizers",
                "\(settings.optimizer.kind.rawValue), betas \(number(settings.optimizer.betas.0)), "
                    + "\(number(settings.optimizer.betas.1)), decay \(number(settings.optimizer.weightDecay))"
                    + (plan.clip.map { ", gradients clipped at \(number($0))" } ?? "")
            ),
            ("learning rate, generator", words(settings.generatorRate)),
            ("learning rate, discriminator", words(settings.discriminatorRate)),
            (
                "loss",
                "\(loss.pixelLoss.rawValue.uppercased()), LPIPS × \(number(loss.perceptualWeight)), KL × "
                    + "\(number(loss.klWeight)), adversarial × \(number(loss.adversarialWeight))"
                    + (loss.learnsLogVariance ? ", log-variance learned" : "")
            ),
            (
                "LPIPS",
                hasLPIPS
                    ? (options.lpips ?? []).joined(separator: ", ")
                    : "left out: no weight in the loss, or no files (--lpips)"
            ),
            (
                "discriminator",
                "\(loss.discriminatorKind.rawValue), \(loss.discriminatorLoss.rawValue), trains from batch "
                    + "\(discriminatorStart) on"
            ),
            (
                "averaged weights",
                settings.averageDecay.map { "decay \(number($0))" } ?? "none"
            ),
        ]
        if let augmentations = options.augmentations {
            rows.append(("augmentations", "\(augmentations)"))
        }
        return rows
    }

    private func number(_ value: Double) -> String { MetricsLog.number(value) }

    private func words(_ videos: TrainingSettings.Videos) -> String {
        videos.folder + (videos.list.map { ", those of \($0)" } ?? "")
    }

    private func words(_ rate: TrainingSettings.Rate) -> String {
        let schedule = rate.schedule(total: run.trainer.state.total)
        let (peak, warmUp) = (number(schedule.peak), schedule.warmUp)
        let start = "up to \(peak) in \(warmUp) batches"
        switch schedule {
        case .cosine(_, _, let minimum, _, let total):
            return "\(start), along a cosine to \(number(minimum)) at batch \(total)"
        case .linear(_, _, let total): return "\(start), in a line to 0 at batch \(total)"
        case .constant: return "\(start), then constant"
        case .inverseRoot: return "\(start), then with the inverse root of the batch"
        }
    }
}
