import Glibc

/// Structural similarity of one frame: Gaussian window of 11 pixels, σ 1.5, K 0.01 and 0.03, no
/// padding, mean over pixels and channels. Frames whose shorter side, divided by 256 and rounded,
/// is f > 1 are averaged f by f first (reference: `piq.ssim` as vidtok/modules/util.py calls it).
///
/// - Throws: `MetricError.size` for frames of different sizes, `.small` below 11 pixels.
public func ssim(_ x: MetricFrame, _ y: MetricFrame) throws -> Double {
    try MetricError.check(x, y)
    let side = min(x.height, x.width)
    if side < SSIMWindow.size {
        throw MetricError.small(
            metric: "SSIM", width: x.width, height: x.height, least: SSIMWindow.size)
    }
    // Half to even, as Python rounds.
    let factor = max(1, Int((Double(side) / 256).rounded(.toNearestOrEven)))
    var sum = 0.0
    for channel in 0..<3 {
        sum += SSIMWindow.similarity(
            Plane(x, channel: channel, averaging: factor),
            Plane(y, channel: channel, averaging: factor))
    }
    return sum / 3
}

/// One channel of a frame in double precision.
private struct Plane {
    let height: Int
    let width: Int
    var values: [Double]

    init(_ frame: MetricFrame, channel: Int, averaging factor: Int) {
        height = frame.height / factor
        width = frame.width / factor
        values = [Double](repeating: 0, count: height * width)
        frame.values.withUnsafeBufferPointer { source in
            for y in 0..<height {
                for x in 0..<width {
                    var sum = 0.0
                    for j in 0..<factor {
                        let row = (y * factor + j) * frame.width + x * factor
                        for i in 0..<factor { sum += Double(source[(row + i) * 3 + channel]) }
                    }
                    values[y * width + x] = sum / Double(factor * factor)
                }
            }
        }
    }
}

private enum SSIMWindow {
    static let size = 11
    /// The window is the outer product of this with itself.
    static let weights: [Double] = {
        let bell = (0..<size).map { exp(-Double(($0 - 5) * ($0 - 5)) / (2 * 1.5 * 1.5)) }
        let sum = bell.reduce(0, +)
        return bell.map { $0 / sum }
    }()

    static func similarity(_ x: Plane, _ y: Plane) -> Double {
        let count = x.values.count
        var products = [[Double](repeating: 0, count: count)]
        products += [products[0], products[0]]
        for i in 0..<count {
            let (a, b) = (x.values[i], y.values[i])
            products[0][i] = a * a
            products[1][i] = b * b
            products[2][i] = a * b
        }
        func blurred(_ values: [Double]) -> [Double] { blur(values, x.height, x.width) }
        let (mx, my) = (blurred(x.values), blurred(y.values))
        let (xx, yy, xy) = (blurred(products[0]), blurred(products[1]), blurred(products[2]))
        var sum = 0.0
        for i in mx.indices {
            let (a, b) = (mx[i], my[i])
            let luminance = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
            let variances = xx[i] - a * a + yy[i] - b * b
            sum += luminance * (2 * (xy[i] - a * b) + 9e-4) / (variances + 9e-4)
        }
        return sum / Double(mx.count)
    }

    /// Only where the window fits: `[height - 10, width - 10]`.
    private static func blur(_ values: [Double], _ height: Int, _ width: Int) -> [Double] {
        let (outHeight, outWidth) = (height - size + 1, width - size + 1)
        var rows = [Double](repeating: 0, count: height * outWidth)
        var out = [Double](repeating: 0, count: outHeight * outWidth)
        values.withUnsafeBufferPointer { values in
            rows.withUnsafeMutableBufferPointer { rows in
                for y in 0..<height {
                    for tap in 0..<size {
                        let weight = weights[tap]
                        for x in 0..<outWidth {
                            rows[y * outWidth + x] += weight * values[y * width + x + tap]
                        }
                    }
                }
                out.withUnsafeMutableBufferPointer { out in
                    for y in 0..<outHeight {
                        for tap in 0..<size {
                            let weight = weights[tap]
                            for x in 0..<outWidth {
                                out[y * outWidth + x] += weight * rows[(y + tap) * outWidth + x]
                            }
                        }
                    }
                }
            }
        }
        return out
    }
}
