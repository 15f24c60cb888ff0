import Testing
import VidTwin
import VidTwinKernels
import VidTwinTestSupport

/// Derivatives against differences of values, at sizes that no golden case has: ragged rows, long and
/// short contexts. A gradient's projection on a random direction is compared with what a step along it
/// changes, in double from float32 values.
@Suite struct `Finite differences` {
    private let device = Device(threads: 3)

    private func random(_ shape: [Int], _ seed: UInt64, scale: Float = 1) -> Tensor {
        var random = SplitMix64(seed: seed)
        return Tensor(
            shape, random.floats(shape.reduce(1, *)).map { $0 * scale }, on: device)
    }

    private func parameter(
        _ shape: [Int], _ seed: UInt64, _ use: Parameter.Use = .plain, scale: Float = 1
    ) throws -> Parameter {
        let parameter = Parameter("p\(seed)", shape, use)
        let buffer = try #require(AlignedBuffer(count: parameter.count))
        buffer.pointer.update(
            from: random(shape, seed, scale: scale).values, count: parameter.count)
        parameter.fill(.trainable(try TrainableValues(parameter, value: buffer)))
        return parameter
    }

    /// Compares the directional derivative by x and by each parameter.
    private func check(
        _ what: String, _ x: Tensor, _ parameters: [Parameter], step: Float = 1e-2,
        bound: Double = 2e-2, _ f: (Tensor) -> Tensor
    ) throws {
        for parameter in parameters { parameter.trainable?.zeroGradient() }
        let tape = Tape()
        let watched = tape.watch(x)
        let y = f(watched)
        let upstream = random(y.shape, 77)
        func loss(_ y: Tensor) -> Double {
            zip(y.values, upstream.values).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        }
        tape.backward([(y, upstream)])
        let dx = try #require(tape.gradient(of: watched))
        let direction = random(x.shape, 78)
        func moved(_ size: Float) -> Tensor {
            Tensor(
                x.shape, zip(x.values, direction.values).map { $0 + size * $1 }, on: device)
        }
        let slope = zip(dx.values, direction.values).reduce(0.0) {
            $0 + Double($1.0) * Double($1.1)
        }
        let measured = (loss(f(moved(step))) - loss(f(moved(-step)))) / Double(2 * step)
        #expect(
            abs(slope - measured) <= bound * max(abs(slope), abs(measured)) + 1e-3,
            "\(what) by x: \(slope), measured \(measured)")
        for (index, parameter) in parameters.enumerated() {
            let values = try #require(parameter.trainable)
            let way = random(parameter.shape, 90 + UInt64(index)).values
            let slope = (0..<parameter.count).reduce(0.0) {
                $0 + Double(values.gradient.pointer[$1]) * Double(way[$1])
            }
            func along(_ size: Float) -> Double {
                for i in 0..<parameter.count { values.value.pointer[i] += size * way[i] }
                values.valuesChanged()
                defer {
                    for i in 0..<parameter.count { values.value.pointer[i] -= size * way[i] }
                    values.valuesChanged()
                }
                return loss(f(x))
            }
            let measured = (along(step) - along(-step)) / Double(2 * step)
            #expect(
                abs(slope - measured) <= bound * max(abs(slope), abs(measured)) + 1e-3,
                "\(what) by parameter \(index): \(slope), measured \(measured)")
        }
    }

    @Test(arguments: [(1, 3, 5), (113, 17, 33), (230, 64, 130)])
    func `linear layers`(_ rows: Int, _ inputs: Int, _ outputs: Int) throws {
        let w = try parameter([outputs, inputs], 1, .matrix(narrowest: .bfloat16), scale: 0.3)
        let b = try parameter([outputs], 2)
        for activation in [Activation.none, .geluTanh, .geluErf] {
            try check(
                "linear \(rows)x\(inputs)x\(outputs) \(activation)", random([rows, inputs], 3),
                [w, b]
            ) {
                linear($0, w, b, activation: activation)
            }
        }
    }

    @Test(arguments: [(1, 1), (3, 19), (200, 33), (5, 768)])
    func `norms`(_ rows: Int, _ columns: Int) throws {
        if columns < 2 { return }  // a row of one number is its mean
        let table = try parameter([2, columns], 4)
        try check("norm \(rows)x\(columns)", random([rows, columns], 5), [table]) {
            modulatedLayerNorm($0, shift: table.row(0), scale: table.row(1))
        }
    }

    @Test(arguments: [
        (1, 70, 3, 2, 5, TokenAxis.space, false), (2, 5, 80, 3, 7, .space, false),
        (1, 70, 2, 1, 9, .time, true), (2, 16, 3, 2, 20, .time, true),
    ])
    func `attention of groups`(
        _ B: Int, _ T: Int, _ S: Int, _ heads: Int, _ depth: Int, _ axis: TokenAxis, _ causal: Bool
    ) throws {
        let x = random([B, T, S, 3 * heads * depth], 6)
        try check("attention \(axis) \(T) \(S) \(causal)", x, []) {
            selfAttention($0, heads: heads, over: axis, causal: causal)
        }
    }

    @Test(arguments: [(2, 9, 7, 5, 3, 1), (1, 13, 16, 16, 4, 2), (9, 5, 6, 3, 3, 2)])
    func `convolutions`(_ N: Int, _ H: Int, _ I: Int, _ O: Int, _ kernel: Int, _ stride: Int)
        throws
    {
        let w = try parameter([O, I, kernel, kernel], 8, .convolution, scale: 0.3)
        let b = try parameter([O], 9)
        try check(
            "convolution \(N) \(H) \(I) \(O) \(kernel) \(stride)", random([N, H, H, I], 7), [w, b]
        ) {
            conv2d($0, w, b, kernel: kernel, stride: stride, padding: 1)
        }
    }
}
