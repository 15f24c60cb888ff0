package import VidTwin
package import VidTwinKernels

/// The exponential average of weights over the steps of training, with its warm-up.
package final class AveragedWeights {
    /// How slowly it moves, in the end.
    package let decay: Double
    package let parameters: [Parameter]
    /// One a parameter, in its shape.
    package let values: [AlignedBuffer]
    /// Steps so far.
    package internal(set) var updates = 0

    private let device: Device

    /// Starts at the weights as they are.
    ///
    /// - Throws: `ModelError.memory`.
    package init(_ parameters: [Parameter], decay: Double, on device: Device) throws {
        (self.parameters, self.decay, self.device) = (parameters, decay, device)
        values = try parameters.map { parameter in
            guard let buffer = AlignedBuffer(count: parameter.count) else {
                throw ModelError.memory(
                    what: "the average of \(parameter.name)", bytes: 4 * parameter.count)
            }
            buffer.pointer.update(from: parameter.pointer, count: parameter.count)
            return buffer
        }
    }

    /// Takes the weights after a step in.
    package func update() {
        updates += 1
        let k = Double(updates)
        let rest = Float(1 - min(decay, (1 + k) / (10 + k)))
        let size = 1 << 16
        let pieces = parameters.indices.flatMap { index in
            stride(from: 0, to: parameters[index].count, by: size).map { (index, $0) }
        }
        device.parallel(pieces.count) { task, _ in
            let (index, start) = pieces[task]
            let count = min(size, parameters[index].count - start)
            let (s, p) = (values[index].pointer + start, parameters[index].pointer + start)
            for i in 0..<count { s[i] -= rest * (s[i] - p[i]) }
        }
    }

    /// Exchanges weights and averages, for a validation; twice brings both back.
    package func exchange() {
        for (parameter, average) in zip(parameters, values) {
            guard let trainable = parameter.trainable else { continue }
            let (a, b) = (trainable.value.pointer, average.pointer)
            for i in 0..<parameter.count { (a[i], b[i]) = (b[i], a[i]) }
            trainable.valuesChanged()
        }
    }
}
