import Glibc
import TensorFiles
import VidTwin
import VidTwinTraining

/// Keeps `RUN/report.html`: renewed after each validation and at the run's end.
final class TrainingPage {
    private let settings: TrainingSettings
    private let run: TrainingRun
    private let curves: TrainingCurves
    private var validated: Int?
    private var worst: [ClipFilms] = []
    private var best: [ClipFilms] = []

    init(_ settings: TrainingSettings, _ run: TrainingRun) {
        (self.settings, self.run) = (settings, run)
        let plan = run.trainer.plan
        curves = TrainingCurves(
            run.folder.metrics, clipsOfBatch: plan.batchSize * plan.accumulate)
    }

    /// Takes the clips of a validation.
    ///
    /// - Throws: `VideoIOError` where the libraries fail.
    func show(_ clips: ShownClips, after batch: Int) throws {
        (worst, best) = (try clips.worst.map(ClipFilms.init), try clips.best.map(ClipFilms.init))
        validated = batch
    }

    /// Whether the page of an earlier part of the run shows more than this one can.
    private var isOlderBetter: Bool {
        validated == nil && run.trainer.state.validated > 0
            && run.folder.report.withPathBytes { access($0, F_OK) == 0 }
    }

    /// Writes the page in place of the one before.
    ///
    /// - Throws: `CheckpointError.unwritable`.
    func write() throws {
        if isOlderBetter { return }
        curves.update()
        let (trainer, facts) = (run.trainer, TrainingFacts(settings, run))
        let page = TrainingReport(
            name: run.folder.path.split(separator: "/").last.map(String.init) ?? "run",
            time: Clock.localTime, weights: run.weightCount, precision: facts.precision,
            batch: trainer.state.batch, total: trainer.plan.end,
            epochBatches: trainer.state.epochBatches,
            clipsOfBatch: trainer.plan.batchSize * trainer.plan.accumulate,
            monitor: trainer.plan.monitor, best: trainer.state.best,
            discriminatorStart: facts.discriminatorStart, curves: curves, settings: facts.rows,
            configuration: settings.text, refused: run.refused, validated: validated,
            worstClips: worst, bestClips: best, clipSeconds: facts.clipSeconds,
            hasLPIPS: facts.hasLPIPS)
        try NewFile.write(page.html.markup, to: run.folder.report)
    }
}
