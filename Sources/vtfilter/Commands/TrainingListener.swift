import VidTwinTraining

/// Passes on what a run says, and remembers what the table at its end shows.
final class TrainingListener {
    var progress: TrainingProgress?
    var page: TrainingPage?
    private var isPageDue = false
    private var loss: Double?
    private var validation: [(String, Double)] = []

    func heard(_ event: Trainer.Event) {
        switch event {
        case .batch(let batch, let terms, let rate, let waited):
            loss = terms["total_loss"]
            progress?.did(
                batch, loss: loss ?? .nan, clipsPerSecond: rate, waited: waited)
        case .validated(let batch, let terms, let clips):
            validation = terms
            renewPage { try $0.show(clips, after: batch + 1) }
            isPageDue = true
            progress?.validated(psnr: terms.first { $0.0 == "val/psnr" }?.1)
            Log.notice(
                "validation after batch \(batch + 1): "
                    + terms.filter { $0.0.hasSuffix("loss") || $0.0.hasSuffix("psnr") }
                    .map { "\($0.0) \(Clock.decimal($0.1, digits: 4))" }
                    .joined(separator: ", "))
        case .saved(let batch, let path):
            Log.debug("saved after batch \(batch): \(path)")
            // Not before: it says which checkpoint is the best.
            if isPageDue { renewPage { try $0.write() } }
            isPageDue = false
        case .notice(let text): Log.notice(text)
        case .warning(let text): Log.warning(text)
        }
    }

    /// The run is at its end, or stopped.
    func ended() { renewPage { try $0.write() } }

    /// A page that cannot be made ends no run.
    private func renewPage(_ body: (TrainingPage) throws -> Void) {
        guard let page else { return }
        do { try body(page) } catch { Log.warning("report.html: \(error)") }
    }

    /// What was reached, and the command that uses it.
    func table(_ run: TrainingRun, seconds: Double, batches: Int) -> String {
        let state = run.trainer.state
        var rows = [
            ("batches", "\(state.batch) (\(batches) in \(Clock.decimal(seconds, digits: 1)) s)"),
            (
                "epochs",
                Clock.decimal(
                    Double(state.batch) / Double(state.epochBatches), digits: 2)
            ),
        ]
        if let loss { rows.append(("loss of the last batch", Clock.decimal(loss, digits: 4))) }
        if let best = state.best {
            rows.append(
                (
                    "best \(run.trainer.plan.monitor)",
                    "\(Clock.decimal(best.value, digits: 6)) after batch \(best.batch)"
                ))
        }
        rows += validation.filter { $0.0.hasSuffix("psnr") || $0.0.hasSuffix("ssim") }.map {
            ("last \($0.0)", Clock.decimal($0.1, digits: 4))
        }
        rows.append(("checkpoint", run.folder.last))
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map {
            $0.0 + String(repeating: " ", count: width + 2 - $0.0.count) + $0.1
        }.joined(separator: "\n")
            + "\n\nvtfilter reconstruct --model \(run.folder.path) -i IN -o OUT"
            + (run.wandbFolder.map { "\nwandb sync \($0)" } ?? "")
    }
}
