package import VidTwin

/// What keeps the processes of a run together: gradients, terms and the state that is not trained are
/// those of the whole batch in each of them.
package final class DataParallel {
    package let processes: Processes
    package let generator, discriminator: GradientReduction
    private let computation: any BatchComputation
    private let device: Device
    private var discriminatorTrains = false
    /// Whether the norms of the discriminator keep statistics of their own process, of which rank 0's
    /// are taken.
    private let hasOwnStatistics: Bool

    package init(
        _ processes: Processes, _ computation: any BatchComputation, syncsNorms: Bool,
        on device: Device
    ) {
        (self.processes, self.computation, self.device) = (processes, computation, device)
        generator = GradientReduction(computation.generatorParameters, processes)
        discriminator = GradientReduction(computation.discriminatorParameters, processes)
        hasOwnStatistics = !syncsNorms
    }

    /// The last part of a batch begins.
    func begin(discriminatorTrains: Bool) {
        self.discriminatorTrains = discriminatorTrains
        generator.begin()
        if discriminatorTrains { discriminator.begin() }
    }

    /// Waits for the gradients of a batch, and gives the means of terms that all processes have.
    ///
    /// - Throws: `ModelError.memory`, `TrainingError`.
    func finish(_ terms: [String: Double]) throws -> [String: Double] {
        try generator.finish()
        if discriminatorTrains { try discriminator.finish() }
        if hasOwnStatistics { shareStatistics() }
        let names = terms.keys.sorted()
        let sums = processes.sum(names.map { terms[$0] ?? 0 })
        return Dictionary(
            uniqueKeysWithValues: zip(names, sums.map { $0 / Double(processes.count) }))
    }

    /// Puts rank 0's state beside the parameters into all.
    private func shareStatistics() {
        for buffer in computation.discriminatorBuffers {
            let count = buffer.values.count
            buffer.values.withUnsafeMutableBufferPointer {
                if let base = $0.baseAddress { processes.broadcast(base, count) }
            }
        }
    }

    /// Puts rank 0's weights into all.
    func shareWeights() {
        for parameter in computation.generatorParameters + computation.discriminatorParameters {
            guard let values = parameter.trainable else { continue }
            processes.broadcast(values.value.pointer, values.count)
            values.valuesChanged()
        }
        shareStatistics()
    }

    /// Makes sure that all processes have the same weights.
    ///
    /// - Throws: `TrainingError.failure` in all, with the rank that has others.
    func compareWeights() throws {
        let parameters = computation.generatorParameters + computation.discriminatorParameters
        let hashes = [UInt64](unsafeUninitializedCapacity: parameters.count) { hashes, used in
            let base = hashes.baseAddress
            device.parallel(parameters.count) { index, _ in
                var hash = StateHash()
                hash.add(parameters[index].pointer, parameters[index].count)
                base?[index] = hash.value
            }
            used = parameters.count
        }
        var all = StateHash()
        for hash in hashes { all.add(hash) }
        try processes.compare(all.value, "the weights")
    }
}
