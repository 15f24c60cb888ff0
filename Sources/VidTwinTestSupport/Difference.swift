/// How far an array is from what it should be.
public struct Difference: CustomStringConvertible, Sendable {
    /// ‖found − expected‖ / ‖expected‖ over all elements; infinite where a value is NaN or the
    /// counts differ.
    public let relative: Double
    /// Where the largest difference is, and the two values.
    public let worst: (index: Int, expected: Float, found: Float)
    /// Elements compared.
    public let count: Int

    /// Compares all elements.
    public init(_ found: [Float], _ expected: [Float]) {
        count = expected.count
        var (squares, norm) = (0.0, 0.0)
        var (index, largest) = (0, -1.0)
        for i in 0..<min(found.count, expected.count) {
            let difference = abs(Double(found[i]) - Double(expected[i]))
            squares += difference * difference
            norm += Double(expected[i]) * Double(expected[i])
            if !(difference <= largest) { (index, largest) = (i, difference) }
        }
        let comparable = found.count == expected.count && !squares.isNaN && count > 0
        relative =
            comparable ? (squares / max(norm, .leastNormalMagnitude)).squareRoot() : .infinity
        worst =
            count > 0 && found.count == count
            ? (index, expected[index], found[index]) : (0, .nan, .nan)
    }

    /// The error and its worst element.
    public var description: String {
        "relative L2 \(relative) over \(count) elements; worst at \(worst.index): "
            + "expected \(worst.expected), found \(worst.found)"
    }
}
