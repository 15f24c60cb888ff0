package import VidTwinKernels

/// `f(x)`, element by element.
package func activate(_ x: Tensor, _ f: Activation) -> Tensor {
    let out = Tensor(x.shape, on: x.device)
    elementwise(x) { at, count in
        kernels.activate(x.pointer + at, out.pointer + at, count, f.code)
    }
    guard let tape = x.tape else { return out }
    // ReLUs keep the sign: their input need not live on for their derivative.
    let known = f == .relu || f == .leakyReLU ? out : x.unmarked
    return tape.record(out) { [node = x.node] d in
        tape.add(activationGradient(known, d, f), to: node)
    }
}

/// `d · f'(x)`; for ReLU and leaky ReLU, x may be the output.
func activationGradient(_ x: Tensor, _ d: Tensor, _ f: Activation) -> Tensor {
    let out = Tensor(x.shape, on: x.device)
    elementwise(x) { at, count in
        kernels.activate_backward(x.pointer + at, d.pointer + at, out.pointer + at, count, f.code)
    }
    return out
}

/// x limited to `low...high`; NaN stays NaN. The gradient passes within, the ends included.
package func clamp(_ x: Tensor, _ low: Float, _ high: Float) -> Tensor {
    let out = Tensor(x.shape, on: x.device)
    elementwise(x) { at, count in
        let (x, y) = (x.pointer + at, out.pointer + at)
        for i in 0..<count { y[i] = x[i] < low ? low : x[i] > high ? high : x[i] }
    }
    guard let tape = x.tape else { return out }
    return tape.record(out) { d in
        let dx = Tensor(x.shape, on: x.device)
        elementwise(x) { at, count in
            let (x, d, dx) = (x.pointer + at, d.pointer + at, dx.pointer + at)
            for i in 0..<count { dx[i] = x[i] >= low && x[i] <= high ? d[i] : 0 }
        }
        tape.add(dx, to: x)
    }
}

/// `x · factors`, element by element; the factors, a mask of dropout say, have no gradient.
package func scaled(_ x: Tensor, by factors: Tensor) -> Tensor {
    precondition(x.count == factors.count, "\(x.shape) · \(factors.shape)")
    func multiplied(_ x: Tensor) -> Tensor {
        let out = Tensor(x.shape, on: x.device)
        elementwise(x) { at, count in
            let (x, f, y) = (x.pointer + at, factors.pointer + at, out.pointer + at)
            for i in 0..<count { y[i] = x[i] * f[i] }
        }
        return out
    }
    let out = multiplied(x)
    guard let tape = x.tape else { return out }
    return tape.record(out) { d in tape.add(multiplied(d), to: x) }
}

/// Runs `body(first, count)` over the elements of x in parts.
func elementwise(_ x: Tensor, _ body: (_ at: Int, _ count: Int) -> Void) {
    let partition = Partition(rows: x.count, target: 1 << 15)
    x.device.parallel(partition.tasks) { task, _ in
        body(partition[task].lowerBound, partition[task].count)
    }
}
