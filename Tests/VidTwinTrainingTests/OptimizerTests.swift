import Testing
import VidTwin
import VidTwinKernels
import VidTwinTestSupport

import VidTwinTraining

struct OptimizerTests {
    private struct Trace: Decodable {
        struct After: Decodable {
            let p, exp_avg, exp_avg_sq: [Double]
        }
        let optimizer: String
        let betas: [Double]
        let weight_decay, eps: Double
        let start, lr: [Double]
        let gradients: [[Double]]
        let after: [After]

        var options: AdamOptions {
            AdamOptions(
                kind: AdamOptions.Kind(rawValue: optimizer) ?? .adam, betas: (betas[0], betas[1]),
                weightDecay: weight_decay, epsilon: eps)
        }
    }

    /// The largest difference, as a part of the larger of 1 and the values.
    private func worst(_ found: [Double], _ expected: [Double]) -> Double {
        zip(found, expected).map { abs($0 - $1) / max(abs($1), 1) }.max() ?? .infinity
    }

    @Test func `Adam and AdamW in double follow the golden traces`() throws {
        let traces = try TrainingGoldens.rows("adam", as: [Trace].self)
        #expect(traces.count == 3)
        for trace in traces {
            var p = trace.start
            var m = [Double](repeating: 0, count: p.count)
            var v = m
            for step in trace.gradients.indices {
                let rule = AdamRule<Double>(trace.options, rate: trace.lr[step], step: step + 1)
                let hasMean = trace.betas[0] != 0
                m.withUnsafeMutableBufferPointer { m in
                    rule(&p, trace.gradients[step], hasMean ? m.baseAddress : nil, &v, count: 6)
                }
                let expected = trace.after[step]
                #expect(worst(p, expected.p) < 1e-12)
                #expect(worst(hasMean ? m : trace.gradients[step], expected.exp_avg) < 1e-12)
                // Squares down to 1e-14: relative to each.
                #expect(
                    zip(v, expected.exp_avg_sq).allSatisfy { abs($0 - $1) <= 1e-12 * abs($1) })
            }
        }
    }

    @Test(arguments: [0, 0.3, 0.9]) func `eight weights at a time give the bits of the formula`(
        _ beta: Double
    ) {
        var random = SplitMix64(seed: 3)
        let (p, g, m) = (random.floats(37), random.floats(37), random.floats(37))
        let v = random.floats(37).map { abs($0) }
        for kind in [AdamOptions.Kind.adam, .adamW] {
            let options = AdamOptions(kind: kind, betas: (beta, 0.9), weightDecay: 0.1)
            let rule = AdamRule<Float>(options, rate: 0.01, step: 3, gradientScale: 0.37)
            var (a, b) = ((p: p, m: m, v: v), (p: p, m: m, v: v))
            a.m.withUnsafeMutableBufferPointer {
                rule(&a.p, g, beta == 0 ? nil : $0.baseAddress, &a.v, count: 37)
            }
            b.m.withUnsafeMutableBufferPointer {
                rule.step(&b.p, g, beta == 0 ? nil : $0.baseAddress, &b.v, count: 37)
            }
            #expect(a.p == b.p && a.m == b.m && a.v == b.v)
            #expect(a.p != p)
        }
    }

    @Test func `the optimizer in float32 follows the golden traces`() throws {
        for trace in try TrainingGoldens.rows("adam", as: [Trace].self) {
            let parameter = try trainable("p", [6], trace.start.floats)
            let optimizer = Optimizer([parameter], trace.options, on: Device(threads: 2))
            for step in trace.gradients.indices {
                setGradient(parameter, trace.gradients[step].floats)
                try optimizer.step(rate: trace.lr[step])
                #expect(
                    worst(values(parameter).map(Double.init), trace.after[step].p) < 1e-6)
                var mean = [Float](repeating: 0, count: 6)
                optimizer.mean(0, into: &mean)
                #expect(worst(mean.map(Double.init), trace.after[step].exp_avg) < 1e-6)
            }
            #expect(optimizer.states[0]?.step == 5)
        }
    }

    @Test func `a parameter without a gradient is left alone, one with zeros decays`() throws {
        let still = try trainable("still", [2], [1, 2])
        let zero = try trainable("zero", [2], [1, 2], gradient: [0, 0])
        let options = AdamOptions(kind: .adamW, betas: (0, 0.9), weightDecay: 0.5)
        let optimizer = Optimizer([still, zero], options, on: Device(threads: 1))
        try optimizer.step(rate: 0.1)
        #expect(values(still) == [1, 2])
        #expect(optimizer.states[0] == nil)
        #expect(values(zero) == [0.95, 1.9])
        #expect(optimizer.states[1]?.step == 1)
    }

    private struct Clip: Decodable {
        let max_norm, norm: Double
        let gradient, clipped: [Double]
    }

    @Test func `gradients are clipped as in the golden cases`() throws {
        for clip in try TrainingGoldens.rows("clip", as: [Clip].self) {
            let factor = clipFactor(norm: clip.norm, maximum: clip.max_norm)
            #expect(worst(clip.gradient.map { $0 * factor }, clip.clipped) < 1e-12)
            let parameter = try trainable(
                "p", [5], [0, 0, 0, 0, 0], gradient: clip.gradient.floats)
            let options = AdamOptions(kind: .adamW, betas: (0, 0.9), weightDecay: 0)
            let optimizer = Optimizer([parameter], options, on: Device(threads: 1))
            #expect(abs(optimizer.gradientNorm() / clip.norm - 1) < 1e-6)
        }
        #expect(clipFactor(norm: 1e9, maximum: nil) == 1)
    }

    @Test func `any number of threads gives the same bytes`() throws {
        var random = SplitMix64(seed: 7)
        let (start, gradient) = (random.floats(200_001), random.floats(200_001))
        var results: [[Float]] = []
        var norms: [Double] = []
        for threads in [1, 2, 5] {
            let parameter = try trainable("p", [200_001], start, gradient: gradient)
            let options = AdamOptions(kind: .adam, betas: (0.9, 0.99), weightDecay: 0.01)
            let device = Device(threads: threads)
            let optimizer = Optimizer([parameter], options, on: device)
            norms.append(optimizer.gradientNorm())
            for _ in 0..<3 { try optimizer.step(rate: 1e-3, scale: 0.7) }
            results.append(values(parameter))
        }
        #expect(results[0] == results[1] && results[0] == results[2])
        #expect(norms[0] == norms[1] && norms[0] == norms[2])
    }

    @Test func `a gradient that is not finite shows in the norm, and by name`() throws {
        let good = try trainable("good", [3], [0, 0, 0], gradient: [1, 2, 3])
        let bad = try trainable("bad", [3], [0, 0, 0], gradient: [1, .nan, 3])
        let options = AdamOptions(kind: .adamW, betas: (0, 0.9), weightDecay: 0)
        let optimizer = Optimizer([good, bad], options, on: Device(threads: 1))
        #expect(!optimizer.gradientNorm().isFinite)
        #expect(optimizer.nonFiniteGradients() == ["bad"])
    }

    @Test func `the average warms up and follows the weights`() throws {
        let parameter = try trainable("p", [2], [1, -1])
        let average = try AveragedWeights([parameter], decay: 0.999, on: Device(threads: 1))
        parameter.trainable?.value.pointer.update(from: [2, 0], count: 2)
        average.update()  // d = min(0.999, 2 / 11)
        let moved = Float(1 - 2.0 / 11)
        #expect(average.values[0].pointer[0] == 1 + moved)
        average.exchange()
        #expect(values(parameter) == [1 + moved, -1 + moved])
        average.exchange()
        #expect(values(parameter) == [2, 0])
    }

    private struct Rate: Decodable {
        let schedule: String
        let n: Int
        let lr: Double
        let total, warmup: Int?
        let lr_start, lr_max, lr_min, base: Double?

        var function: Schedule {
            let (warmUp, base) = (warmup ?? 0, base ?? 0)
            switch schedule {
            case "warmup_cosine":
                return .cosine(
                    start: lr_start ?? 0, maximum: lr_max ?? 0, minimum: lr_min ?? 0,
                    warmUp: warmUp, total: total ?? 0)
            case "warmup_linear":
                return .linear(base: base, warmUp: warmUp, total: total ?? 0)
            case "warmup_constant": return .constant(base: base, warmUp: warmUp)
            default: return .inverseRoot(base: base, warmUp: warmUp)
            }
        }
    }

    @Test func `every schedule has the golden rates at all edges`() throws {
        let rates = try TrainingGoldens.rows("schedules", as: [Rate].self)
        #expect(rates.count == 200)
        for rate in rates {
            let found = rate.function(rate.n)
            #expect(
                abs(found - rate.lr) <= 1e-12 * abs(rate.lr) + 1e-20,
                "\(rate.schedule) at \(rate.n): \(found)")
        }
    }

    @Test func `a million weights take a step at the speed of memory`() throws {
        let count = 1 << 24
        let parameter = Parameter("p", [count])
        guard let buffer = AlignedBuffer(count: count) else { return }
        buffer.pointer.update(repeating: 0.5, count: count)
        parameter.fill(.trainable(try TrainableValues(parameter, value: buffer)))
        parameter.trainable?.hasGradient = true
        let options = AdamOptions(kind: .adamW, betas: (0.9, 0.99), weightDecay: 0.01)
        let optimizer = Optimizer([parameter], options, on: Device(threads: 2))
        try optimizer.step(rate: 1e-3)
        let clock = ContinuousClock()
        let time = (0..<3).map { _ in clock.measure { try? optimizer.step(rate: 1e-3) } }.min()
        let seconds = time.map { Double($0.components.attoseconds) * 1e-18 } ?? 0
        // 28 bytes a weight are moved; a loop that is not vectorised takes four times as long.
        #expect(seconds < 0.5, "\(count) weights took \(seconds) s")
        print("step of \(count) weights: \(seconds) s, \(28e-9 * Double(count) / seconds) GB/s")
    }
}
