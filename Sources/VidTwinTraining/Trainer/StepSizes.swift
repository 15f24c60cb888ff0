import Glibc
package import VidTwin
import VidTwinKernels

/// How far each weight may go in one step: what learning rates by name (`lr_scale`) are made from.
///
/// A step is Adam's first one: every number of one weight goes by the step's size along the sign of its
/// gradient, all others stay. A start that is constructed or trained may stand it for one weight a
/// thousand times better than for another.
package struct StepSizes {
    /// A weight, and the largest step of those tried that does not raise the loss; 0 where none is, nil
    /// where nothing leads to it.
    package struct Measured {
        package let name: String
        package let step: Double?
    }

    /// The loss where steps begin: the mean over clips of `total_loss` without the adversarial term.
    package let loss: Double
    /// In the order of the generator's optimizer.
    package let weights: [Measured]

    /// Steps that are tried: three a decade, from 1e-8 to 0.1.
    private static let tried = (0...21).map { pow(10, -8 + Double($0) / 3) }

    /// - Parameters:
    ///   - objective: the loss, and the weights where steps begin; they are left as they are.
    ///   - clips: each `[1, T, H, W, 3]` in −1…1.
    ///   - done: told how many of how many weights are measured.
    /// - Throws: `ModelError` where there is no memory, `TrainingError.failure` where the loss is not a
    ///   number.
    package init(
        _ objective: any BatchComputation, _ clips: [Tensor],
        done: (_ weights: Int, _ of: Int) -> Void = { _, _ in }
    ) throws {
        let parameters = objective.generatorParameters
        for parameter in parameters { parameter.trainable?.zeroGradient() }
        for (index, clip) in clips.enumerated() {
            _ = try objective.microBatch(
                clip, batch: 0, firstClip: index, scale: 1 / Double(clips.count),
                generatorActive: false, discriminatorActive: false)
        }
        func lossNow() throws -> Double {
            try clips.reduce(0) { sum, clip in
                let terms = try objective.validate(
                    clip, generatorActive: false, discriminatorActive: false
                ).terms
                return sum + (terms["total_loss"] ?? .nan) / Double(clips.count)
            }
        }
        let start = try lossNow()
        if !start.isFinite {
            throw TrainingError.failure("the loss of the start is \(start): no steps from there")
        }
        var measured: [Measured] = []
        for (index, parameter) in parameters.enumerated() {
            defer { done(index + 1, parameters.count) }
            guard let values = parameter.trainable, values.hasGradient else {
                measured.append(Measured(name: parameter.name, step: nil))
                continue
            }
            guard let kept = AlignedBuffer(count: values.count) else {
                throw ModelError.memory(
                    what: "a copy of \(parameter.name)", bytes: 4 * values.count)
            }
            kept.pointer.update(from: values.value.pointer, count: values.count)
            func isHarmless(_ step: Double) throws -> Bool {
                let (to, gradient) = (values.value.pointer, values.gradient.pointer)
                for i in 0..<values.count {
                    let sign: Float = gradient[i] > 0 ? 1 : gradient[i] < 0 ? -1 : 0
                    to[i] = kept.pointer[i] - Float(step) * sign
                }
                values.valuesChanged()
                return try lossNow() <= start
            }
            // What a step does is taken to get worse with its size, from the smallest harmful one on.
            var (harmless, harmful) = (-1, StepSizes.tried.count)
            while harmful - harmless > 1 {
                let middle = (harmless + harmful) / 2
                if try isHarmless(StepSizes.tried[middle]) {
                    harmless = middle
                } else {
                    harmful = middle
                }
            }
            values.value.pointer.update(from: kept.pointer, count: values.count)
            values.valuesChanged()
            measured.append(
                Measured(
                    name: parameter.name, step: harmless < 0 ? 0 : StepSizes.tried[harmless]))
        }
        (loss, weights) = (start, measured)
    }

    /// A factor for `lr_scale`, with which a learning rate of `rate` at its highest is a tenth of the
    /// harmless step, since all weights go at once; 1 where it is that anyway.
    package static func scale(step: Double, rate: Double) -> Double {
        rate > 0 ? min(step / rate / 10, 1) : 1
    }
}

extension TrainingRun {
    /// Measures the steps that the weights of a run may take where it starts; no folder is made.
    ///
    /// - Parameters:
    ///   - settings: the run's.
    ///   - options: the run's; only what belongs to its start counts.
    ///   - count: clips of the training set that the loss is taken over.
    ///   - tell: told what a run's start says.
    ///   - done: told how many of how many weights are measured.
    /// - Returns: the steps, and the generator's highest learning rate.
    /// - Throws: what a run's start does.
    package static func stepSizes(
        _ settings: TrainingSettings, _ options: RunOptions, clips count: Int,
        tell: @escaping (Trainer.Event) -> Void, done: (_ weights: Int, _ of: Int) -> Void
    ) throws -> (sizes: StepSizes, rate: Double) {
        var settings = settings
        settings.adopt(options.remembered)
        let device = Device(threads: options.threads)
        let (list, seed) = (try VideoList(settings.training, "train"), options.seed ?? 23)
        let shapes = Objective.shapes(settings.model, settings.loss)
        let initial = InitialWeights(
            shapes, configuration: settings.model, seed: seed,
            logVariance: settings.loss.initialLogVariance)
        let source = try start(initial, settings, options, list, seed: seed, on: device) {
            tell(.notice($0))
        }
        source.notes.forEach { tell(.notice($0)) }
        let objective = try objective(
            settings, options, source, shapes: shapes, seed: seed, on: device, tell)
        let clips = try StartingClips.read(
            list, settings.training.options, count: count, seed: seed &+ 1, on: device)
        return (
            try StepSizes(objective, clips, done: done),
            settings.generatorRate.schedule(total: 1 << 20).peak
        )
    }
}
