package import VidTwin
package import VidTwinKernels

/// Adam or AdamW over a list of parameters.
///
/// Everything runs in pieces that depend on the sizes alone, so results do not depend on threads.
package final class Optimizer {
    /// What Adam keeps of a parameter, from its first step on.
    package struct State {
        /// Steps done.
        package var step: Int
        /// The average of gradients; nil with β₁ = 0, where it is the last gradient.
        package var mean: AlignedBuffer?
        /// The average of their squares.
        package var square: AlignedBuffer
    }

    package let options: AdamOptions
    package let parameters: [Parameter]
    /// What each parameter's learning rate is multiplied by.
    package let rateScales: [Double]
    /// One a parameter, nil where it never had a gradient.
    package internal(set) var states: [State?]
    /// What the last step multiplied gradients by: with β₁ = 0 the saved average is made of it.
    package internal(set) var lastScale: Double = 0

    private let device: Device
    private let pieces: [Piece]

    /// A part of a parameter that one task works on.
    private struct Piece {
        let parameter: Int
        let range: Range<Int>
    }
    private static let pieceSize = 1 << 16

    /// An optimizer of these parameters; `rateScales` has one a parameter, nil is 1 for all.
    package init(
        _ parameters: [Parameter], _ options: AdamOptions, rateScales: [Double]? = nil,
        on device: Device
    ) {
        (self.parameters, self.options, self.device) = (parameters, options, device)
        self.rateScales = rateScales ?? Array(repeating: 1, count: parameters.count)
        states = Array(repeating: nil, count: parameters.count)
        pieces = parameters.indices.flatMap { index in
            let count = parameters[index].count
            return stride(from: 0, to: count, by: Optimizer.pieceSize).map {
                Piece(parameter: index, range: $0..<min($0 + Optimizer.pieceSize, count))
            }
        }
    }

    private func values(_ index: Int) -> TrainableValues {
        guard let values = parameters[index].trainable else {
            preconditionFailure("\(parameters[index].name) is frozen and has no optimizer")
        }
        return values
    }

    /// Makes all gradients zero.
    package func zeroGradients() {
        device.parallel(parameters.count) { index, _ in values(index).zeroGradient() }
    }

    /// The 2-norm of all gradients together; NaN or infinite where one of them is.
    package func gradientNorm() -> Double {
        let sums = UnsafeMutablePointer<Double>.allocate(capacity: max(pieces.count, 1))
        defer { sums.deallocate() }
        device.parallel(pieces.count) { task, _ in
            let piece = pieces[task]
            let values = values(piece.parameter)
            sums[task] =
                values.hasGradient
                ? squareSum(values.gradient.pointer + piece.range.lowerBound, piece.range.count)
                : 0
        }
        return (0..<pieces.count).reduce(0) { $0 + sums[$1] }.squareRoot()
    }

    /// Names of parameters whose gradient is not finite.
    package func nonFiniteGradients() -> [String] {
        parameters.indices.filter { index in
            let values = values(index)
            return values.hasGradient
                && !squareSum(values.gradient.pointer, values.count).isFinite
        }.map { parameters[$0].name }
    }

    /// Steps every parameter that has a gradient, multiplied by `scale`.
    ///
    /// - Throws: `ModelError.memory` at a parameter's first step.
    package func step(rate: Double, scale: Double = 1) throws {
        let active = parameters.indices.map { values($0).hasGradient }
        for index in parameters.indices where active[index] {
            states[index] = try states[index] ?? newState(index)
            states[index]?.step += 1
        }
        lastScale = scale
        let rules = parameters.indices.map { index in
            AdamRule<Float>(
                options, rate: rate * rateScales[index], step: states[index]?.step ?? 1,
                gradientScale: scale)
        }
        device.parallel(pieces.count) { task, _ in
            let (index, range) = (pieces[task].parameter, pieces[task].range)
            guard active[index], let state = states[index] else { return }
            let (values, start) = (values(index), range.lowerBound)
            rules[index].step(
                values.value.pointer + start, values.gradient.pointer + start,
                state.mean.map { $0.pointer + start }, state.square.pointer + start,
                count: range.count)
        }
        for index in parameters.indices where active[index] { values(index).valuesChanged() }
    }

    /// A parameter's state of zeros.
    package func newState(_ index: Int) throws -> State {
        func zeros() throws -> AlignedBuffer {
            let parameter = parameters[index]
            guard let buffer = AlignedBuffer(count: parameter.count) else {
                throw ModelError.memory(
                    what: "the optimizer's state of \(parameter.name)", bytes: 4 * parameter.count)
            }
            buffer.pointer.update(repeating: 0, count: parameter.count)
            return buffer
        }
        return State(
            step: 0, mean: options.betas.0 == 0 ? nil : try zeros(), square: try zeros())
    }

    /// Sets the state of a parameter, as a checkpoint has it.
    package func restore(
        _ index: Int, step: Int, mean: UnsafePointer<Float>, square: UnsafePointer<Float>
    ) throws {
        var state = try newState(index)
        state.step = step
        let count = parameters[index].count
        state.square.pointer.update(from: square, count: count)
        if let kept = state.mean {
            kept.pointer.update(from: mean, count: count)
        } else {
            values(index).gradient.pointer.update(from: mean, count: count)
            lastScale = 1
        }
        states[index] = state
    }

    /// Writes the average of gradients, as a checkpoint holds it.
    package func mean(_ index: Int, into destination: UnsafeMutablePointer<Float>) {
        let count = parameters[index].count
        if let mean = states[index]?.mean {
            destination.update(from: mean.pointer, count: count)
            return
        }
        let (gradient, scale) = (values(index).gradient.pointer, Float(lastScale))
        for i in 0..<count {
            let value = gradient[i] * scale
            destination[i] = value.isFinite ? value : 0
        }
    }
}

/// The sum of squares in double, in 8 lanes.
func squareSum(_ x: UnsafePointer<Float>, _ count: Int) -> Double {
    var lanes = SIMD8<Double>(repeating: 0)
    let whole = count / 8 * 8
    let raw = UnsafeRawPointer(x)
    for i in stride(from: 0, to: whole, by: 8) {
        let v = SIMD8<Double>(raw.loadUnaligned(fromByteOffset: 4 * i, as: SIMD8<Float>.self))
        lanes += v * v
    }
    var sum = lanes.sum()
    for i in whole..<count { sum += Double(x[i]) * Double(x[i]) }
    return sum
}
