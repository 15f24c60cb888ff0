import Testing
import VidTwin
import VidTwinKernels
import VidTwinTestSupport

/// Weights made up on the spot.
private struct MadeUp: WeightSource {
    let path = "made up"
    let shapes: [String: [Int]]

    func read(_ name: String, into destination: UnsafeMutableBufferPointer<Float>) throws {
        var random = SplitMix64(seed: UInt64(name.utf8.reduce(7) { $0 &* 31 &+ Int($1) }))
        let values = random.floats(destination.count)
        for i in values.indices { destination[i] = values[i] }
    }

    func values(_ name: String) -> [Float] {
        var values = [Float](repeating: 0, count: (shapes[name] ?? []).reduce(1, *))
        try? values.withUnsafeMutableBufferPointer { try read(name, into: $0) }
        return values
    }
}

/// Parameters of one use, filled.
private func parameters(
    _ device: Device, _ build: (Weights) -> [Parameter]
) throws -> ([Parameter], MadeUp) {
    let plan = WeightPlan()
    let parameters = build(Weights(plan))
    let source = MadeUp(
        shapes: Dictionary(parameters.map { ($0.name, $0.shape) }, uniquingKeysWith: { $1 }))
    try plan.load(from: source, on: device) { _ in false }
    return (parameters, source)
}

@Suite struct `Ops against their plain twins` {
    let device = Device(threads: 2)

    private func random(_ shape: [Int], _ seed: UInt64) -> Tensor {
        var generator = SplitMix64(seed: seed)
        return Tensor(shape, generator.floats(shape.reduce(1, *)), on: device)
    }

    @Test func `linear, over more rows than one task takes`() throws {
        let (p, source) = try parameters(device) { [$0.matrix("w", [20, 33]), $0("b", [20])] }
        let x = random([2, 500, 33], 1)
        let y = linear(x, p[0], p[1], activation: .relu)
        let plain = Plain.linear(
            x.values, rows: 1000, source.values("w"), source.values("b"), inputs: 33, outputs: 20)
        #expect(y.shape == [2, 500, 20])
        #expect(Difference(y.values, plain.map { Float(max($0, 0)) }).relative < 1e-6)
    }

    @Test func `linear over the middle axis`() throws {
        let (p, source) = try parameters(device) { [$0("w", [7, 5]), $0("b", [7])] }
        let inner = 5000
        let x = random([2, 5, inner], 2)
        let y = linearOverAxisReLU(x, p[0], p[1]).values
        let (values, w, b) = (x.values, source.values("w"), source.values("b"))
        var plain: [Float] = []
        for n in 0..<2 {
            for o in 0..<7 {
                for c in 0..<inner {
                    var sum = Double(b[o])
                    for i in 0..<5 {
                        sum += Double(w[o * 5 + i]) * Double(values[(n * 5 + i) * inner + c])
                    }
                    plain.append(Float(max(sum, 0)))
                }
            }
        }
        #expect(Difference(y, plain).relative < 1e-6)
    }

    @Test(arguments: [(1, 14, 14, 8, 1), (3, 7, 5, 6, 2), (2, 1, 1, 3, 2), (16, 14, 14, 20, 2)])
    func `convolution`(_ N: Int, _ H: Int, _ W: Int, _ I: Int, _ stride: Int) throws {
        let O = 9
        let (p, source) = try parameters(device) {
            [$0.convolution("w", [O, I, 3, 3]), $0("b", [O])]
        }
        let x = random([N, H, W, I], 3)
        let y = conv2d(x, p[0], p[1], kernel: 3, stride: stride, padding: 1, activation: .none)
        let plain = Plain.convolution(
            x.values, (N, H, W, I), source.values("w"), source.values("b"), outputs: O, kernel: 3,
            stride: stride, padding: 1)
        #expect(y.shape == [N, (H + stride - 1) / stride, (W + stride - 1) / stride, O])
        #expect(Difference(y.values, plain.floats).relative < 1e-6)
    }

