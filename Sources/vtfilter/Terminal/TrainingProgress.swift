/// Tells how far a training run has come: one line on a terminal, `key=value` lines for programs, a
/// line a log interval elsewhere.
final class TrainingProgress {
    private let total, first, epochBatches, logEvery: Int
    private let start = Clock.now
    private let showsLine: Bool
    private let file: ProgressFile?
    private var lastReport = 0.0
    private var psnr: Double?
    private var rate = 0.0, waited = 0.0
    private var last: (batch: Int, loss: Double)?

    /// Starts the clock. Shows a line where that is wanted and standard error is a terminal.
    init(
        showsLine: Bool, file: ProgressFile?, first: Int, total: Int, epochBatches: Int,
        logEvery: Int
    ) {
        (self.first, self.total, self.epochBatches) = (first, total, max(epochBatches, 1))
        (self.file, self.logEvery) = (file, logEvery)
        self.showsLine = showsLine && Progress.isTerminal
    }

    /// A batch is done.
    func did(_ batch: Int, loss: Double, clipsPerSecond: Double, waited: Double) {
        last = (batch, loss)
        let isLogged = (batch + 1) % logEvery == 0
        if isLogged || rate == 0 { (rate, self.waited) = (clipsPerSecond, waited) }
        if isLogged, !showsLine { Log.notice(words) }
        let now = Clock.now
        if now - lastReport < 0.5 { return }
        lastReport = now
        report("continue")
        if showsLine { Progress.showLine(words) }
    }

    /// The last validation's PSNR.
    func validated(psnr: Double?) { self.psnr = psnr ?? self.psnr }

    /// No more batches come.
    func end() {
        report("end")
        Progress.clearLine()
    }

    private var remaining: Double {
        guard let last, last.batch >= first else { return 0 }
        let done = Double(last.batch + 1 - first)
        return (Clock.now - start) / done * Double(max(total - last.batch - 1, 0))
    }

    private var words: String {
        guard let last else { return "" }
        var text =
            "batch \(last.batch + 1) of \(total)  epoch \(last.batch / epochBatches)  loss "
            + Clock.decimal(last.loss, digits: abs(last.loss) < 100 ? 4 : 1)
        if let psnr { text += "  PSNR \(Clock.decimal(psnr, digits: 2)) dB" }
        text +=
            "  \(Clock.decimal(rate, digits: 2)) clips/s  data wait "
            + "\(Clock.decimal(100 * waited, digits: 0)) %  ETA "
            + "\(Clock.decimal(remaining, digits: 0)) s"
        return text
    }

    private func report(_ kind: String) {
        guard let file else { return }
        var lines = ""
        if let last {
            lines +=
                "batch=\(last.batch + 1)\ntotal_batches=\(total)\n"
                + "epoch=\(last.batch / epochBatches)\n"
                + "loss=\(Clock.decimal(last.loss, digits: 6))\n"
                + "clips_per_second=\(Clock.decimal(rate, digits: 3))\n"
        }
        if let psnr { lines += "psnr=\(Clock.decimal(psnr, digits: 3))\n" }
        lines +=
            "elapsed=\(Clock.decimal(Clock.now - start, digits: 3))\n"
            + "eta=\(Clock.decimal(remaining, digits: 1))\nprogress=\(kind)\n"
        file.write(lines)
    }
}
