import Testing
import VidTwin
import VidTwinKernels
import VidTwinTraining

/// How far one step of a weight may go.
@Suite struct `Step sizes` {
    /// Squares of weights' distances from 0, each with its own curvature.
    private final class Bowl: BatchComputation {
        let generatorParameters: [Parameter]
        let discriminatorParameters: [Parameter] = []
        let discriminatorBuffers: [StateBuffer] = []
        let fixedLogVariance: Float? = 0
        var lecam: (real: Double, fake: Double) = (0, 0)
        private let curvatures: [Double]

        /// A weight of two numbers each, at a distance; without a curvature nothing leads to it.
        init(_ weights: [(distance: Float, curvature: Double)]) throws {
            curvatures = weights.map(\.curvature)
            generatorParameters = try weights.enumerated().map { index, weight in
                let parameter = Parameter("w.\(index)", [2])
                let value = try #require(AlignedBuffer(count: 2))
                (value.pointer[0], value.pointer[1]) = (weight.distance, -weight.distance)
                parameter.fill(.trainable(try TrainableValues(parameter, value: value)))
                return parameter
            }
        }

        private func loss(_ gradient: Bool) -> Double {
            var loss = 1.0
            for (parameter, curvature) in zip(generatorParameters, curvatures) where curvature > 0 {
                guard let values = parameter.trainable else { continue }
                for i in 0..<2 {
                    let x = values.value.pointer[i]
                    loss += curvature * Double(x * x)
                    if gradient { values.gradient.pointer[i] += Float(2 * curvature) * x }
                }
                if gradient { values.hasGradient = true }
            }
            return loss
        }

        func microBatch(
            _ clips: Tensor, batch: Int, firstClip: Int, scale: Double, generatorActive: Bool,
            discriminatorActive: Bool
        ) throws -> [String: Double] { ["total_loss": loss(true)] }

        func validate(
            _ clips: Tensor, generatorActive: Bool, discriminatorActive: Bool
        ) throws -> (terms: [String: Double], reconstruction: Tensor) {
            (["total_loss": loss(false)], clips)
        }

        func samples(of clips: Tensor) throws -> Samples { Samples() }
    }

    @Test func `each weight goes twice its way to the lowest point, and is back afterwards`()
        throws
    {
        let clip = Tensor([1, 1, 1, 1, 3], [0, 0, 0], on: Device(threads: 1))
        // A step of twice the distance lands where it came from; steps are three a decade.
        let bowl = try Bowl([(1.2e-3, 1), (1.2e-3, 1e4), (3e-7, 1), (1, 1), (1, 0)])
        let sizes = try StepSizes(bowl, [clip, clip])
        let steps = sizes.weights.map(\.step)
        for (step, expected) in zip(steps, [2.154e-3, 2.154e-3, 4.642e-7, 0.1]) {
            #expect(abs((step ?? 0) / expected - 1) < 1e-3, "\(steps)")
        }
        #expect(steps.count == 5 && steps[4] == nil)
        #expect(sizes.weights.map(\.name) == (0..<5).map { "w.\($0)" })
        let values = bowl.generatorParameters.map { $0.pointer[0] }
        #expect(values == [1.2e-3, 1.2e-3, 3e-7, 1, 1])
        #expect(StepSizes.scale(step: 2e-5, rate: 1e-4) == 2e-5 / 1e-4 / 10)
        #expect(StepSizes.scale(step: 0.1, rate: 1e-4) == 1)
    }
}
