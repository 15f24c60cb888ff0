import Glibc

/// How often values occur, in buckets that grow by a tenth from 1e-12 on to both sides of 0.
package struct ValueHistogram: Equatable, Sendable {
    package private(set) var count = 0
    package private(set) var least = Double.infinity, most = -Double.infinity
    package private(set) var sum = 0.0, squares = 0.0
    private var counts = [Int](repeating: 0, count: limits.count)

    /// Upper ends, 0 among them; the last holds everything beyond.
    private static let limits: [Double] = {
        var positive: [Double] = []
        var limit = 1e-12
        while limit < 1e20 {
            positive.append(limit)
            limit *= 1.1
        }
        return positive.reversed().map { -$0 } + [0] + positive + [.greatestFiniteMagnitude]
    }()

    package init() {}

    /// Counts a value; those that are not finite are left out.
    package mutating func add(_ value: Double) {
        guard value.isFinite else { return }
        var (low, high) = (0, ValueHistogram.limits.count - 1)
        while low < high {
            let middle = (low + high) / 2
            if ValueHistogram.limits[middle] < value { low = middle + 1 } else { high = middle }
        }
        counts[low] += 1
        count += 1
        (least, most) = (min(least, value), max(most, value))
        (sum, squares) = (sum + value, squares + value * value)
    }

    /// Values that are counted at most; of more, some at equal distances.
    private static let mostValues = 1 << 20

    /// Counts an array's values.
    package mutating func add(_ values: UnsafePointer<Float>, _ count: Int, step: Int = 1) {
        for i in stride(from: 0, to: count, by: step) { add(Double(values[i])) }
    }

    /// The distance between values that are counted of so many.
    package static func step(of count: Int) -> Int { max(1, count / mostValues) }

    /// The buckets from the first that holds something to the last, and an empty one before them, whose
    /// end is where the first begins.
    package var buckets: [(limit: Double, count: Int)] {
        guard let first = counts.firstIndex(where: { $0 > 0 }),
            let last = counts.lastIndex(where: { $0 > 0 })
        else { return [] }
        return (max(first - 1, 0)...last).map { (ValueHistogram.limits[$0], counts[$0]) }
    }

    var message: TensorBoard_Histogram {
        var message = TensorBoard_Histogram()
        guard count > 0 else { return message }
        (message.min, message.max, message.num) = (least, most, Double(count))
        (message.sum, message.sumSquares) = (sum, squares)
        message.bucketLimit = buckets.map(\.limit)
        message.bucket = buckets.map { Double($0.count) }
        return message
    }
}
