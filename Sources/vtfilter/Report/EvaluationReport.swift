import TensorFiles
import VidTwin

/// The page of an evaluation.
struct EvaluationReport {
    let document: EvaluationDocument
    let moments: Moments

    var html: HTML {
        ReportPage(
            title: "VidTwin evaluation: \(title)", heading: "\(title)", subtitle: "\(subtitle)",
            body: [
                cards, failures, momentSections, distributions, videoTable, curves, about,
            ].joined(separator: "\n")
        ).html
    }

    // MARK: - What is shown

    private struct Metric {
        let name: String
        let unit: String
        let better: String
        let digits: Int
        let value: (FrameScore) -> Double?

        var chart: ReportChart {
            ReportChart(
                name: name, note: unit.isEmpty ? better : "\(unit), \(better)", digits: digits)
        }

        func text(_ score: FrameScore?) -> String {
            score.flatMap(value).map { Clock.decimal($0, digits: digits) } ?? "–"
        }
    }

    private var metrics: [Metric] {
        let (up, down) = ("higher is better", "lower is better")
        var all = [
            Metric(name: "PSNR", unit: "dB", better: up, digits: 2) { $0.psnr },
            Metric(name: "SSIM", unit: "", better: up, digits: 4) { $0.ssim },
        ]
        if !document.lpips.isEmpty {
            all.append(Metric(name: "LPIPS", unit: "", better: down, digits: 4) { $0.lpips })
        }
        return all
    }

    private var frames: [FrameScore] { document.videos.flatMap(\.frames) }

    /// What the two pictures of a moment are.
    private var sides: (String, String) {
        document.model == nil ? ("reference", "distorted") : ("input", "reconstruction")
    }

    private var title: String {
        if let model = document.model {
            let parts = model.checkpoint.split(separator: "/").map(String.init)
            // A folder's name tells more than model.safetensors.
            let generic = parts.last?.hasPrefix("model.") ?? false
            return generic ? parts.dropLast().last ?? "model" : parts.last ?? "model"
        }
        let distorted = document.videos.first?.name ?? "video"
        return "\(distorted) beside \(document.options.reference ?? "its reference")"
    }

    private var subtitle: String {
        func count(_ number: Int, _ word: String) -> String {
            "\(number) \(word)\(number == 1 ? "" : "s")"
        }
        let rate = document.options.sampleFPS.map { "\($0) frames a second" } ?? "every frame"
        let limit = document.options.frames.map { ", at most \($0) a video" } ?? ""
        let what = document.model == nil ? "Comparison" : "Reconstruction"
        let precision = document.model.map { " in \($0.precision)" } ?? ""
        return "\(what)\(precision) of \(count(document.videos.count, "video")), "
            + "\(count(frames.count, "frame")) (\(rate)\(limit)), by vtfilter \(document.version)"
    }

    // MARK: - Parts

    private var cards: HTML {
        let scores = frames
        var out: HTML = "<div class=cards>"
        for metric in metrics {
            let values = scores.compactMap(metric.value)
            func number(_ value: Double?) -> String {
                value.map { Clock.decimal($0, digits: metric.digits) } ?? "–"
            }
            out += ReportPage.card(
                "\(metric.name) <span>\(metric.better)</span>",
                metric.text(document.pooled.overVideos), unit: metric.unit,
                note: "mean over videos",
                [
                    ("over clips, as published", metric.text(document.pooled.overClips)),
                    ("over frames", metric.text(document.pooled.overFrames)),
                    ("lowest frame", number(values.min())),
                    ("highest frame", number(values.max())),
                ])
        }
        if let model = document.model {
            let ratio = Clock.decimal(1 / max(model.compressionRate, 1e-9), digits: 0)
            let millions = Clock.decimal(Double(model.weights) / 1e6, digits: 1)
            out += ReportPage.card(
                "Compression", Clock.decimal(100 * model.compressionRate, digits: 3), unit: "%",
                note: "of the numbers in a clip",
                [
                    ("numbers a clip", "\(model.latentNumbersPerClip)"),
                    ("ratio", "1 : \(ratio)"), ("latents", document.options.latents ?? "mean"),
                    ("weights", "\(millions) M"),
                ])
        }
        return out + "</div>"
    }

    private var failures: HTML {
        if document.failures.isEmpty && document.notes.isEmpty { return "" }
        let items =
            document.failures.map(\.line) + document.notes
        let title = document.failures.isEmpty ? "Note" : "Not evaluated"
        let list = items.map { item -> HTML in "<li>\(item)</li>" }.joined()
        return "<section class=trouble><h2>\(title)</h2><ul>\(list)</ul></section>"
    }

    private var distributions: HTML {
        let scores = frames
        if scores.isEmpty { return "" }
        let charts = metrics.map {
            $0.chart.histogram(scores.compactMap($0.value), unit: $0.unit)
        }.joined()
        return "<h2>Distribution over frames</h2><div class=charts>\(charts)</div>"
    }

