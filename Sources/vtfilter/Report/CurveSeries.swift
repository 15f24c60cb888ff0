/// Values over batches in a bounded number of points: when they become many, neighbours are put together.
package struct CurveSeries: Equatable, Sendable {
    /// Some values next to each other.
    package struct Point: Equatable, Sendable {
        /// Means.
        package var batch, value: Double
        /// The lowest and the highest value.
        package var low, high: Double
        package var count = 1

        mutating func join(_ other: Point) {
            let all = Double(count + other.count)
            func mean(_ mine: Double, _ theirs: Double) -> Double {
                (mine * Double(count) + theirs * Double(other.count)) / all
            }
            (batch, value) = (mean(batch, other.batch), mean(value, other.value))
            (low, high, count) = (min(low, other.low), max(high, other.high), count + other.count)
        }
    }

    /// In the order of batches.
    package private(set) var points: [Point] = []
    /// The last value.
    package private(set) var last: Double?
    /// Values of a point, but for the last.
    private var each = 1

    package static let most = 400

    package init() {}

    /// Adds a value behind all others; one that is not finite is left out.
    package mutating func add(_ value: Double, at batch: Double) {
        guard value.isFinite else { return }
        last = value
        let point = Point(batch: batch, value: value, low: value, high: value)
        if let end = points.indices.last, points[end].count < each {
            points[end].join(point)
        } else if points.count == CurveSeries.most {
            each *= 2
            points = stride(from: 0, to: points.count, by: 2).map { i in
                var joined = points[i]
                if i + 1 < points.count { joined.join(points[i + 1]) }
                return joined
            }
            points.append(point)
        } else {
            points.append(point)
        }
    }

    /// The lowest and the highest value.
    package var range: ClosedRange<Double>? {
        guard let low = points.map(\.low).min(), let high = points.map(\.high).max() else {
            return nil
        }
        return low...high
    }
}
