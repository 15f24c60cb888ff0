package import VidTwin
import VidTwinKernels

/// Batch normalisation over everything but channels: eps 1e-5, momentum 0.1.
package final class BatchNorm {
    package let weight: Parameter  // [C]
    package let bias: Parameter  // [C]
    package let runningMean, runningVariance, batches: StateBuffer
    /// Those whose batches count as one, each of as many rows; alone where nil.
    package var processes: Processes?

    package init(_ weights: Weights, width: Int, name: String) {
        weight = weights("weight", [width])
        bias = weights("bias", [width])
        runningMean = StateBuffer(
            name + ".running_mean", [width], [Float](repeating: 0, count: width))
        runningVariance = StateBuffer(
            name + ".running_var", [width], [Float](repeating: 1, count: width))
        batches = StateBuffer(name + ".num_batches_tracked", [], isCount: true, [0])
    }

    static let eps = 1e-5
    static let momentum = 0.1

    /// `(x − mean) / √(variance + eps) · weight + bias`: `[..., C] -> [..., C]`. In training the
    /// statistics are those of x (biased variance), and move the running ones (unbiased variance);
    /// else the running ones are used.
    package func callAsFunction(_ x: Tensor, training: Bool) -> Tensor {
        let (C, rows) = (x.dim(-1), x.rows)
        let processes = training ? processes : nil
        let statistics = training ? Statistics(x, processes) : nil
        let rowsOfAll = rows * (processes?.count ?? 1)
        let mean = statistics?.mean ?? runningMean.values
        let variance = statistics?.variance ?? runningVariance.values.map { Double($0) }
        let inverse = variance.map { Float(1 / ($0 + BatchNorm.eps).squareRoot()) }
        if let statistics { follow(statistics, rows: rowsOfAll) }
        let out = Tensor(x.shape, on: x.device)
        let partition = Partition(rows: rows, target: 256)
        x.device.parallel(partition.tasks) { task, _ in
            let (part, at) = (partition[task], partition[task].lowerBound * C)
            kernels.batch_norm(
                x.pointer + at, out.pointer + at, part.count, C, mean, inverse, weight.pointer,
                bias.pointer)
        }
        guard let tape = x.tape else { return out }
        return tape.record(out) { [weight, bias] d in
            let sums = doubleSums(partition, columns: 2 * C, on: x.device) { part, sums in
                let at = part.lowerBound * C
                kernels.batch_norm_sums(
                    x.pointer + at, d.pointer + at, sums, part.count, C, mean, inverse)
            }
            if tape.trainsParameters, let dWeight = weight.trainable, let dBias = bias.trainable {
                for c in 0..<C {
                    dBias.gradient.pointer[c] += Float(sums[c])
                    dWeight.gradient.pointer[c] += Float(sums[C + c])
                }
                (dWeight.hasGradient, dBias.hasGradient) = (true, true)
            }
            // dx = w·r·(d − Σd/m − x̂·Σ(d·x̂)/m); running statistics do not depend on x.
            let all = processes?.sum(sums) ?? sums
            let a = (0..<C).map { weight.pointer[$0] * inverse[$0] }
            let m = Double(rowsOfAll)
            let b = (0..<C).map {
                training ? Float(-Double(a[$0] * inverse[$0]) * all[C + $0] / m) : 0
            }
            let c = (0..<C).map { training ? Float(-Double(a[$0]) * all[$0] / m) : 0 }
            let dx = Tensor(x.shape, on: x.device)
            x.device.parallel(partition.tasks) { task, _ in
                let (part, at) = (partition[task], partition[task].lowerBound * C)
                kernels.batch_norm_backward(
                    x.pointer + at, d.pointer + at, dx.pointer + at, part.count, C, mean, a, b, c)
            }
            tape.add(dx, to: x)
        }
    }

    private func follow(_ statistics: Statistics, rows: Int) {
        let unbias = rows > 1 ? Double(rows) / Double(rows - 1) : 1
        for c in runningMean.values.indices {
            func moved(_ old: Float, _ new: Double) -> Float {
                Float((1 - BatchNorm.momentum) * Double(old) + BatchNorm.momentum * new)
            }
            runningMean.values[c] = moved(runningMean.values[c], statistics.exactMean[c])
            runningVariance.values[c] = moved(
                runningVariance.values[c], statistics.variance[c] * unbias)
        }
        batches.values[0] += 1
    }

    /// Means and biased variances by channel, summed in double.
    private struct Statistics {
        let exactMean, variance: [Double]
        var mean: [Float] { exactMean.map { Float($0) } }

        init(_ x: Tensor, _ processes: Processes?) {
            let (C, rows) = (x.dim(-1), x.rows)
            let count = Double(rows * (processes?.count ?? 1))
            let partition = Partition(rows: rows, target: 256)
            func moments(_ mean: [Double]?) -> [Double] {
                let sums = doubleSums(partition, columns: C, on: x.device) { part, sums in
                    kernels.column_moments(
                        x.pointer + part.lowerBound * C, mean, sums, part.count, C)
                }
                return (processes?.sum(sums) ?? sums).map { $0 / count }
            }
            exactMean = moments(nil)
            variance = moments(exactMean)
        }
    }
}

/// Sums by column that tasks make in double, added up in the order of the tasks.
private func doubleSums(
    _ partition: Partition, columns: Int, on device: Device,
    _ body: (Range<Int>, UnsafeMutablePointer<Double>) -> Void
) -> [Double] {
    let parts = UnsafeMutablePointer<Double>.allocate(capacity: partition.tasks * columns)
    defer { parts.deallocate() }
    parts.initialize(repeating: 0, count: partition.tasks * columns)
    device.parallel(partition.tasks) { task, _ in body(partition[task], parts + task * columns) }
    return (0..<columns).map { c in
        (0..<partition.tasks).reduce(0.0) { $0 + parts[$1 * columns + c] }
    }
}
