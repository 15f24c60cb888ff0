import Glibc

/// Curves over batches in one plot.
struct ReportLines {
    /// A line and what it is.
    struct Line {
        let name: String
        let series: CurveSeries

        init(_ name: String, _ series: CurveSeries) { (self.name, self.series) = (name, series) }
    }

    /// A batch that is marked, and with what words.
    struct Mark {
        let batch: Int
        let words: String
    }

    let title: String
    let note: String
    let unit: String
    /// The horizontal axis ends here.
    let lastBatch: Int
    let mark: Mark?

    /// The plot; nothing where no line has a value.
    func html(_ lines: [Line]) -> HTML {
        let lines = lines.filter { !$0.series.points.isEmpty }
        guard let all = span(lines) else { return "" }
        let scale = scale(of: all)
        let (low, high) = (all.lowerBound / scale.factor, all.upperBound / scale.factor)
        let up = ReportAxis(low, high)
        let last = Double(max(lastBatch, 1))
        let across = ReportAxis(0, last, wanted: 4, least: 1).limited(to: last)
        func point(_ point: CurveSeries.Point, _ value: Double) -> String {
            let y = min(max(100 - up.place(value / scale.factor), 0), 100)
            return "\(ReportChart.number(point.batch / last * 100)),\(ReportChart.number(y))"
        }
        var body: HTML = ""
        for (index, line) in lines.enumerated() {
            let points = line.series.points
            if points.contains(where: { $0.count > 1 }) {
                let corners =
                    points.map { point($0, $0.high) } + points.reversed().map { point($0, $0.low) }
                body +=
                    "<polygon class=\"band k\(index)\" points=\"\(corners.joined(separator: " "))\"/>"
            }
            let places = points.map { point($0, $0.value) }
            body += "<polyline class=\"curve k\(index)\" data-name=\"\(line.name)\" "
            body += "points=\"\(places.joined(separator: " "))\"/>"
            if places.count <= 40 {
                let dots = places.map { "M\($0)h0" }.joined()
                body += "<path class=\"dots k\(index)\" d=\"\(dots)\"/>"
            }
        }
        let digits = up.digits + 2
        let reading = lines.map { line in
            let value =
                line.series.last.map { Clock.decimal($0 / scale.factor, digits: digits) } ?? ""
            return lines.count > 1 ? "\(line.name) \(value)" : value
        }.joined(separator: ", ")
        let units = [unit, scale.words].filter { !$0.isEmpty }.joined(separator: " ")
        return ReportChart(name: title, note: note, digits: digits).figure(
            up, across, body: body + marker(across),
            vertical: units, horizontal: "batch", reading: reading,
            data: " data-low=\"\(up.low)\" data-high=\"\(up.high)\" data-last=\"\(Int(last))\" "
                + "data-digits=\"\(digits)\" data-word=batch",
            above: keys(lines), marks: words(across))
    }

    /// From the lowest value to the highest; a few that are far beyond the others do not count, and leave
    /// the plot at its upper end.
    private func span(_ lines: [Line]) -> ClosedRange<Double>? {
        let ranges = lines.compactMap(\.series.range)
        guard let low = ranges.map(\.lowerBound).min(), let high = ranges.map(\.upperBound).max()
        else { return nil }
        let values = lines.flatMap { $0.series.points.map(\.value) }.sorted()
        let most = values[min(values.count * 97 / 100, values.count - 1)]
        let usual = low + (most - low) * 1.5
        return low...(high - low > 4 * (most - low) && usual > low ? usual : high)
    }

    /// By what large and small numbers are divided, so that ticks are short.
    private func scale(of range: ClosedRange<Double>) -> (factor: Double, words: String) {
        let size = max(abs(range.lowerBound), abs(range.upperBound))
        guard size > 0, size < 0.01 || size >= 1e5 else { return (1, "") }
        let power = Int(floor(log10(size) / 3)) * 3
        return (pow(10, Double(power)), "× 10\(ReportLines.raised(power))")
    }

    private static func raised(_ number: Int) -> String {
        String(
            "\(number)".map { digit in
                digit == "-" ? "⁻" : Array("⁰¹²³⁴⁵⁶⁷⁸⁹")[digit.wholeNumberValue ?? 0]
            })
    }

    private func keys(_ lines: [Line]) -> HTML {
        if lines.count < 2 { return "" }
        let list = lines.enumerated().map { index, line -> HTML in
            "<span class=\"key k\(index)\">\(line.name)</span>"
        }.joined()
        return "<span class=keys>\(list)</span>"
    }

    private var markPlace: Double? {
        guard let mark, mark.batch >= 0, mark.batch <= lastBatch else { return nil }
        return Double(mark.batch) / Double(max(lastBatch, 1)) * 100
    }

    private func marker(_ across: ReportAxis) -> HTML {
        guard let place = markPlace else { return "" }
        let x = ReportChart.number(place)
        return "<line class=mean x1=\"\(x)\" y1=\"0\" x2=\"\(x)\" y2=\"100\"/>"
    }

    private func words(_ across: ReportAxis) -> HTML {
        guard let place = markPlace, let mark else { return "" }
        let side =
            place > 50
            ? "right:\(ReportChart.number(100 - place))" : "left:\(ReportChart.number(place))"
        return "<div class=marks><span style=\"\(side)%\">\(mark.words)</span></div>"
    }
}
