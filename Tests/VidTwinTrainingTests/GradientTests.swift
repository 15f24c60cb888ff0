import FoundationEssentials
import TensorFiles
import Testing
import VidTwin
import VidTwinKernels
import VidTwinTestSupport
import VidTwinTraining

/// One configuration of the golden data of training.
struct TrainingCase: CustomStringConvertible, Sendable {
    let name: String
    let loss: LossConfiguration
    let dropout: Double
    let microBatches: Int
    /// Of the clips' pattern.
    let seed: Int

    var description: String { name }
    var folder: String { "\(TrainingGoldens.folder)/\(name)" }

    static let all = [causal, noncausal, flat]

    static let causal: TrainingCase = {
        var loss = LossConfiguration(adversarialStart: 8)
        (loss.perceptualWeight, loss.adversarialWeight, loss.klWeight) = (0.05, 0.05, 0.001)
        (loss.discriminatorWidth, loss.discriminatorKind) = (4, .pictures)
        loss.learnsLogVariance = true
        return TrainingCase(name: "causal", loss: loss, dropout: 0, microBatches: 1, seed: 1)
    }()
    static let noncausal: TrainingCase = {
        var loss = LossConfiguration(adversarialStart: 7)
        (loss.perceptualWeight, loss.adversarialWeight, loss.klWeight) = (0.05, 0.05, 0.001)
        (loss.discriminatorWidth, loss.discriminatorKind) = (4, .clips)
        (loss.learnsLogVariance, loss.discriminatorLoss) = (true, .vanilla)
        (loss.usesCrossEntropy, loss.lecamWeight) = (true, 0.05)
        return TrainingCase(name: "noncausal", loss: loss, dropout: 0, microBatches: 2, seed: 2)
    }()
    static let flat: TrainingCase = {
        var loss = LossConfiguration(adversarialStart: 8)
        (loss.perceptualWeight, loss.adversarialWeight, loss.klWeight) = (0.1, 0.05, 0.001)
        (loss.discriminatorWidth, loss.discriminatorKind) = (4, .pictures)
        loss.initialLogVariance = 0.3
        return TrainingCase(name: "flat", loss: loss, dropout: 0.1, microBatches: 1, seed: 3)
    }()

    /// Losses and gradients at the initial weights.
    func objective(
        perceptual: Bool = true, on device: Device, precision: Precision = .float32,
        recomputing: Bool = false
    ) throws -> Objective {
        var loss = loss
        if !perceptual { loss.perceptualWeight = 0 }
        var options = Objective.Options()
        (options.hiddenDropout, options.attentionDropout) = (dropout, dropout)
        options.recomputesBlocks = recomputing
        return try Objective(
            try Configuration(path: "\(folder)/config.yaml"), loss,
            weights: try Checkpoint(path: "\(folder)/initial.safetensors"),
            perceptual: perceptual
                ? try LPIPS(MadeUpVGG(), sources: [], device: device, leadsBack: true) : nil,
            on: device, precision: precision, options)
    }

    /// The two clips of a micro-batch, in −1…1.
    func clips(batch: Int, micro: Int, _ model: VidTwinModel) -> Tensor {
        let c = model.configuration
        let bytes = (0..<2).flatMap { b in
            Golden.pattern(c.frames, c.height, c.width, seed + 100 * batch + 10 * micro + b)
        }
        return Tensor(
            [2, c.frames, c.height, c.width, 3], bytes.map { Float($0) / 127.5 - 1 },
            on: model.device)
    }
}

/// Which losses a group of golden gradients is of.
enum GradientGroup: String, CaseIterable, Sendable {
    case plain, before, after, disc

    /// Of all parameters together, and of the worst tensor.
    var bounds: (all: Double, worst: Double) {
        switch self {
        case .plain: (2e-6, 2e-5)
        case .before, .after: (2e-4, 7e-4)
        case .disc: (4e-6, 1e-5)
        }
    }
}

@Suite struct `Golden gradients` {
    @Test(arguments: TrainingCase.all, GradientGroup.allCases)
    func `are those of the reference`(_ one: TrainingCase, _ group: GradientGroup) throws {
        let objective = try one.objective(perceptual: group != .plain, on: Device(threads: 2))
        let terms = try gradients(one, objective, adversarial: group == .after || group == .disc)
        let found = gradientValues(
            group == .disc ? objective.discriminatorParameters : objective.generatorParameters)
        let golden = try Checkpoint(path: "\(one.folder)/gradients.safetensors")
        let difference = try GradientDifference(found, golden, prefix: group.rawValue)
        #expect(difference.all <= group.bounds.all, "\(one) \(group): \(difference)")
        #expect(difference.worst.error <= group.bounds.worst, "\(one) \(group): \(difference)")

        let curve = try JSONDecoder().decode(
            Curve.self, from: Data(Fixtures.bytes("\(one.folder)/curve.json")))
        if group != .disc { try check(terms, curve.terms(group), "\(one) \(group)") }
    }

