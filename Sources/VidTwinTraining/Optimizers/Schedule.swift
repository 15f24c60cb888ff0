import Glibc

/// The learning rate of batch n = 0, 1, …
package enum Schedule: Sendable, Equatable {
    /// From `start` to `maximum` in a line, then to `minimum` at `total` along a cosine.
    case cosine(start: Double, maximum: Double, minimum: Double, warmUp: Int, total: Int)
    /// Up in a line, then down to 0 at `total`.
    case linear(base: Double, warmUp: Int, total: Int)
    /// Up in a line, then constant.
    case constant(base: Double, warmUp: Int)
    /// Up in a line, then with the inverse root of the batch.
    case inverseRoot(base: Double, warmUp: Int)

    /// The rate of a batch.
    package func callAsFunction(_ n: Int) -> Double {
        let x = Double(n)
        switch self {
        case .cosine(let start, let maximum, let minimum, let warmUp, let total):
            if n < warmUp { return start + (maximum - start) * x / Double(warmUp) }
            let t = min(1, Double(n - warmUp) / Double(max(total - warmUp, 1)))
            return minimum + 0.5 * (maximum - minimum) * (1 + cos(Double.pi * t))
        case .linear(let base, let warmUp, let total):
            return n < warmUp
                ? base * x / Double(warmUp) : base * max(0, 1 - x / Double(max(total, 1)))
        case .constant(let base, let warmUp):
            return n < warmUp ? base * x / Double(warmUp) : base
        case .inverseRoot(let base, let warmUp):
            if n < warmUp { return base * x / Double(max(1, warmUp)) }
            let scale = Double(warmUp > 0 ? warmUp : 10000)
            return base / ((x + scale - Double(warmUp)) / scale).squareRoot()
        }
    }

    /// Batches of the warm-up.
    package var warmUp: Int {
        switch self {
        case .cosine(_, _, _, let warmUp, _), .linear(_, let warmUp, _),
            .constant(_, let warmUp), .inverseRoot(_, let warmUp):
            warmUp
        }
    }

    /// What a checkpoint names the initial rate: the highest that the schedule reaches.
    package var peak: Double {
        switch self {
        case .cosine(_, let maximum, _, _, _): maximum
        case .linear(let base, _, _), .constant(let base, _), .inverseRoot(let base, _): base
        }
    }
}
