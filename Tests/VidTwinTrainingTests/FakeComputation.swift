import VidTwin
import VidTwinTraining

/// A computation that is quick and knows nothing of video: each parameter is drawn to a number that
/// depends on the clips, their numbers and the batch.
final class FakeComputation: BatchComputation {
    let generatorParameters, discriminatorParameters: [Parameter]
    let discriminatorBuffers: [StateBuffer]
    var fixedLogVariance: Float?
    var lecam: (real: Double, fake: Double) = (0, 0)
    /// Batches in which the loss is NaN.
    var nanBatches: Set<Int> = []

    init(
        generator: [Parameter], discriminator: [Parameter], buffers: [StateBuffer] = [],
        fixedLogVariance: Float? = nil
    ) {
        (generatorParameters, discriminatorParameters) = (generator, discriminator)
        (discriminatorBuffers, self.fixedLogVariance) = (buffers, fixedLogVariance)
    }

    private func add(_ parameters: [Parameter], towards target: Float, _ scale: Double) -> Double {
        var loss = 0.0
        for parameter in parameters where !parameter.name.hasPrefix("encoder.final_layer") {
            guard let values = parameter.trainable else { continue }
            for i in 0..<parameter.count {
                let difference = values.value.pointer[i] - target
                values.gradient.pointer[i] += Float(scale) * difference
                loss += Double(difference * difference)
            }
            values.hasGradient = true
        }
        return loss
    }

    func samples(of clips: Tensor) throws -> Samples {
        var samples = Samples()
        samples.clips = [("inputs", clips)]
        return samples
    }

    func microBatch(
        _ clips: Tensor, batch: Int, firstClip: Int, scale: Double, generatorActive: Bool,
        discriminatorActive: Bool
    ) throws -> [String: Double] {
        let values = clips.values
        let mean = values.reduce(0, +) / Float(values.count)
        var noise = [Float](repeating: 0, count: 1)
        Philox(seed: 23).normals(
            0..<1, site: Philox.Site.structure, clip: UInt32(firstClip), batch: UInt32(batch),
            into: &noise)
        let target = nanBatches.contains(batch) ? .nan : mean + 0.1 * noise[0]
        var terms = [
            "total_loss": add(generatorParameters, towards: target, scale), "logvar": 0,
            "rec_loss": Double(target),
        ]
        if generatorActive { terms["g_loss"] = 1 }
        if discriminatorActive {
            terms["disc_loss"] = add(discriminatorParameters, towards: -target, scale)
            lecam = (lecam.real * 0.999 + 0.001 * Double(target), lecam.fake * 0.999 - 0.001)
            for buffer in discriminatorBuffers {
                for i in buffer.values.indices { buffer.values[i] += buffer.isCount ? 1 : 0.25 }
            }
        }
        return terms
    }

    func validate(
        _ clips: Tensor, generatorActive: Bool, discriminatorActive: Bool
    ) throws -> (terms: [String: Double], reconstruction: Tensor) {
        let difference = generatorParameters.reduce(0.0) { $0 + Double($1.pointer[0]) }
        return (["rec_loss": abs(difference), "total_loss": difference], clips)
    }
}
