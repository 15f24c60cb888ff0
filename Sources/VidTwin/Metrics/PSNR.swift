import Glibc

/// A frame as the metrics take it: `[height, width, 3]` in 0…1.
public struct MetricFrame: Sendable {
    /// Rows.
    public let height: Int
    /// Pixels of a row.
    public let width: Int
    /// `height · width · 3` values, R, G and B side by side.
    public let values: [Float]

    /// A frame of these values.
    ///
    /// - Precondition: `height · width · 3` values.
    public init(height: Int, width: Int, values: [Float]) {
        precondition(values.count == height * width * 3, "\(values.count) values")
        (self.height, self.width, self.values) = (height, width, values)
    }
}

/// Peak signal-to-noise ratio of one frame in dB: `-10 log₁₀(mse + 1e-8)`, the mean taken over
/// pixels and channels; equal frames have 80 dB (reference: vidtok/modules/util.py @d6ad92d,
/// `compute_psnr`).
///
/// - Throws: `MetricError.size` for frames of different sizes.
public func psnr(_ x: MetricFrame, _ y: MetricFrame) throws -> Double {
    try MetricError.check(x, y)
    var sum = 0.0
    for i in x.values.indices {
        let difference = Double(x.values[i]) - Double(y.values[i])
        sum += difference * difference
    }
    return -10 * log10(sum / Double(x.values.count) + 1e-8)
}

/// Why a metric is not defined.
public enum MetricError: Error, CustomStringConvertible, Sendable {
    /// The two frames differ in size.
    case size(x: String, y: String)
    /// Frames that a metric, which is named, has no value for.
    case small(metric: String, width: Int, height: Int, least: Int)
    /// Files that do not hold the weights of LPIPS.
    case weights(String)

    /// One line: what, expected, found.
    public var description: String {
        switch self {
        case .size(let x, let y): "expected frames of one size, found \(x) and \(y)"
        case .small(let metric, let width, let height, let least):
            "\(metric): expected frames of at least \(least)x\(least), found \(width)x\(height)"
        case .weights(let problem): "LPIPS weights: \(problem)"
        }
    }

    static func check(_ x: MetricFrame, _ y: MetricFrame) throws {
        if x.width != y.width || x.height != y.height {
            throw size(x: "\(x.width)x\(x.height)", y: "\(y.width)x\(y.height)")
        }
    }
}