    @Test(arguments: TrainingCase.all)
    func `every parameter but the two unused ends gets one`(_ one: TrainingCase) throws {
        let objective = try one.objective(on: Device(threads: 2))
        _ = try gradients(one, objective, adversarial: true)
        for parameter in objective.generatorParameters + objective.discriminatorParameters {
            let isUnused = ["encoder.final_layer.", "decoder.x_embedder."].contains {
                parameter.name.hasPrefix($0)
            }
            let gradient = gradientValues([parameter])[parameter.name]
            #expect((gradient == nil) == isUnused, "\(parameter.name)")
            if let gradient { #expect(gradient.contains { $0 != 0 }, "\(parameter.name) is zero") }
        }
    }

    @Test(arguments: TrainingCase.all)
    func `do not depend on threads`(_ one: TrainingCase) throws {
        func all(_ threads: Int) throws -> [String: [Float]] {
            let objective = try one.objective(on: Device(threads: threads))
            _ = try gradients(one, objective, adversarial: true)
            return gradientValues(
                objective.generatorParameters + objective.discriminatorParameters)
        }
        let alone = try all(1)
        for threads in [2, 5] {
            let some = try all(threads)
            // Not compared within `expect`, which would look for the edits between long lists.
            let others = alone.keys.sorted().filter { some[$0] != alone[$0] }
            let worst = others.first.map { name in
                "\(name): \(Difference(some[name] ?? [], alone[name] ?? []))"
            }
            #expect(others.isEmpty, "\(threads) threads, \(others.count) others, \(worst ?? "")")
        }
    }

    @Test(arguments: TrainingCase.all)
    func `are the same to rounding when blocks are computed again`(_ one: TrainingCase) throws {
        let kept = try one.objective(perceptual: false, on: Device(threads: 2))
        let again = try one.objective(
            perceptual: false, on: Device(threads: 2), recomputing: true)
        let a = try gradients(one, kept, adversarial: false)
        let b = try gradients(one, again, adversarial: false)
        #expect(abs((a["nll_loss"] ?? 0) / (b["nll_loss"] ?? 1) - 1) < 1e-6)
        let golden = try Checkpoint(path: "\(one.folder)/gradients.safetensors")
        let difference = try GradientDifference(
            gradientValues(again.generatorParameters), golden, prefix: "plain")
        #expect(difference.all <= 2e-6 && difference.worst.error <= 2e-5, "\(difference)")
    }

    @Test(arguments: TrainingCase.all)
    func `in bfloat16 point the same way`(_ one: TrainingCase) throws {
        let objective = try one.objective(
            perceptual: false, on: Device(threads: 2), precision: .bfloat16)
        _ = try gradients(one, objective, adversarial: false)
        let golden = try Checkpoint(path: "\(one.folder)/gradients.safetensors")
        let difference = try GradientDifference(
            gradientValues(objective.generatorParameters), golden, prefix: "plain")
        #expect(difference.all <= 3e-2, "\(difference)")
        #expect(difference.all > 1e-5, "not bfloat16: \(difference)")
    }

    @Test func `no copy for products outlives the way back, nor memory of other losses`() throws {
        let device = Device(threads: 2)
        let one = TrainingCase.causal
        let objective = try one.objective(on: device, recomputing: true)
        let matrices = objective.model.parameters.filter { $0.trainable?.wantsPacking ?? false }
        #expect(matrices.count > 10)
        for _ in 0..<2 {
            _ = try gradients(one, objective, adversarial: true)
            let left = matrices.filter { !($0.trainable?.wantsPacking ?? true) }.map(\.name)
            #expect(left.isEmpty, "\(left)")
            // The reconstruction's and its features'; LPIPS and the discriminator have many more.
            let clips = 4 * objective.model.clipShape(count: 2).reduce(1, *)
            #expect(device.keptBytes.tensors <= 4 * clips, "\(device.keptBytes) \(clips)")
        }
    }

    /// Adds up a batch's gradients, as its golden data was made; returns the terms' means.
    private func gradients(
        _ one: TrainingCase, _ objective: Objective, adversarial: Bool
    ) throws -> [String: Double] {
        var terms: [String: Double] = [:]
        for micro in 0..<one.microBatches {
            let found = try objective.microBatch(
                one.clips(batch: 0, micro: micro, objective.model), batch: 0, firstClip: 2 * micro,
                scale: 1 / Double(one.microBatches), generatorActive: adversarial,
                discriminatorActive: adversarial)
            terms.merge(found.mapValues { $0 / Double(one.microBatches) }, uniquingKeysWith: +)
        }
        return terms
    }

    private func check(
        _ found: [String: Double], _ expected: [String: Double], _ what: String
    ) throws {
        let others: Set = [
            "grad_norm_g", "grad_norm_d", "lr_g", "lr_d", "nll_grad_norm", "g_grad_norm",
        ]
        for (name, value) in expected where !others.contains(name) {
            if what.hasSuffix("plain") || what.hasSuffix("before"), name == "g_loss" { continue }
            let it = try #require(found[name], "\(what): no \(name)")
            let bound = TermBound.of(name)
            #expect(
                abs(it - value) / (abs(value) + 1e-3) <= bound,
                "\(what): \(name) \(it), expected \(value)")
        }
    }
}