    @Test(arguments: [
        (1, 2, 196, 3, 8, TokenAxis.space, false), (2, 16, 9, 2, 16, .time, true),
        (1, 70, 5, 1, 4, .time, true), (1, 70, 5, 2, 4, .time, false),
        (2, 3, 70, 2, 5, .space, false),
    ])
    func `self-attention over space and time`(
        _ B: Int, _ T: Int, _ S: Int, _ heads: Int, _ depth: Int, _ axis: TokenAxis, _ causal: Bool
    ) {
        let C = heads * depth
        let qkv = random([B, T, S, 3 * C], 4)
        let y = selfAttention(qkv, heads: heads, over: axis, causal: causal).values
        let values = qkv.values
        var plain = [Float](repeating: .nan, count: B * T * S * C)
        for b in 0..<B {
            for group in 0..<(axis == .time ? S : T) {
                let tokens = (0..<(axis == .time ? T : S)).map { i in
                    axis == .time ? (b * T + i) * S + group : (b * T + group) * S + i
                }
                for head in 0..<heads {
                    func part(_ which: Int) -> [Float] {
                        tokens.flatMap { (token: Int) -> ArraySlice<Float> in
                            let at = token * 3 * C + which * C + head * depth
                            return values[at..<at + depth]
                        }
                    }
                    let out = Plain.attention(
                        part(0), part(1), part(2), depth: depth,
                        scale: 1 / Double(depth).squareRoot(), causal: causal)
                    for (i, token) in tokens.enumerated() {
                        for d in 0..<depth {
                            plain[token * C + head * depth + d] = Float(out[i * depth + d])
                        }
                    }
                }
            }
        }
        let difference = Difference(y, plain)
        #expect(difference.relative < 2e-6, "\(difference)")
    }

    @Test func `cross-attention of queries to their position through time`() {
        let (B, T, S, Q, heads, depth) = (2, 6, 5, 3, 2, 4)
        let C = heads * depth
        let q = random([B * S, Q, C], 5)
        let (k, v) = (random([B, T, S, C], 6), random([B, T, S, C], 7))
        let y = crossAttention(q, k, v, heads: heads).values
        let (qv, kv, vv) = (q.values, k.values, v.values)
        var plain = [Float](repeating: .nan, count: y.count)
        for n in 0..<B * S {
            for head in 0..<heads {
                let queries: [Float] = (0..<Q).flatMap { (i: Int) -> ArraySlice<Float> in
                    let at = (n * Q + i) * C + head * depth
                    return qv[at..<at + depth]
                }
                func context(_ values: [Float]) -> [Float] {
                    (0..<T).flatMap { (t: Int) -> ArraySlice<Float> in
                        let token = (n / S * T + t) * S + n % S
                        let at = token * C + head * depth
                        return values[at..<at + depth]
                    }
                }
                let out = Plain.attention(
                    queries, context(kv), context(vv), depth: depth,
                    scale: 1 / Double(depth).squareRoot(), causal: false)
                for i in 0..<Q {
                    for d in 0..<depth {
                        plain[(n * Q + i) * C + head * depth + d] = Float(out[i * depth + d])
                    }
                }
            }
        }
        #expect(Difference(y, plain).relative < 2e-6)
    }

    @Test func `patches put back together are the picture`() {
        let patch = PatchSize(time: 2, height: 4, width: 3)
        let x = random([2, 4, 8, 9, 3], 8)
        let patches = patchify(x, patch)
        #expect(patches.shape == [2, 2, 6, 3 * 24])
        // From (channel, frame, row, column) to (frame, row, column, channel).
        let values = patches.values
        let reordered: [Float] = (0..<patches.count).map { (i: Int) -> Float in
            let (row, at) = (i / 72, i % 72)
            return values[row * 72 + at % 3 * 24 + at / 3]
        }
        let back = unpatchify(
            Tensor(patches.shape, reordered, on: device), patch, rows: 2, columns: 3)
        #expect(back.shape == x.shape)
        #expect(back.values == x.values)
    }

    @Test func `upsampling, cropping, means and swapped axes`() {
        let x = random([2, 3, 5, 4], 9)
        let up = upsample2x(x)
        let (v, u) = (x.values, up.values)
        for i in u.indices {
            let (c, w, h, n) = (i % 4, i / 4 % 10, i / 40 % 6, i / 240)
            #expect(u[i] == v[((n * 3 + h / 2) * 5 + w / 2) * 4 + c])
        }
        let crop = centreCrop(up, height: 3, width: 5).values
        for i in crop.indices {
            let (c, w, h, n) = (i % 4, i / 4 % 5, i / 20 % 3, i / 60)
            #expect(crop[i] == u[((n * 6 + h + 1) * 10 + w + 2) * 4 + c])
        }
        var (rows, columns) = ([Float](repeating: 0, count: 40), [Float](repeating: 0, count: 24))
        for i in v.indices {
            let (c, w, h, n) = (i % 4, i / 4 % 5, i / 20 % 3, i / 60)
            rows[(n * 5 + w) * 4 + c] += v[i] / 3
            columns[(n * 3 + h) * 4 + c] += v[i] / 5
        }
        #expect(Difference(meanOverRows(x).values, rows).relative < 1e-6)
        #expect(Difference(meanOverColumns(x).values, columns).relative < 1e-6)
        let swapped = swapMiddleAxes(x)
        #expect(swapped.shape == [2, 5, 3, 4])
        #expect(swapMiddleAxes(swapped).values == v)
        #expect(swapped.values[4] == v[20])
    }
}
