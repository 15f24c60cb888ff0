/// Plots as inline SVG that stretches to its place, with axes as text, which does not.
struct ReportChart {
    /// What is plotted.
    let name: String
    /// Its unit and which end is better.
    let note: String
    let digits: Int

    static func number(_ value: Double) -> String { Clock.decimal(value, digits: 2) }

    /// How often each value occurs.
    func histogram(_ values: [Double], unit: String) -> HTML {
        guard let low = values.min(), let high = values.max() else { return "" }
        let across = ReportAxis(low, high)
        let bins = (across.ticks.count - 1) * 5
        var counts = [Int](repeating: 0, count: bins)
        for value in values {
            counts[min(max(Int(across.place(value) / 100 * Double(bins)), 0), bins - 1)] += 1
        }
        let up = ReportAxis(0, Double(counts.max() ?? 1), wanted: 3, least: 1)
        let width = 100 / Double(bins)
        let bars = counts.enumerated().filter { $0.element > 0 }.map { index, count -> HTML in
            let height = up.place(Double(count))
            return "<rect class=bar x=\"\(Self.number((Double(index) + 0.08) * width))\" "
                + "y=\"\(Self.number(100 - height))\" width=\"\(Self.number(width * 0.84))\" "
                + "height=\"\(Self.number(height))\"><title>\(count) frames</title></rect>"
        }.joined()
        let mean = values.reduce(0, +) / Double(values.count)
        return figure(
            up, across, body: bars + marker(x: across.place(mean)), vertical: "frames",
            horizontal: unit.isEmpty ? name : "\(name), \(unit)",
            reading: "mean \(Clock.decimal(mean, digits: digits))")
    }

    /// Values frame by frame. Of more than 400 frames, a line of means in a band of extremes.
    func curve(_ values: [Double], unit: String) -> HTML {
        guard let low = values.min(), let high = values.max() else { return "" }
        let up = ReportAxis(low, high)
        let last = Double(max(values.count - 1, 1))
        let points = min(values.count, 400)
        var (line, upper, lower): ([String], [String], [String]) = ([], [], [])
        for i in 0..<points {
            let part = values[i * values.count / points..<(i + 1) * values.count / points]
            let middle = Double(part.startIndex + part.endIndex - 1) / 2
            let x = Self.number(values.count > 1 ? middle / last * 100 : 50)
            func point(_ value: Double) -> String { "\(x),\(Self.number(100 - up.place(value)))" }
            line.append(point(part.reduce(0, +) / Double(part.count)))
            upper.append(point(part.max() ?? 0))
            lower.append(point(part.min() ?? 0))
        }
        if points == 1, let only = line.first?.split(separator: ",").last {
            line = ["0,\(only)", "100,\(only)"]
        }
        let band: HTML =
            points < values.count
            ? "<polygon class=band points=\"\((upper + lower.reversed()).joined(separator: " "))\"/>"
            : ""
        let mean = values.reduce(0, +) / Double(values.count)
        return figure(
            up, ReportAxis(0, last, wanted: 4, least: 1).limited(to: last),
            body: band + "<polyline class=curve points=\"\(line.joined(separator: " "))\"/>",
            vertical: unit, horizontal: "frame",
            reading: "\(Clock.decimal(low, digits: digits)) to "
                + "\(Clock.decimal(high, digits: digits)), mean \(Clock.decimal(mean, digits: digits))",
            data: " data-low=\"\(up.low)\" data-high=\"\(up.high)\" data-last=\"\(Int(last))\" "
                + "data-digits=\"\(digits)\"")
    }

    /// A line without axes, for a cell of a table.
    static func spark(_ values: [Double], in range: ClosedRange<Double>) -> HTML {
        let points = min(values.count, 120)
        let span = max(range.upperBound - range.lowerBound, 1e-9)
        let line = (0..<points).map { i in
            let part = values[i * values.count / points..<(i + 1) * values.count / points]
            let mean = part.reduce(0, +) / Double(part.count)
            let x = points > 1 ? Double(i) / Double(points - 1) * 100 : 50
            return "\(number(x)),\(number(94 - (mean - range.lowerBound) / span * 88))"
        }.joined(separator: " ")
        return "<svg class=spark viewBox=\"0 0 100 100\" preserveAspectRatio=none aria-hidden=true>"
            + "<polyline class=curve points=\"\(line)\"/></svg>"
    }

    private func marker(x: Double) -> HTML {
        let place = Self.number(x)
        return "<line class=mean x1=\"\(place)\" y1=\"0\" x2=\"\(place)\" y2=\"100\"/>"
    }

    /// A plot with its axes; `above` stands beside the name, `marks` over the plot.
    func figure(
        _ up: ReportAxis, _ across: ReportAxis, body: HTML, vertical: String, horizontal: String,
        reading: String, data: HTML = "", above: HTML = "", marks: HTML = ""
    ) -> HTML {
        let grid = up.ticks.map { tick -> HTML in
            let y = Self.number(100 - up.place(tick))
            return "<line class=axis x1=\"0\" y1=\"\(y)\" x2=\"100\" y2=\"\(y)\"/>"
        }.joined()
        return """
            <figure class=chart\(data)><figcaption><b>\(name)</b> <span class=soft>\(note)</span>\(above)\
            <output>\(reading)</output></figcaption>
            <div class=plot><div class=unit>\(vertical)</div>\(marks)<div class=y>\(up.labels(side: "bottom"))</div>
            <svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" \
            aria-label="\(name): \(reading)">\(grid)\(body)</svg>
            <div class=x>\(across.labels(side: "left"))</div></div>
            <div class=across>\(horizontal)</div></figure>
            """
    }
}
