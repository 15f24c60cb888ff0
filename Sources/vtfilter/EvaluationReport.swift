import FoundationEssentials
import VidTwin

/// The page: one file, no network, light and dark, for desktop and phone.
struct EvaluationReport {
    let document: EvaluationDocument
    let moments: Moments

    var html: String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <link rel="icon" href="data:,">
        <title>VidTwin evaluation</title>
        <style>\(ReportStyle.css)</style>
        </head>
        <body>
        <main>
        <h1>VidTwin evaluation</h1>
        \(about)
        \(summary)
        \(distributions)
        \(momentSections)
        \(videoTable)
        \(curves)
        \(failures)
        </main>
        <script>\(ReportStyle.script)</script>
        </body>
        </html>

        """
    }

    // MARK: - Parts

    private var metrics: [(name: String, digits: Int, value: (FrameScore) -> Double?)] {
        let all: [(String, Int, (FrameScore) -> Double?)] = [
            ("PSNR", 3, { $0.psnr }), ("SSIM", 4, { $0.ssim }), ("LPIPS", 4, { $0.lpips }),
        ]
        return document.lpips.isEmpty ? Array(all.dropLast()) : all
    }

    private var about: String {
        var rows: [(String, String)] = []
        if let model = document.model {
            rows.append(
                ("checkpoint", "\(model.checkpoint), SHA-256 \(model.checkpointSHA256.prefix(16))…")
            )
            rows.append(
                ("configuration", "\(model.config), SHA-256 \(model.configSHA256.prefix(16))…"))
            rows.append(
                (
                    "latents",
                    "\(model.latentNumbersPerClip) numbers a clip, "
                        + "\(Clock.decimal(100 * model.compressionRate, digits: 3)) % of its pixels; "
                        + (document.options.latents ?? "")
                ))
        }
        let rate = document.options.sampleFPS.map { "\($0) frames a second" } ?? "every frame"
        let limit = document.options.frames.map { ", at most \($0) a video" } ?? ""
        rows.append(("frames", rate + limit))
        rows.append(
            (
                "LPIPS",
                document.lpips.isEmpty
                    ? "left out: no weights were given"
                    : document.lpips.map { "\($0.path), SHA-256 \($0.sha256.prefix(16))…" }
                        .joined(separator: "; ")
            ))
        rows.append(("program", "vtfilter \(document.version)"))
        rows += document.notes.map { ("note", $0) }
        return "<dl>"
            + rows.map { "<dt>\(escaped($0.0))</dt><dd>\(escaped($0.1))</dd>" }.joined() + "</dl>"
    }

    private var summary: String {
        let frames = document.videos.reduce(0) { $0 + $1.frames.count }
        var out = "<h2>Summary</h2><div class=scroll><table><thead><tr><th>mean over</th>"
        out += metrics.map { "<th class=n>\($0.name)\($0.name == "PSNR" ? ", dB" : "")</th>" }
            .joined()
        out += "</tr></thead><tbody>"
        for (name, score) in [
            ("\(document.videos.count) videos", document.pooled.overVideos),
            ("their clips (as published)", document.pooled.overClips),
            ("\(frames) frames", document.pooled.overFrames),
        ] {
            out += "<tr><td>\(name)</td>" + cells(score) + "</tr>"
        }
        return out + "</tbody></table></div>"
    }

    private func cells(_ score: FrameScore?) -> String {
        metrics.map { metric in
            guard let value = score.flatMap(metric.value) else { return "<td class=n>–</td>" }
            return
                "<td class=n data-value=\"\(value)\">\(Clock.decimal(value, digits: metric.digits))</td>"
        }.joined()
    }

    /// Histograms over all frames.
    private var distributions: String {
        let frames = document.videos.flatMap(\.frames)
        if frames.isEmpty { return "" }
        var out = "<h2>Distribution over frames</h2><div class=grid>"
        for metric in metrics {
            let values = frames.compactMap(metric.value)
            guard let low = values.min(), let high = values.max() else { continue }
            let bins = 24
            var counts = [Int](repeating: 0, count: bins)
            for value in values {
                let at = high > low ? (value - low) / (high - low) * Double(bins) : 0
                counts[min(Int(at), bins - 1)] += 1
            }
            let tallest = Double(counts.max() ?? 1)
            let bars = counts.enumerated().map { index, count in
                let height = Double(count) / tallest * 90
                return
                    "<rect x=\"\(index * 10 + 1)\" y=\"\(Clock.decimal(95 - height, digits: 1))\" "
                    + "width=\"8\" height=\"\(Clock.decimal(height, digits: 1))\"><title>\(count) frames"
                    + "</title></rect>"
            }.joined()
            out += """
                <figure><svg viewBox="0 0 240 112" role="img" aria-label="distribution of \(metric.name)">
                <g class=bar>\(bars)</g>
                <line class=axis x1="0" y1="95.5" x2="240" y2="95.5"/>
                <text x="0" y="109">\(Clock.decimal(low, digits: metric.digits))</text>
                <text x="240" y="109" text-anchor="end">\(Clock.decimal(high, digits: metric.digits))</text>
                </svg><figcaption>\(metric.name)</figcaption></figure>
                """
        }
        return out + "</div>"
    }

    private var momentSections: String {
        if moments.worst.isEmpty { return "" }
        let names = metrics.map(\.name)
        var out = "<h2>Worst and best moments</h2><p><label>by <select id=metric>"
        out += names.map { "<option>\($0)</option>" }.joined()
        out += "</select></label> input | reconstruction | difference, doubled</p>"
        for name in names {
            out +=
                "<div class=moments data-metric=\"\(name)\"\(name == names.first ? "" : " hidden")>"
            for (title, list) in [("Worst", moments.worst[name]), ("Best", moments.best[name])] {
                out += "<h3>\(title) by \(name)</h3><div class=grid>"
                out += (list ?? []).map(figure).joined()
                out += "</div>"
            }
            out += "</div>"
        }
        return out
    }

    private func figure(_ moment: Moment) -> String {
        let pictures = zip(moment.pictures, ["input", "reconstruction", "difference"]).map {
            let data = Data($0.0).base64EncodedString()
            return "<img alt=\"\($0.1)\" src=\"data:image/jpeg;base64,\(data)\">"
        }.joined()
        let scores = metrics.compactMap { metric in
            metric.value(moment.score).map {
                "\(metric.name) \(Clock.decimal($0, digits: metric.digits))"
            }
        }.joined(separator: ", ")
        return "<figure class=moment><div class=triple>\(pictures)</div><figcaption>"
            + "\(escaped(moment.video)), frame \(moment.frame): \(scores)</figcaption></figure>"
    }

    private var videoTable: String {
        var out = "<h2>Videos</h2><div class=scroll><table class=sortable><thead><tr>"
        out += "<th><button>video</button></th><th class=n><button>frames</button></th>"
        out += metrics.map { "<th class=n><button>\($0.name)</button></th>" }.joined()
        out += "</tr></thead><tbody>"
        for (index, video) in document.videos.enumerated() {
            out += "<tr><td data-value=\"\(escaped(video.name))\"><a href=\"#v\(index)\">"
            out += "\(escaped(video.name))</a></td>"
            out += "<td class=n data-value=\"\(video.frames.count)\">\(video.frames.count)</td>"
            out += cells(video.mean) + "</tr>"
        }
        return out + "</tbody></table></div>"
    }

    private var curves: String {
        if document.videos.isEmpty { return "" }
        var out = "<h2>Frame by frame</h2>"
        for (index, video) in document.videos.enumerated() {
            out += "<details id=v\(index)\(document.videos.count <= 8 ? " open" : "")>"
            out += "<summary>\(escaped(video.name))</summary><div class=grid>"
            for metric in metrics {
                out += curve(video.frames.compactMap(metric.value), metric.name, metric.digits)
            }
            out += "</div></details>"
        }
        return out
    }

    /// At most 300 points: each the mean of as many frames.
    private func curve(_ values: [Double], _ name: String, _ digits: Int) -> String {
        guard let low = values.min(), let high = values.max() else { return "" }
        let points = min(values.count, 300)
        let line = (0..<points).map { i in
            let part = values[i * values.count / points..<(i + 1) * values.count / points]
            let mean = part.reduce(0, +) / Double(part.count)
            let x = points > 1 ? Double(i) / Double(points - 1) * 296 + 2 : 150
            let y = high > low ? 80 - (mean - low) / (high - low) * 72 : 44
            return "\(Clock.decimal(x, digits: 1)),\(Clock.decimal(y, digits: 1))"
        }.joined(separator: " ")
        return """
            <figure><svg viewBox="0 0 300 98" role="img" aria-label="\(name) frame by frame">
            <line class=axis x1="0" y1="84.5" x2="300" y2="84.5"/>
            <polyline class=curve points="\(line)"/>
            <text x="0" y="96">0</text><text x="300" y="96" text-anchor="end">\(values.count - 1)</text>
            </svg><figcaption>\(name): \(Clock.decimal(low, digits: digits)) to \
            \(Clock.decimal(high, digits: digits))</figcaption></figure>
            """
    }

    private var failures: String {
        if document.failures.isEmpty { return "" }
        return "<h2>Not evaluated</h2><ul>"
            + document.failures.map {
                "<li>\(escaped($0.name)): \(escaped($0.error))</li>"
            }.joined() + "</ul>"
    }

    /// Names come from outside; nothing in them may become markup.
    private func escaped(_ text: String) -> String {
        var out = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "'": out += "&#39;"
            default: out.unicodeScalars.append(character.value < 32 ? " " : character)
            }
        }
        return out
    }
}