/// How far a term of the log may be from the golden one.
enum TermBound {
    static func of(_ name: String) -> Double {
        switch name {
        case "nll_loss", "rec_loss", "p_loss", "total_loss", "logvar": 2e-6
        case "disc_loss", "non_saturated_d_loss": 5e-6
        default: 1e-4
        }
    }
}

/// What the golden data say of losses.
struct Curve: Decodable {
    let plain, before, after: [String: Double]
    let steps: [[String: Double]]

    func terms(_ group: GradientGroup) -> [String: Double] {
        switch group {
        case .plain: plain
        case .before: before
        case .after, .disc: after
        }
    }
}

/// The gradients that were added up, by name.
func gradientValues(_ parameters: [Parameter]) -> [String: [Float]] {
    var values: [String: [Float]] = [:]
    for parameter in parameters {
        guard let trained = parameter.trainable, trained.hasGradient else { continue }
        values[parameter.name] = Array(
            UnsafeBufferPointer(start: trained.gradient.pointer, count: parameter.count))
    }
    return values
}

/// How far gradients are from golden ones, key biases left out: ‖a−b‖ / ‖b‖ of all, and the worst
/// tensor's ‖a−b‖ / (‖b‖ + 1e-4 ‖all b‖).
struct GradientDifference: CustomStringConvertible {
    let all: Double
    let worst: (error: Double, name: String)

    init(_ found: [String: [Float]], _ golden: Checkpoint, prefix: String) throws {
        let names = golden.tensors.keys.filter { $0.hasPrefix(prefix + "/") }.sorted()
        var (squares, errors): ([Double], [Double]) = ([], [])
        for name in names {
            let short = String(name.dropFirst(prefix.count + 1))
            let expected = try golden.values(name)
            let it = found[short] ?? [Float](repeating: .nan, count: expected.count)
            var (square, error) = (0.0, it.count == expected.count ? 0.0 : .infinity)
            for i in 0..<min(expected.count, it.count)
            where !GradientDifference.isFree(short, i, expected.count) {
                square += Double(expected[i]) * Double(expected[i])
                let difference = Double(expected[i]) - Double(it[i])
                error += difference * difference
            }
            squares.append(square)
            errors.append(error)
        }
        let whole = squares.reduce(0, +).squareRoot()
        all = errors.reduce(0, +).squareRoot() / whole
        let each = names.indices.map {
            errors[$0].squareRoot() / (squares[$0].squareRoot() + 1e-4 * whole)
        }
        let at = each.indices.max { !(each[$0] >= each[$1]) } ?? 0
        worst = (each[at], names[at])
        if names.isEmpty { fatalError("no golden gradients of \(prefix)") }
    }

    /// A key's bias moves every score of a row alike: its gradient is zero but for rounding.
    static func isFree(_ name: String, _ index: Int, _ count: Int) -> Bool {
        name.hasSuffix("attention.key.bias")
            || name.hasSuffix(".qkv.bias") && (count / 3..<2 * count / 3).contains(index)
    }

    var description: String { "all \(all), worst \(worst.error) (\(worst.name))" }
}
