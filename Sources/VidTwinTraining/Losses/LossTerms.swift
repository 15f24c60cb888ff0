import Glibc
package import VidTwin

/// A loss's value, and its gradient by what it was computed from.
package struct Loss {
    package let value: Double
    package let gradient: Tensor
}

/// The discriminator's losses on its logits, and what the generator makes of them.
package enum AdversarialLoss {
    /// `½ (mean relu(1 − real) + mean relu(1 + fake))` or
    /// `½ (mean softplus(−real) + mean softplus(fake))`: one side of it, for logits of one kind.
    package static func discriminator(
        _ logits: Tensor, areReal: Bool, _ kind: LossConfiguration.DiscriminatorLoss
    ) -> Loss {
        let (sign, N) = (areReal ? -1.0 : 1.0, Double(logits.count))
        return mean(logits) { logit in
            let x = sign * logit
            switch kind {
            case .hinge:
                return (max(1 + x, 0) / 2, x > -1 ? sign / 2 : 0)
            case .vanilla:
                return (softplus(x) / 2, sign * logistic(x) / 2)
            }
        } count: {
            N
        }
    }

    /// `mean relu(real − ema_fake)²` or `mean relu(ema_real − fake)²`: LeCam's regularisation, for
    /// logits of one kind and the other kind's average.
    package static func lecam(_ logits: Tensor, areReal: Bool, average: Double) -> Loss {
        let sign = areReal ? 1.0 : -1.0
        return mean(logits) { logit in
            let excess = max(sign * (logit - average), 0)
            return (excess * excess, 2 * sign * excess)
        } count: {
            Double(logits.count)
        }
    }

    /// `−mean(logits)`, or with `usesCrossEntropy` the mean of `softplus(−m)`, m the mean of an item's
    /// logits; items are the first axis.
    package static func generator(_ logits: Tensor, usesCrossEntropy: Bool) -> Loss {
        let (items, N) = (logits.dim(0), Double(logits.count))
        if !usesCrossEntropy {
            return mean(logits) {
                (-$0, -1)
            } count: {
                N
            }
        }
        let (values, each) = (logits.values, logits.count / items)
        var (total, gradient): (Double, [Float]) = (0, [])
        for item in 0..<items {
            let sum = values[item * each..<(item + 1) * each].reduce(0.0) { $0 + Double($1) }
            let m = sum / Double(each)
            total += softplus(-m) / Double(items)
            gradient += [Float](repeating: Float(-logistic(-m) / N), count: each)
        }
        return Loss(value: total, gradient: Tensor(logits.shape, gradient, on: logits.device))
    }

    /// The mean of f over logits; f gives value and slope.
    private static func mean(
        _ logits: Tensor, _ f: (Double) -> (value: Double, slope: Double), count: () -> Double
    ) -> Loss {
        var (total, gradient, N): (Double, [Float], Double) = (0, [], count())
        gradient.reserveCapacity(logits.count)
        for logit in logits.values {
            let (value, slope) = f(Double(logit))
            total += value
            gradient.append(Float(slope / N))
        }
        N = max(N, 1)
        return Loss(value: total / N, gradient: Tensor(logits.shape, gradient, on: logits.device))
    }

    /// `log(1 + eˣ)`, without overflow.
    static func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }

    private static func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
}

/// Sums over a batch of pixels, `[n, H, W, 3]` or clips, and what follows from them.
package struct AbsoluteDifference {
    /// `Σ |x − y|`.
    package let sum: Double
    private let x, y: Tensor

    /// x is what y should be; shapes alike.
    package init(_ x: Tensor, _ y: Tensor) {
        (self.x, self.y) = (x, y)
        sum = differences(x, y) { Double(abs($0)) }
    }

    /// `factor · sign(y − x)`, 0 where they are equal: the gradient of `factor · Σ |x − y|` by y.
    package func gradient(_ factor: Float) -> Tensor {
        let out = Tensor(y.shape, on: y.device)
        forEachPart(y) { at, count in
            let (x, y, out) = (x.pointer, y.pointer, out.pointer)
            for i in at..<at + count {
                out[i] = y[i] > x[i] ? factor : y[i] < x[i] ? -factor : 0
            }
        }
        return out
    }
}

/// As `AbsoluteDifference`, of squares.
package struct SquaredDifference {
    /// `Σ (x − y)²`.
    package let sum: Double
    private let x, y: Tensor

    /// x is what y should be; shapes alike.
    package init(_ x: Tensor, _ y: Tensor) {
        (self.x, self.y) = (x, y)
        sum = differences(x, y) { Double($0) * Double($0) }
    }

    /// `2 · factor · (y − x)`: the gradient of `factor · Σ (x − y)²` by y.
    package func gradient(_ factor: Float) -> Tensor { combined(2 * factor, y, -2 * factor, x) }
}

/// Adds up what each difference of two tensors of one shape costs.
@inline(__always)
private func differences(_ x: Tensor, _ y: Tensor, _ cost: (Float) -> Double) -> Double {
    reduce(x) { at, count in
        let (x, y) = (x.pointer, y.pointer)
        var total = 0.0
        for i in at..<at + count { total += cost(x[i] - y[i]) }
        return total
    }
}

/// Elements that one task sums up, in double.
private let partCount = 4096

/// Adds up what `body(first, count)` gives for parts of x, in the order of the parts.
private func reduce(_ x: Tensor, _ body: (_ at: Int, _ count: Int) -> Double) -> Double {
    let tasks = (x.count + partCount - 1) / partCount
    return [Double](unsafeUninitializedCapacity: tasks) { sums, used in
        let base = sums.baseAddress
        x.device.parallel(tasks) { task, _ in
            let at = task * partCount
            base?[task] = body(at, min(partCount, x.count - at))
        }
        used = tasks
    }.reduce(0, +)
}

private func forEachPart(_ x: Tensor, _ body: (_ at: Int, _ count: Int) -> Void) {
    let tasks = (x.count + (1 << 15) - 1) >> 15
    x.device.parallel(tasks) { task, _ in
        body(task << 15, min(1 << 15, x.count - task << 15))
    }
}

/// `factor · a + other · b`, element by element.
func combined(_ factor: Float, _ a: Tensor, _ other: Float, _ b: Tensor) -> Tensor {
    precondition(a.count == b.count, "\(a.shape) and \(b.shape)")
    let out = Tensor(a.shape, on: a.device)
    forEachPart(a) { at, count in
        let (a, b, out) = (a.pointer, b.pointer, out.pointer)
        for i in at..<at + count { out[i] = factor * a[i] + other * b[i] }
    }
    return out
}

/// `factor · a`, element by element.
func multiplied(_ factor: Float, _ a: Tensor) -> Tensor {
    let out = Tensor(a.shape, on: a.device)
    forEachPart(a) { at, count in
        let (a, out) = (a.pointer, out.pointer)
        for i in at..<at + count { out[i] = factor * a[i] }
    }
    return out
}
