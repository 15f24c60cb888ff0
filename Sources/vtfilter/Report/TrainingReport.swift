import VidTwin
import VidTwinTraining

/// The page of a run: how far it came, its curves, what its best and worst clips look like.
struct TrainingReport {
    /// The run's folder, without those above it.
    let name: String
    /// When the page was made, local time.
    let time: String
    let weights: Int
    let precision: String
    /// Batches that are done, and of the whole run.
    let batch, total: Int
    let epochBatches, clipsOfBatch: Int
    let monitor: String
    let best: (value: Double, batch: Int)?
    /// The first batch in which the discriminator trains.
    let discriminatorStart: Int
    let curves: TrainingCurves
    let settings: [(name: String, value: String)]
    /// The merged configuration.
    let configuration: String
    let refused: RefusedVideos
    /// The batches done at the validation that the pictures are of; nil without one.
    let validated: Int?
    let worstClips, bestClips: [ClipFilms]
    /// Seconds that a clip lasts.
    let clipSeconds: Double
    let hasLPIPS: Bool

    /// Most characters of the configuration that are shown.
    private static let mostConfiguration = 1 << 16

    var html: HTML {
        ReportPage(
            title: "VidTwin training: \(name)", heading: "\(name)", subtitle: "\(subtitle)",
            body: [cards, refusedVideos, validationCurves, clips, trainingCurves, about]
                .joined(separator: "\n")
        ).html
    }

    private var subtitle: String {
        let size = Clock.decimal(Double(weights) / 1e6, digits: 1)
        return "Training of \(size) M weights in \(precision): \(batch) of \(total) batches, "
            + "by vtfilter \(VTFilter.version), as of \(time)"
    }

    // MARK: - Numbers

    /// Whether weights are averaged, so that the model that is kept has scores of its own.
    private var isAveraged: Bool { curves["val_ema/psnr"].last != nil }

    private func scores(_ term: String) -> CurveSeries {
        curves[isAveraged ? "val_ema/\(term)" : "val/\(term)"]
    }

    private func card(
        _ name: String, _ term: String, unit: String, digits: Int, isUp: Bool
    ) -> HTML {
        let series = scores(term)
        guard let last = series.last, let range = series.range,
            let first = series.points.first?.value
        else { return "" }
        func text(_ value: Double) -> String { Clock.decimal(value, digits: digits) }
        var lines = [
            ("best", text(isUp ? range.upperBound : range.lowerBound)), ("first", text(first)),
        ]
        if isAveraged, let plain = curves["val/\(term)"].last {
            lines.insert(("without averaging", text(plain)), at: 0)
        }
        return ReportPage.card(
            "\(name) <span>\(isUp ? "higher" : "lower") is better</span>", text(last), unit: unit,
            note: "last validation\(isAveraged ? ", averaged weights" : "")", lines)
    }

    private var cards: HTML {
        var out: HTML = "<div class=cards>"
        out += card("PSNR", "psnr", unit: "dB", digits: 2, isUp: true)
        out += card("SSIM", "ssim", unit: "", digits: 4, isUp: true)
        if hasLPIPS { out += card("LPIPS", "p_loss", unit: "", digits: 4, isUp: false) }
        let hours = curves.seconds / 3600
        var lines = [
            ("batches", "\(batch) of \(total)"),
            ("epochs", Clock.decimal(Double(batch) / Double(epochBatches), digits: 2)),
            ("clips seen", "\(batch * clipsOfBatch)"),
            ("hours", Clock.decimal(hours, digits: hours < 10 ? 3 : 1)),
        ]
        if let rate = curves["train/clips_per_second"].last {
            lines.append(("clips a second", Clock.format(rate)))
        }
        if let waited = curves["train/wait_for_data"].last {
            lines.append(("waiting for data", "\(Clock.decimal(100 * waited, digits: 1)) %"))
        }
        if let memory = curves["train/peak_memory"].last {
            lines.append(("most memory", "\(Clock.decimal(memory / 1e9, digits: 2)) GB"))
        }
        if let best {
            lines.append(
                ("best \(monitor)", "\(Clock.decimal(best.value, digits: 5)) (batch \(best.batch))")
            )
        }
        out += ReportPage.card(
            "Progress", Clock.decimal(100 * Double(batch) / Double(max(total, 1)), digits: 0),
            unit: "%", note: "of all batches", lines)
        return out + "</div>"
    }

    private var refusedVideos: HTML {
        if refused.count == 0 { return "" }
        let items = refused.entries.map { entry -> HTML in
            let words =
                entry.problem.contains(entry.video)
                ? entry.problem : "\(entry.video): \(entry.problem)"
            return "<li>\(entry.part): \(words)</li>"
        }.joined()
        let rest = refused.count - refused.entries.count
        let more: HTML = rest > 0 ? "<li>and \(rest) more, in refused.csv</li>" : ""
        return "<section class=trouble><h2>Refused data: \(refused.count) "
            + "video\(refused.count == 1 ? "" : "s")</h2><ul>\(items)\(more)</ul></section>"
    }

