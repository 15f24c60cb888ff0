import TensorFiles
import Testing
import VidTwin
import VidTwinKernels
import VidTwinTestSupport
import VidTwinTraining

/// The ops of the losses, beside those of the model, which `OpCaseTests` has.
@Suite struct `Golden loss ops` {
    private let golden: Checkpoint
    private let device = Device(threads: 2)

    init() throws {
        golden = try Checkpoint(path: "\(TrainingGoldens.folder)/ops.safetensors")
    }

    private func values(_ name: String) throws -> [Float] { try golden.values(name) }

    private func tensor(_ name: String) throws -> Tensor {
        let shape = golden.tensors[name]?.shape ?? []
        return Tensor(shape.isEmpty ? [1] : shape, try values(name), on: device)
    }

    private func check(_ loss: Loss, _ name: String, _ input: String, sign: Double = 1) throws {
        let upstream = Double(try values("\(name)/d.0")[0])
        let expected = try values("\(name)/grad.\(input)")
        let found = loss.gradient.values.map { Float(Double($0) * upstream * sign) }
        #expect(Difference(found, expected).relative <= 1e-5, "\(name) \(input)")
    }

    @Test(arguments: ["hingeD.corners", "vanillaD.softplus"])
    func `the discriminator's losses`(_ name: String) throws {
        let kind: LossConfiguration.DiscriminatorLoss =
            name.hasPrefix("hinge") ? .hinge : .vanilla
        let real = AdversarialLoss.discriminator(
            try tensor("\(name)/in.real"), areReal: true, kind)
        let fake = AdversarialLoss.discriminator(
            try tensor("\(name)/in.fake"), areReal: false, kind)
        let value = Double(try values("\(name)/out.0")[0])
        #expect(abs(real.value + fake.value - value) <= 1e-6 * abs(value))
        try check(real, name, "real")
        try check(fake, name, "fake")
    }

    @Test(arguments: [
        ("generatorHinge.mean", false), ("generatorCrossEntropy.softplus_of_mean", true),
    ])
    func `the generator's losses`(_ name: String, _ usesCrossEntropy: Bool) throws {
        let loss = AdversarialLoss.generator(
            try tensor("\(name)/in.logits"), usesCrossEntropy: usesCrossEntropy)
        let value = Double(try values("\(name)/out.0")[0])
        #expect(abs(loss.value - value) <= 1e-6 * abs(value))
        try check(loss, name, "logits")
    }

    @Test func `LeCam's regularisation`() throws {
        let name = "lecam.reg"  // averages: real 0.1, fake 0.2
        let real = AdversarialLoss.lecam(
            try tensor("\(name)/in.real"), areReal: true, average: 0.2)
        let fake = AdversarialLoss.lecam(
            try tensor("\(name)/in.fake"), areReal: false, average: 0.1)
        let value = Double(try values("\(name)/out.0")[0])
        #expect(abs(real.value + fake.value - value) <= 1e-6 * abs(value))
        try check(real, name, "real")
        try check(fake, name, "fake")
    }

    @Test func `L1 under a variance`() throws {
        let name = "l1.nll"  // two frames of two numbers
        let lambda = try values("\(name)/in.logvar")[0]
        let upstream = try values("\(name)/d.0")[0]
        let difference = AbsoluteDifference(
            try tensor("\(name)/in.x"), try tensor("\(name)/in.y"))
        let nll = (difference.sum * Double(1 / exponential(lambda)) + 4 * Double(lambda)) / 2
        #expect(abs(nll - Double(try values("\(name)/out.0")[0])) <= 2e-6 * abs(nll))
        let gradient = difference.gradient(upstream / exponential(lambda) / 2).values
        let expected = try values("\(name)/grad.y")
        #expect(Difference(gradient, expected).relative <= 1e-6)
        #expect(gradient[0] == 0, "the slope at 0 is 0")
    }

    private func exponential(_ x: Float) -> Float {
        // e^x by halving: no C library in this test.
        var (term, sum): (Double, Double) = (1, 1)
        for n in 1..<30 {
            term *= Double(x) / Double(n)
            sum += term
        }
        return Float(sum)
    }

    /// `[N, C, H, W]` to `[N, H, W, C]`.
    private func channelsLast(_ x: [Float], _ shape: [Int]) -> [Float] {
        let (N, C, inner) = (shape[0], shape[1], shape[2...].reduce(1, *))
        var out = x
        for n in 0..<N {
            for c in 0..<C {
                for i in 0..<inner { out[(n * inner + i) * C + c] = x[(n * C + c) * inner + i] }
            }
        }
        return out
    }

    @Test(arguments: [true, false])
    func `batch norm`(_ training: Bool) throws {
        let name = training ? "batchNorm.train" : "batchNorm.eval"
        let shape = golden.tensors["\(name)/in.x"]?.shape ?? []
        let plan = WeightPlan()
        let norm = BatchNorm(Weights(plan), width: 3, name: "norm")
        for (parameter, entry) in [(norm.weight, "w"), (norm.bias, "b")] {
            let buffer = try #require(AlignedBuffer(count: 3))
            buffer.pointer.update(from: try values("\(name)/in.\(entry)"), count: 3)
            parameter.fill(.trainable(try TrainableValues(parameter, value: buffer)))
        }
        norm.runningMean.values = try values("\(name)/in.running_mean")
        norm.runningVariance.values = try values("\(name)/in.running_var")
        let tape = Tape()
        let moved = [shape[0]] + shape[2...] + [shape[1]]
        func array(_ entry: String) throws -> [Float] {
            channelsLast(try values("\(name)/\(entry)"), shape)
        }
        let x = tape.watch(Tensor(moved, try array("in.x"), on: device))
        let y = norm(x, training: training)
        #expect(Difference(y.values, try array("out.0")).relative <= 1e-5)
        tape.backward([(y, Tensor(moved, try array("d.0"), on: device))])
        let dx = try #require(tape.gradient(of: x))
        #expect(Difference(dx.values, try array("grad.x")).relative <= 1e-5)
        for (parameter, entry) in [(norm.weight, "w"), (norm.bias, "b")] {
            let trained = try #require(parameter.trainable)
            let found = Array(UnsafeBufferPointer(start: trained.gradient.pointer, count: 3))
            #expect(
                Difference(found, try values("\(name)/grad.\(entry)")).relative <= 1e-5, "\(entry)")
        }
        if training {
            let (mean, variance) = (
                try values("\(name)/after.running_mean"), try values("\(name)/after.running_var")
            )
            #expect(Difference(norm.runningMean.values, mean).relative <= 1e-6)
            #expect(Difference(norm.runningVariance.values, variance).relative <= 1e-6)
            #expect(norm.batches.values == [1])
        } else {
            #expect(norm.batches.values == [0])
        }
    }
}
