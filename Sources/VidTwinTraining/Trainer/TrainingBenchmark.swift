import VidTwin

/// How long a batch of training takes, by its parts, beside what the product library reaches.
package struct TrainingBenchmark: Sendable {
    /// Seconds of each batch, both optimizers' steps among them.
    package let batchSeconds: [Double]
    /// Mean seconds by part, in the order of a batch.
    package let parts: [(name: String, seconds: Double)]
    /// Multiplications and additions of a batch's products, counted while they ran.
    package let operations: Double
    /// Multiplications and additions a second of the model's large products alone.
    package let ceiling: Double
    /// The part of the batches' time that data was waited for; nil with made-up clips.
    package let waiting: Double?

    /// The median time of a batch.
    package var medianSeconds: Double { batchSeconds.sorted()[batchSeconds.count / 2] }
    /// Multiplications and additions a second.
    package var rate: Double { operations / medianSeconds }

    /// Trains on made-up clips, or on those of videos: a batch to warm up, then `batches`; learning rates are
    /// 0, so that the weights stay what they are. With videos, as many batches more warm up as are read
    /// ahead, so that those that are measured find no more than decoding keeps up with.
    ///
    /// - Parameters:
    ///   - objective: what is computed.
    ///   - options: of both optimizers.
    ///   - clips: of a batch.
    ///   - batches: that are measured.
    ///   - adversarial: whether generator and discriminator play.
    ///   - data: where clips come from, for so many batches; made up without.
    /// - Throws: what the objective and the optimizers throw.
    package init(
        _ objective: Objective, _ options: AdamOptions, clips: Int, batches: Int,
        adversarial: Bool, data: ((_ batches: Int) throws -> TrainingData)? = nil
    ) throws {
        let (model, device) = (objective.model, objective.model.device)
        let c = model.configuration
        let shape = model.clipShape(count: clips)
        let count = shape.reduce(1, *)
        let values = (0..<count).map { i in
            Float((i &* 7 / c.width + i % c.width &* 3) % 251) / 125 - 1
        }
        let madeUp = Tensor(shape, values, on: device)
        let generator = Optimizer(objective.generatorParameters, options, on: device)
        let discriminator = Optimizer(objective.discriminatorParameters, options, on: device)
        var (steps, seconds): ([String: Double], [Double]) = ([:], [])
        func step(_ optimizer: Optimizer, _ name: String) throws {
            let start = monotonicSeconds()
            _ = optimizer.gradientNorm()
            try optimizer.step(rate: 0)
            steps[name, default: 0] += monotonicSeconds() - start
        }
        var (ceilings, operations): ([Double], Double) = ([], 0)
        var products = try ProductCeiling(model)
        // Reading must not go on while something else is measured.
        if data != nil { for _ in 0..<5 { ceilings.append(products.measure()) } }
        let videos = try data?(2 * batches + 64)
        defer { videos?.close() }
        let warmUp = 1 + (videos?.options.prefetch ?? 0)
        for batch in 0..<warmUp + batches {
            if batch == warmUp {
                (steps, objective.seconds) = ([:], [:])
                _ = videos?.takeWaited()
            }
            if data == nil { ceilings.append(products.measure()) }
            _ = device.takeCounts()
            let start = monotonicSeconds()
            let input = try videos?.next(clips, on: device).clips ?? madeUp
            generator.zeroGradients()
            discriminator.zeroGradients()
            _ = try objective.microBatch(
                input, batch: batch, firstClip: 0, scale: 1, generatorActive: adversarial,
                discriminatorActive: adversarial)
            try step(generator, "optimizer, generator")
            if adversarial { try step(discriminator, "optimizer, discriminator") }
            if batch >= warmUp { seconds.append(monotonicSeconds() - start) }
            operations = device.takeCounts().operations
        }
        batchSeconds = seconds
        waiting = videos.map { $0.takeWaited() / seconds.reduce(0, +) }
        self.operations = operations
        ceiling = ceilings.sorted()[ceilings.count / 2]
        let shares = Double(batches)
        let names = [
            "packing of weights", "forward", "L1 and LPIPS", "adversarial term", "backward",
            "discriminator",
        ]
        parts =
            names.compactMap { name in objective.seconds[name].map { (name, $0 / shares) } }
            + steps.sorted { $0.key > $1.key }.map { ($0.key, $0.value / shares) }
    }
}
