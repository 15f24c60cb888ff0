import Glibc
import VidTwinKernels

/// How fast a model is, beside what the product library reaches on this machine.
public struct Benchmark: Sendable {
    /// Seconds of each clip: pixels to pixels.
    public let clipSeconds: [Double]
    /// Multiplications and additions of one clip, counted while it ran.
    public let operations: Double
    /// Multiplications and additions a second of the model's large products alone, on all threads,
    /// measured before each clip.
    public let ceilings: [Double]
    /// Seconds of a clip by stage: threads' time divided by their number; `waiting` is the rest.
    public let stages: [(name: String, seconds: Double)]

    /// The median time of a clip.
    public var medianSeconds: Double { Benchmark.median(clipSeconds) }
    /// Multiplications and additions a second.
    public var rate: Double { operations / medianSeconds }
    /// The median ceiling.
    public var ceiling: Double { Benchmark.median(ceilings) }

    /// Runs clips through a model: one to warm up, then `clips`, each after a measurement of the
    /// ceiling, so that both see the same machine.
    ///
    /// - Throws: what the model throws.
    public init(_ model: VidTwinModel, clips: Int) throws {
        let c = model.configuration
        let bytes = (0..<c.height * c.width * 3).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 7) }
        let pictures = (0..<c.frames).map { _ in
            Picture(width: c.width, height: c.height, bytes: bytes)
        }
        var pixelSeconds = 0.0
        func run() throws -> Double {
            let start = Benchmark.now
            let clip = model.clip(pictures)
            let prepared = Benchmark.now
            let decoded = try model.decoded(try model.encode(clip))
            let computed = Benchmark.now
            _ = decoded.pictures(0..<c.frames, depths: pictures.map(\.depth))
            let end = Benchmark.now
            pixelSeconds += prepared - start + end - computed
            return end - start
        }
        _ = try run()
        var ceiling = try ProductCeiling(model)
        ceiling.measure()
        (pixelSeconds, _) = (0, model.device.takeCounts())
        var (seconds, ceilings): ([Double], [Double]) = ([], [])
        var (counted, operations): ([Stage: Double], Double) = ([:], 0)
        for _ in 0..<max(clips, 1) {
            ceilings.append(ceiling.measure())
            _ = model.device.takeCounts()
            seconds.append(try run())
            let counts = model.device.takeCounts()
            counted.merge(counts.seconds, uniquingKeysWith: +)
            operations += counts.operations
        }
        let runs = Double(seconds.count)
        let share = runs * Double(model.device.threads)
        (clipSeconds, self.ceilings, self.operations) = (seconds, ceilings, operations / runs)
        var stages: [(name: String, seconds: Double)] = [
            ("spatial attention", .spatialAttention), ("temporal attention", .temporalAttention),
            ("MLP", .mlp), ("norms", .norms), ("packing of activations", .packing),
            ("linear layers", .linear), ("attention of queries", .attention),
            ("convolutions", .convolution), ("other", .other),
        ].map { (name: String, stage: Stage) in (name, (counted[stage] ?? 0) / share) }
        stages.append(("pixels (I/O)", pixelSeconds / runs))
        let named = stages.reduce(0) { $0 + $1.seconds }
        stages.append(("waiting", max(seconds.reduce(0, +) / runs - named, 0)))
        self.stages = stages
    }

    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}

/// The rate of the product library at a model's shapes and precision: the products of its blocks
/// and nothing else, activations ready in the form that is multiplied, on all threads.
package struct ProductCeiling {
    private struct Case {
        let weights: PackedMatrix
        let activation: Activation
        /// How many of the products of a block have this shape.
        let uses: Double
    }
    private let cases: [Case]
    private let rows: [Int]
    private let device: Device
    private let operand: AlignedBuffer

    package init(_ model: VidTwinModel) throws {
        let (t, format) = (model.configuration.encoder, model.precision.format(narrowest: .int8))
        func make(_ inputs: Int, _ outputs: Int, _ uses: Double) throws -> Case {
            let values = [Float](unsafeUninitializedCapacity: inputs * outputs) { buffer, count in
                for i in buffer.indices { buffer[i] = Float(i % 251 - 125) * 1e-3 }
                count = buffer.count
            }
            return Case(
                weights: try PackedMatrix(
                    outputs: outputs, inputs: inputs, rows: values, format: format),
                activation: .none, uses: uses)
        }
        cases = [
            try make(t.width, 3 * t.width, 2), try make(t.width, t.width, 2),
            try make(t.width, t.hidden, 1), try make(t.hidden, t.width, 1),
        ]
        // A frame's rows at once, or half of them, whichever the library does faster.
        rows = [t.grid.positions, (t.grid.positions + 1) / 2]
        device = model.device
        guard let operand = AlignedBuffer(count: t.grid.positions * t.hidden) else {
            throw ModelError.memory(what: "the benchmark", bytes: t.grid.positions * t.hidden * 4)
        }
        operand.pointer.initialize(repeating: 0.5, count: operand.count)
        self.operand = operand
    }

    /// Multiplications and additions a second.
    @discardableResult
    package mutating func measure() -> Double {
        var (operations, seconds) = (0.0, 0.0)
        for one in cases {
            let perRow = 2 * Double(one.weights.inputs * one.weights.outputs)
            let best = rows.map { rate(one, rows: $0) }.max() ?? 1
            operations += one.uses * perRow
            seconds += one.uses * perRow / best
        }
        return operations / seconds
    }

    private func rate(_ one: Case, rows: Int) -> Double {
        let (tasks, repeats) = (device.threads, 6)
        let work = 2.0 * Double(rows * one.weights.inputs * one.weights.outputs)
        var (done, start) = (0.0, Benchmark.now)
        var seconds = 0.0
        var isWarm = false
        while seconds < 0.12 {
            device.parallel(tasks, .other) { _, workspace in
                let x = Operand(operand.pointer, rows: rows, for: one.weights, workspace)
                let y = workspace.floats(.hidden, rows * one.weights.outputs)
                for _ in 0..<repeats {
                    bareProduct(x, rows: rows, one.weights, into: y, workspace)
                }
            }
            if !isWarm {
                (isWarm, start) = (true, Benchmark.now)
                continue
            }
            done += work * Double(tasks * repeats)
            seconds = Benchmark.now - start
        }
        return done / seconds
    }
}
