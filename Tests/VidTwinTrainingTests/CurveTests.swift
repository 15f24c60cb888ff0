import FoundationEssentials
import TensorFiles
import Testing
import VidTwin
import VidTwinKernels
import VidTwinTestSupport
import VidTwinTraining

/// Ten batches of both optimizers, as `curve.json` and `final.safetensors` have them.
@Suite struct `Golden curves` {
    /// Optimizer of a case, and clipping.
    private func recipe(_ one: TrainingCase) -> (options: AdamOptions, clip: Double?) {
        switch one.name {
        case "causal": (AdamOptions(kind: .adamW, betas: (0, 0.9), weightDecay: 1e-4), nil)
        case "noncausal": (AdamOptions(kind: .adam, betas: (0.9, 0.99), weightDecay: 1e-2), nil)
        default: (AdamOptions(kind: .adamW, betas: (0.9, 0.99), weightDecay: 1e-2), 20)
        }
    }

    @Test(arguments: TrainingCase.all)
    func `terms and weights follow the reference for ten batches`(_ one: TrainingCase) throws {
        let device = Device(threads: 2)
        let objective = try one.objective(on: device)
        let (options, clip) = recipe(one)
        // `causal` meets two corners: on some CPU levels a maximum of VGG in batch 6, on all a leaky ReLU
        // of the discriminator in batch 9 rounds to the other side than in float64. Before them its
        // terms are as near as the others'.
        let slack: Double = one.name == "causal" ? 20 : 1
        let generator = Optimizer(objective.generatorParameters, options, on: device)
        let discriminator = Optimizer(objective.discriminatorParameters, options, on: device)
        let curve = try JSONDecoder().decode(
            Curve.self, from: Data(Fixtures.bytes("\(one.folder)/curve.json")))
        #expect(curve.steps.count == 10)
        for (batch, expected) in curve.steps.enumerated() {
            let active = one.loss.active(batch: batch)
            generator.zeroGradients()
            discriminator.zeroGradients()
            var terms: [String: Double] = [:]
            for micro in 0..<one.microBatches {
                let found = try objective.microBatch(
                    one.clips(batch: batch, micro: micro, objective.model), batch: batch,
                    firstClip: 2 * micro, scale: 1 / Double(one.microBatches),
                    generatorActive: active.generator, discriminatorActive: active.discriminator)
                terms.merge(
                    found.mapValues { $0 / Double(one.microBatches) }, uniquingKeysWith: +)
            }
            func step(_ optimizer: Optimizer, _ name: String, _ rate: String) throws {
                let norm = optimizer.gradientNorm()
                terms[name] = norm
                try optimizer.step(
                    rate: try #require(expected[rate]),
                    scale: clip.map { min(1, $0 / (norm + 1e-6)) } ?? 1)
            }
            try step(generator, "grad_norm_g", "lr_g")
            if active.discriminator { try step(discriminator, "grad_norm_d", "lr_d") }
            let unlogged: Set = ["lr_g", "lr_d", "nll_grad_norm", "g_grad_norm"]
            for (name, value) in expected where !unlogged.contains(name) {
                let it = try #require(terms[name], "batch \(batch): no \(name)")
                let error = abs(it - value) / (abs(value) + 1e-3)
                #expect(
                    error <= TermBound.of(name) * slack,
                    "batch \(batch): \(name) \(it), expected \(value)")
            }
        }
        let initial = try Checkpoint(path: "\(one.folder)/initial.safetensors")
        let final = try Checkpoint(path: "\(one.folder)/final.safetensors")
        for (what, parameters) in [
            ("generator", objective.generatorParameters),
            ("discriminator", objective.discriminatorParameters),
        ] {
            var (whole, errors): (Double, [(String, Double, Double)]) = (0, [])
            for parameter in parameters {
                let (a, b) = (try initial.values(parameter.name), try final.values(parameter.name))
                let found = values(parameter)
                var (moved, error) = (0.0, 0.0)
                for i in a.indices where !GradientDifference.isFree(parameter.name, i, a.count) {
                    moved += (Double(b[i]) - Double(a[i])) * (Double(b[i]) - Double(a[i]))
                    error += (Double(found[i]) - Double(b[i])) * (Double(found[i]) - Double(b[i]))
                }
                whole += moved
                errors.append((parameter.name, moved, error))
            }
            let all = (errors.reduce(0) { $0 + $1.2 } / whole).squareRoot()
            let worst = errors.map {
                ($0.0, $0.2.squareRoot() / ($0.1.squareRoot() + 1e-4 * whole.squareRoot()))
            }.max { $0.1 < $1.1 }
            let bounds = what == "generator" ? (all: 5e-4, worst: 2e-3) : (all: 6e-5, worst: 3e-4)
            #expect(all <= bounds.all * min(slack, 4), "\(what): \(all)")
            let error = try #require(worst)
            #expect(error.1 <= bounds.worst * min(slack, 4), "\(what): \(error)")
        }
    }
}
