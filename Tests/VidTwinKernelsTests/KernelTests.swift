import CVidTwinKernels
import Glibc
import Testing
import VidTwinKernels
import VidTwinTestSupport

/// Sizes around the vector width of 16, and a few of the models'.
let columnCounts = [1, 3, 15, 16, 17, 31, 48, 100, 196, 768]

/// A level of this machine, by name in test reports.
struct Level: CustomStringConvertible, Sendable {
    let level: CPULevel
    let kernels: @Sendable () -> vt_kernels
    var description: String { level.rawValue }
}

let levels = CPULevel.available.map { level in
    Level(level: level) { level.kernels ?? kernels }
}

@Suite struct `Kernels against their plain twins` {
    @Test func `this machine runs the baseline and says what else`() {
        #expect(CPULevel.available.first == .baseline)
        #expect(CPULevel.available.contains(CPULevel.current))
        print(
            "loops at \(CPULevel.current.rawValue), products at \(ProductSupport.name) (\(ProductSupport.title))"
        )
    }

    /// A cap beyond the machine would have other tests pass without what they are meant to run.
    @Test func `caps of the environment are the levels in use`() {
        if let cap = getenv("VIDTWIN_CPU").map({ String(cString: $0) }) {
            #expect(CPULevel.current.rawValue == cap)
        }
        let library = getenv("VIDTWIN_PRODUCTS").map { String(cString: $0) } ?? ""
        let isOpenBLAS = ProductSupport.title.hasPrefix("OpenBLAS ")
        if library == "openblas" { #expect(isOpenBLAS) }
        if library == "onednn" { #expect(ProductSupport.title.hasPrefix("oneDNN ")) }
        let variable = isOpenBLAS ? "OPENBLAS_CORETYPE" : "ONEDNN_MAX_CPU_ISA"
        if let cap = getenv(variable).map({ String(cString: $0) }) {
            #expect(ProductSupport.name == cap)
        }
    }

    @Test(arguments: levels)
    func `layer norm`(_ level: Level) {
        var random = SplitMix64(seed: 1)
        for columns in columnCounts {
            let rows = 5
            let (x, residual) = (random.floats(rows * columns), random.floats(rows * columns))
            let (scale, shift) = (random.floats(columns), random.floats(columns))
            for (added, offset) in [(nil, Float(1)), (residual, Float(0))] {
                var y = [Float](repeating: .nan, count: rows * columns)
                level.kernels().layer_norm(
                    x, added, &y, rows, columns, scale, offset, shift, 1e-6)
                let plain = Plain.layerNorm(
                    x, added, columns: columns, scale, offset: Double(offset), shift, eps: 1e-6)
                let difference = Difference(y, plain.floats)
                // A row of one element has no variance: both sides are the shift.
                #expect(difference.relative < 3e-6, "\(columns) columns: \(difference)")
            }
        }
    }

    @Test(arguments: levels)
    func `layer norm of rows far from zero`(_ level: Level) {
        var random = SplitMix64(seed: 2)
        let columns = 768
        let x = random.floats(columns).map { $0 + 1000 }
        let (ones, zeros) = (
            [Float](repeating: 1, count: columns), [Float](repeating: 0, count: columns)
        )
        var y = x
        level.kernels().layer_norm(x, nil, &y, 1, columns, ones, 0, zeros, 1e-6)
        let plain = Plain.layerNorm(x, nil, columns: columns, ones, offset: 0, zeros, eps: 1e-6)
        // float32 holds a mean of 1000 to 3e-5; a variance from squares would be off by 1e-1.
        #expect(Difference(y, plain.floats).relative < 2e-4)
    }

    @Test(arguments: levels)
    func `gated residual`(_ level: Level) {
        var random = SplitMix64(seed: 3)
        for columns in columnCounts {
            let (x, r) = (random.floats(3 * columns), random.floats(3 * columns))
            let gate = random.floats(columns)
            var y = x
            level.kernels().gated_residual(x, gate, r, &y, 3, columns)
            let plain = x.indices.map { Double(x[$0]) + Double(gate[$0 % columns]) * Double(r[$0]) }
            #expect(Difference(y, plain.floats).relative < 1e-6)
        }
    }

    @Test(arguments: levels)
    func `adding a table that repeats`(_ level: Level) {
        var random = SplitMix64(seed: 4)
        let (rows, columns, repeats, period) = (24, 17, 3, 4)
        let (x, table) = (random.floats(rows * columns), random.floats(period * columns))
        var y = [Float](repeating: 0, count: 10 * columns)
        level.kernels().add_table(
            Array(x[7 * columns..<17 * columns]), table, &y, 7, 10, columns, repeats, period)
        for r in 7..<17 {
            for c in 0..<columns {
                let expected = x[r * columns + c] + table[r / repeats % period * columns + c]
                #expect(y[(r - 7) * columns + c] == expected)
            }
        }
    }

    @Test(arguments: levels)
    func `rows and columns added to a picture`(_ level: Level) {
        var random = SplitMix64(seed: 5)
        let (H, W, C) = (3, 5, 18)
        let (s, x, y) = (random.floats(H * W * C), random.floats(W * C), random.floats(H * C))
        for withPicture in [true, false] {
            var out = [Float](repeating: .nan, count: H * W * C)
            if withPicture {
                level.kernels().add_row_and_column(s, x, y, &out, H, W, C)
            } else {
                level.kernels().add_row_and_column(nil, x, y, &out, H, W, C)
            }
            let plain = out.indices.map { i in
                let (c, w, h) = (i % C, i / C % W, i / C / W)
                return (withPicture ? Double(s[i]) : 0) + Double(x[w * C + c])
                    + Double(y[h * C + c])
            }
            #expect(Difference(out, plain.floats).relative < 1e-6)
        }
    }

    @Test(arguments: levels)
    func `softmax`(_ level: Level) {
        var random = SplitMix64(seed: 6)
        for n in columnCounts {
            let x = random.floats(4 * n).map { $0 * 60 }
            var y = x
            level.kernels().softmax(&y, 4, n, n, 0.5)
            for row in 0..<4 {
                let values = x[row * n..<(row + 1) * n].map { Double($0) * 0.5 }
                let top = values.max() ?? 0
                let weights = values.map { exponential($0 - top) }
                let total = weights.reduce(0, +)
                let difference = Difference(
                    Array(y[row * n..<(row + 1) * n]), weights.map { Float($0 / total) })
                #expect(difference.relative < 1e-5, "\(n): \(difference)")
            }
        }
    }

    @Test(arguments: levels)
    func `short attention`(_ level: Level) {
        var random = SplitMix64(seed: 7)
        for (queries, keys, depth) in [
            (1, 1, 1), (16, 16, 64), (5, 12, 8), (16, 16, 2), (3, 64, 21),
        ] {
            for causal in [false, true] {
                let q = random.floats(queries * depth)
                let (k, v) = (random.floats(keys * depth), random.floats(keys * depth))
                var out = [Float](repeating: .nan, count: queries * depth)
                level.kernels().short_attention(
                    q, depth, k, depth, v, depth, nil, &out, depth, queries, keys, depth, 0.7,
                    causal ? 1 : 0)
                let plain = Plain.attention(q, k, v, depth: depth, scale: 0.7, causal: causal)
                let difference = Difference(out, plain.floats)
                #expect(difference.relative < 2e-6, "\(queries)x\(keys)x\(depth): \(difference)")
            }
        }
    }

    @Test(arguments: levels)
    func `bias by row, with and without ReLU`(_ level: Level) {
        var random = SplitMix64(seed: 8)
        let (x, bias) = (random.floats(3 * 20), random.floats(3))
        for relu in [Int32(0), 1] {
            var y = x
            level.kernels().add_row_bias(&y, bias, 3, 17, 20, relu)
            for i in x.indices {
                let sum = x[i] + bias[i / 20]
                #expect(y[i] == (i % 20 >= 17 ? x[i] : relu == 1 ? max(sum, 0) : sum))
            }
        }
    }

    @Test(arguments: levels)
    func `mean over a middle axis`(_ level: Level) {
        var random = SplitMix64(seed: 9)
        let (outer, middle, inner) = (3, 7, 19)
        let x = random.floats(outer * middle * inner)
        var y = [Float](repeating: 0, count: outer * inner)
        level.kernels().mean_middle(x, &y, outer, middle, inner)
        let plain = y.indices.map { i in
            (0..<middle).reduce(0.0) {
                $0 + Double(x[(i / inner * middle + $1) * inner + i % inner])
            } / Double(middle)
        }
        #expect(Difference(y, plain.floats).relative < 1e-6)
    }

    @Test(arguments: levels)
    func `pixels to numbers and back are the same pixels`(_ level: Level) {
        let bytes = (0..<256).map { UInt8($0) }
        var values = [Float](repeating: 0, count: 256)
        level.kernels().pixels_from_u8(bytes, &values, 256)
        #expect(values.first == -1 && values.last == 1)
        var back = [UInt8](repeating: 0, count: 256)
        level.kernels().pixels_to_u8(values, &back, 256)
        #expect(back == bytes)

        let words = (0..<65536).map { UInt16($0) }
        var wide = [Float](repeating: 0, count: words.count)
        level.kernels().pixels_from_u16(words, &wide, words.count)
        var wideBack = [UInt16](repeating: 0, count: words.count)
        level.kernels().pixels_to_u16(wide, &wideBack, words.count)
        #expect(wideBack == words)
    }

    @Test(arguments: levels)
    func `Reference: pixels are rounded and limited, and NaN is counted`(_ level: Level) {
        let values: [Float] = [-7, 7, 0.0039, -0.0039, .nan, .infinity, -.infinity]
        var bytes = [UInt8](repeating: 9, count: values.count)
        level.kernels().pixels_to_u8(values, &bytes, values.count)
        #expect(Array(bytes.prefix(4)) == [0, 255, 128, 127])
        #expect(level.kernels().count_non_finite(values, values.count) == 3)
    }

    @Test(arguments: [1, 100, (1 << 19) - 1, 1 << 19, 3 << 19, (3 << 19) + 5])
    func `memory is aligned, whole, and zero when it was made so`(_ count: Int) throws {
        let buffer = try #require(AlignedBuffer(count: count))
        let alignment = count >= 1 << 19 ? 1 << 21 : 64
        #expect(UInt(bitPattern: buffer.pointer) % UInt(alignment) == 0)
        for _ in 0..<2 {
            for i in 0..<count { buffer.pointer[i] = Float(i) }
            #expect(buffer.pointer[count - 1] == Float(count - 1))
            buffer.zero()
            #expect((0..<count).allSatisfy { buffer.pointer[$0] == 0 })
        }
    }

    @Test func `levels agree to rounding`() {
        var random = SplitMix64(seed: 10)
        let x = random.floats(1000)
        let results = levels.map { level in
            var y = x
            level.kernels().softmax(&y, 10, 100, 100, 3)
            return y
        }
        for result in results {
            #expect(Difference(result, results[0]).relative < 1e-6)
        }
    }
}

/// exp(x), from the series, so that the twin shares nothing with the kernel.
private func exponential(_ x: Double) -> Double {
    let halvings = 20
    let small = x / Double(1 << halvings)
    var result = 1 + small + small * small / 2 + small * small * small / 6
    for _ in 0..<halvings { result *= result }
    return result
}