    // MARK: - Curves

    private func lines(_ title: String, _ note: String, unit: String = "") -> ReportLines {
        ReportLines(
            title: title, note: note, unit: unit, lastBatch: max(batch, curves.lastBatch),
            mark: ReportLines.Mark(batch: discriminatorStart, words: "discriminator starts"))
    }

    private func validated(_ term: String) -> [ReportLines.Line] {
        let plain = ReportLines.Line("as trained", curves["val/\(term)"])
        return isAveraged
            ? [ReportLines.Line("averaged", curves["val_ema/\(term)"]), plain] : [plain]
    }

    private var validationCurves: HTML {
        let title: HTML = "<h2>Validation</h2>"
        if curves["val/psnr"].points.isEmpty {
            return title + "<p class=soft>Nothing was validated yet.</p>"
        }
        let (up, down) = ("higher is better", "lower is better")
        var out = title + "<div class=charts>"
        out += lines("PSNR", up, unit: "dB").html(validated("psnr"))
        out += lines("SSIM", up).html(validated("ssim"))
        if hasLPIPS { out += lines("LPIPS", down).html(validated("p_loss")) }
        out += lines("reconstruction loss", down).html(validated("rec_loss"))
        return out + "</div>"
    }

    private var trainingCurves: HTML {
        func line(_ name: String, _ term: String) -> ReportLines.Line {
            ReportLines.Line(name, curves["train/\(term)"])
        }
        var out: HTML = "<h2>Training</h2><div class=charts>"
        out += lines("total loss", "generator").html([line("total", "total_loss")])
        out += lines("reconstruction loss", "with LPIPS, where it has a weight").html(
            [line("reconstruction", "rec_loss")])
        if hasLPIPS { out += lines("LPIPS", "of training clips").html([line("LPIPS", "p_loss")]) }
        out += lines("KL", "a clip").html([line("KL", "kl_loss")])
        out += lines("learning rates", "").html([
            ReportLines.Line("generator", curves["lr_generator"]),
            ReportLines.Line("discriminator", curves["lr_discriminator"]),
        ])
        out += lines("gradient norm", "generator, before clipping").html([
            line("norm", "grad_norm_g")
        ])
        out += lines("gradient norm", "discriminator, before clipping").html([
            line("norm", "grad_norm_d")
        ])
        out += lines("adversarial losses", "").html([
            line("generator", "g_loss"), line("discriminator", "disc_loss"),
        ])
        out += lines("logits", "of the discriminator").html([
            line("real", "logits_real"), line("reconstructed", "logits_fake"),
        ])
        out += lines("speed", "", unit: "clips a second").html([line("speed", "clips_per_second")])
        out += lines("waiting for data", "part of the time").html([line("waiting", "wait_for_data")]
        )
        return out + "</div>"
    }

    // MARK: - Clips

    private var clips: HTML {
        guard let validated, !bestClips.isEmpty else { return "" }
        var out: HTML = "<h2>Best and worst clips of the validation after batch \(validated)</h2>"
        out += "<p class=soft>A touch stops the pictures, another one lets them go on.</p>"
        for (title, clips) in [("Worst by PSNR", worstClips), ("Best by PSNR", bestClips)]
        where !clips.isEmpty {
            out += "<h3>\(title)</h3><div class=clips>"
            out += clips.map(figure).joined() + "</div>"
        }
        return out
    }

    private func figure(_ clip: ClipFilms) -> HTML {
        let films = clip.films.map { film -> HTML in
            "<span><i>\(film.name)</i><span class=film style=\"aspect-ratio:\(film.width)/\(film.height)\">"
                + "<img alt=\"\(film.name)\" src=\"\(ReportPage.source(film.jpeg))\"></span></span>"
        }.joined()
        let frames = clip.films.first?.frames ?? 1
        let scores =
            "PSNR \(Clock.format(clip.psnr)) dB · SSIM \(Clock.decimal(clip.ssim, digits: 4))"
        return
            "<figure class=moment><button class=films aria-pressed=false aria-label=\"stop or go on\" "
            + "style=\"--frames:\(frames);--time:\(Clock.decimal(clipSeconds, digits: 3))s\">\(films)"
            + "</button><figcaption>\(clip.name)<br>\(scores)</figcaption></figure>"
    }

    // MARK: - Settings

    private var about: HTML {
        let rows = settings.map { row -> HTML in
            "<dt>\(row.name)</dt><dd>\(row.value)</dd>"
        }.joined()
        let shown = configuration.prefix(TrainingReport.mostConfiguration)
        let text = shown.split(separator: "\n", omittingEmptySubsequences: false)
            .map { line -> HTML in "\(String(line))" }.joined(separator: "\n")
        let rest: HTML = shown.count < configuration.count ? "\n…" : ""
        return "<h2>Settings</h2><dl class=\"about card\">\(rows)</dl><details>"
            + "<summary>config.yaml</summary><pre>\(text)\(rest)</pre></details>"
    }
}
