import Glibc

/// An axis from one round number to another, with ticks at round numbers between them.
struct ReportAxis {
    let low: Double
    let high: Double
    let ticks: [Double]
    /// Of a tick, behind the point.
    let digits: Int

    /// An axis that covers `low` to `high` with about `wanted` intervals, none below `least`.
    init(_ low: Double, _ high: Double, wanted: Double = 4, least: Double = 1e-6) {
        // Equal values lie in the middle of an axis of their own size.
        let margin = high > low ? 0 : max(abs(low) * 0.01, least)
        let (from, to) = (low - margin, high + margin)
        let raw = max((to - from) / wanted, least)
        let magnitude = pow(10, floor(log10(raw)))
        let step = ([1, 2, 5, 10].first { raw <= $0 * magnitude * 1.0001 } ?? 10) * magnitude
        let first = floor(from / step + 1e-9)
        let last = max(ceil(to / step - 1e-9), first + 1)
        ticks = (0...Int(last - first)).map { (first + Double($0)) * step }
        (self.low, self.high) = (first * step, last * step)
        digits = max(0, Int(-floor(log10(step * 1.0001))))
    }

    /// Where a value lies, 0 at the low end and 100 at the high one.
    func place(_ value: Double) -> Double { (value - low) / (high - low) * 100 }

    /// A tick's number.
    func label(_ tick: Double) -> String { Clock.decimal(tick, digits: digits) }

    /// The ticks as HTML beside a plot, at so many percent of a side.
    func labels(side: String) -> HTML {
        ticks.map { tick -> HTML in
            "<span style=\"\(side):\(ReportChart.number(place(tick)))%\">\(label(tick))</span>"
        }.joined()
    }
}

extension ReportAxis {
    /// The same ticks on an axis that ends where the data does.
    func limited(to last: Double) -> ReportAxis { ReportAxis(self, last) }

    private init(_ other: ReportAxis, _ last: Double) {
        (low, high, digits) = (0, last, other.digits)
        // The last tick is the last frame itself; a round one just before it would touch it.
        ticks = other.ticks.filter { $0 < last * 0.88 } + [last]
    }
}