    private var momentSections: HTML {
        if document.videos.isEmpty { return "" }
        var out: HTML = "<h2>Worst and best moments</h2>"
        if moments.isEmpty {
            return out + "<p class=soft>No pictures: this page was put together from JSON files, "
                + "which hold numbers only.</p>"
        }
        let names = metrics.map(\.name)
        out += "<div class=by role=group aria-label=\"moments by\"><span class=soft>by</span>"
        out += names.map { name -> HTML in
            "<button value=\(name) aria-pressed=\(name == names.first)>\(name)</button>"
        }.joined()
        out += "</div>"
        for metric in metrics {
            let hidden = metric.name == names.first ? "" : " hidden"
            out += "<div class=moments data-metric=\"\(metric.name)\"\(hidden)>"
            for isWorst in [true, false] {
                let title = isWorst ? "Worst" : "Best"
                let list = moments.moments(.init(metric: metric.name, isWorst: isWorst))
                out += "<h3>\(title) by \(metric.name)</h3><div class=pictures>"
                out += list.map { figure($0, by: metric.name) }.joined() + "</div>"
            }
            out += "</div>"
        }
        return out
    }

    private func figure(_ moment: Moment, by metric: String) -> HTML {
        let titles = [sides.0, sides.1, "difference ×2"]
        let pictures = zip(moment.pictures, titles).map { jpeg, title -> HTML in
            "<span><i>\(title)</i><img alt=\"\(title)\" src=\"\(ReportPage.source(jpeg))\"></span>"
        }.joined()
        let scores = metrics.map { one -> HTML in
            let text: HTML =
                "\(one.name) \(one.text(moment.score))\(one.unit.isEmpty ? "" : " \(one.unit)")"
            return one.name == metric ? "<b>\(text)</b>" : text
        }.joined(separator: " · ")
        return "<figure class=moment><button class=triple aria-expanded=false "
            + "aria-label=\"larger\">\(pictures)</button><figcaption>"
            + "\(moment.video), frame \(moment.frame)\(time(moment.frame))<br>\(scores)"
            + "</figcaption></figure>"
    }

    /// When a sampled frame is shown.
    private func time(_ frame: Int) -> String {
        guard
            let parts = document.options.sampleFPS?.split(separator: "/").compactMap({ Double($0) }
            ),
            let first = parts.first, first > 0
        else { return "" }
        let rate = parts.count > 1 ? first / parts[1] : first
        return " (\(Clock.format(Double(frame) / rate)) s)"
    }

    private var videoTable: HTML {
        if document.videos.isEmpty { return "" }
        let scores = frames.map(\.psnr)
        let range = (scores.min() ?? 0)...(scores.max() ?? 0)
        var out: HTML = "<h2>Videos</h2><div class=\"card scroll\" style=\"padding:0\">"
        out += "<table class=sortable><thead><tr>"
        out += "<th><button>video</button></th><th class=n><button>frames</button></th>"
        out += metrics.map { one -> HTML in
            let unit = one.unit.isEmpty ? "" : ", \(one.unit)"
            return "<th class=n><button>\(one.name)\(unit)</button></th>"
        }.joined()
        out += "<th class=line>PSNR, frame by frame</th></tr></thead><tbody>"
        for (index, video) in document.videos.enumerated() {
            let mean = video.mean
            out += "<tr><td data-value=\"\(video.name)\"><a href=\"#v\(index)\">"
            out += "\(video.name)</a></td>"
            out += "<td class=n data-value=\"\(video.frames.count)\">\(video.frames.count)</td>"
            for metric in metrics {
                let value = mean.flatMap(metric.value).map { "\($0)" } ?? ""
                out += "<td class=n data-value=\"\(value)\">\(metric.text(mean))</td>"
            }
            out += "<td class=line>" + ReportChart.spark(video.frames.map(\.psnr), in: range)
            out += "</td></tr>"
        }
        return out + "</tbody></table></div>"
    }

    private var curves: HTML {
        if document.videos.isEmpty { return "" }
        var out: HTML = "<h2>Frame by frame</h2>"
        for (index, video) in document.videos.enumerated() {
            out += "<details id=v\(index)\(document.videos.count <= 8 ? " open" : "")>"
            out += "<summary>\(video.name)</summary><div class=charts>"
            for metric in metrics {
                out += metric.chart.curve(
                    video.frames.compactMap(metric.value), unit: metric.unit)
            }
            out += "</div></details>"
        }
        return out
    }

    private var about: HTML {
        var rows: [(String, HTML)] = []
        func file(_ path: String, _ sha256: String) -> HTML {
            "\(path)<br><code>SHA-256 \(sha256)</code>"
        }
        if let model = document.model {
            rows.append(("checkpoint", file(model.checkpoint, model.checkpointSHA256)))
            rows.append(("configuration", file(model.config, model.configSHA256)))
            rows.append(("fit", "\(document.options.fit ?? "crop")"))
        }
        rows.append(
            (
                "LPIPS",
                document.lpips.isEmpty
                    ? "left out: no weights were given"
                    : document.lpips.map { file($0.path, $0.sha256) }.joined(separator: "<br>")
            ))
        rows.append(("FVD", "not computed"))
        let list = rows.map { name, value -> HTML in "<dt>\(name)</dt><dd>\(value)</dd>" }.joined()
        return "<h2>About this page</h2><dl class=\"about card\">\(list)</dl>"
    }
}
