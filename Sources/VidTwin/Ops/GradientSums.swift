import VidTwinKernels

/// Sums by column that the tasks of a loop make, a row for each task; added up in double, in the order
/// of the tasks, so that they do not depend on the number of threads.
struct ColumnSums {
    private let rows: Tensor  // [tasks, columns]

    init(tasks: Int, columns: Int, on device: Device) {
        rows = Tensor([tasks, columns], on: device)
        rows.withPointer { $0.update(repeating: 0, count: tasks * columns) }
    }

    /// The row of a task.
    func pointer(_ task: Int) -> UnsafeMutablePointer<Float> {
        rows.pointer + task * rows.dim(-1)
    }

    /// Adds the sums to a gradient: columns from `first` on.
    func add(to gradient: UnsafeMutablePointer<Float>, from first: Int = 0, count: Int) {
        let (tasks, columns) = (rows.dim(0), rows.dim(-1))
        rows.withPointer { rows in
            for c in 0..<count {
                var total = 0.0
                for task in 0..<tasks { total += Double(rows[task * columns + first + c]) }
                gradient[c] += Float(total)
            }
        }
    }
}

extension Parameter {
    /// Where a tape that trains parameters adds this one's gradient; nil where it is frozen.
    ///
    /// - Precondition: a tape that trains does not meet weights in a form that cannot be trained.
    func gradient(on tape: Tape) -> UnsafeMutablePointer<Float>? {
        guard tape.trainsParameters else { return nil }
        guard let values = trainable else {
            preconditionFailure("\(name) is \(form): a tape that trains cannot go through it")
        }
        values.hasGradient = true
        return values.gradient.pointer
    }
}

extension Parameter.Row {
    /// Where a tape that trains parameters adds the row's gradient; nil where it is frozen.
    func gradient(on tape: Tape) -> UnsafeMutablePointer<Float>? {
        parameter.gradient(on: tape).map { $0 + index * count }
    }
}

/// `x + y`, shapes alike.
package func sum(_ x: Tensor, _ y: Tensor) -> Tensor {
    precondition(x.count == y.count, "\(x.shape) + \(y.shape)")
    let out = Tensor(x.shape, on: x.device)
    let partition = Partition(rows: x.count, target: 1 << 16)
    x.device.parallel(partition.tasks) { task, _ in
        let (at, count) = (partition[task].lowerBound, partition[task].count)
        kernels.add(x.pointer + at, y.pointer + at, out.pointer + at, count)
    }
    guard let tape = x.tape ?? y.tape else { return out }
    return tape.record(out) { d in
        tape.add(d, to: x)
        tape.add(d, to: y)
    }
}
