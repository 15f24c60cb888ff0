import CVidTwinKernels
import Testing
import VidTwinKernels
import VidTwinTestSupport

@Suite struct `Narrow formats against their plain twins` {
    @Test(arguments: levels)
    func `bfloat16 is the nearest, ties to even`(_ level: Level) {
        let k = level.kernels()
        let values: [Float] = [
            0, -0.0, 1, -1.5, 3.1415926, 1 + 0x1p-8, 1 + 0x1p-8 + 0x1p-20, 1 + 3 * 0x1p-8,
            .greatestFiniteMagnitude, .leastNonzeroMagnitude, .infinity, -.infinity, .nan,
            Float(bitPattern: 0x7f80_0001),
        ]
        var (narrow, wide) = (
            [UInt16](repeating: 0, count: values.count), [Float](repeating: 9, count: values.count)
        )
        k.to_bf16(values, &narrow, values.count)
        k.from_bf16(narrow, &wide, values.count)
        #expect(wide[0] == 0 && wide[1].sign == .minus && wide[2] == 1 && wide[3] == -1.5)
        #expect(wide[4] == 3.140625)
        #expect(wide[5] == 1)  // a tie goes to the even neighbour
        #expect(wide[6] == 1 + 0x1p-7)
        #expect(wide[7] == 1 + 0x1p-6)
        #expect(wide[8] == .infinity && wide[9] == 0)
        #expect(wide[10] == .infinity && wide[11] == -.infinity)
        #expect(wide[12].isNaN && wide[13].isNaN)

        var random = SplitMix64(seed: 20)
        let many = random.floats(1003)
        var (cut, back) = ([UInt16](repeating: 0, count: 1003), [Float](repeating: 0, count: 1003))
        k.to_bf16(many, &cut, many.count)
        k.from_bf16(cut, &back, many.count)
        for (a, b) in zip(many, back) { #expect(abs(a - b) <= abs(a) * 0x1p-8) }
    }

    @Test(arguments: levels, [Int32(127), 255])
    func `rows in whole numbers`(_ level: Level, _ steps: Int32) {
        let k = level.kernels()
        var random = SplitMix64(seed: 21)
        for columns in columnCounts {
            let rows = 4
            var x = random.floats(rows * columns)
            for c in 0..<columns {
                x[c] = abs(x[c]) + 3  // far from zero, one sign
                x[columns + c] = 0
                x[2 * columns + c] *= 1e-30
            }
            var q = [UInt8](repeating: 1, count: rows * columns)
            var (scales, zeros) = (
                [Float](repeating: 0, count: rows), [Int32](repeating: 0, count: rows)
            )
            k.quantise_rows(x, &q, &scales, &zeros, rows, columns, steps)
            for i in x.indices {
                let row = i / columns
                #expect(Int32(q[i]) <= steps)
                let value = scales[row] * Float(Int32(q[i]) - zeros[row])
                #expect(abs(value - x[i]) <= scales[row] * 0.501, "\(columns) columns, \(i)")
            }
            #expect((0..<columns).allSatisfy { Int32(q[columns + $0]) == zeros[1] })
        }
        for poison in [Float.nan, .infinity, -.infinity] {
            var x = [Float](repeating: 0.5, count: 37)
            x[36] = poison
            var (q, scale, zero) = ([UInt8](repeating: 1, count: 37), Float(0), Int32(0))
            k.quantise_rows(x, &q, &scale, &zero, 1, 37, steps)
            #expect(scale.isNaN, "\(poison) is not seen")
        }
    }

    @Test(arguments: levels)
    func `sums of whole numbers back to floats`(_ level: Level) {
        var random = SplitMix64(seed: 22)
        for columns in columnCounts {
            let rows = 3
            let sums = (0..<rows * columns).map { _ in
                Int32(truncatingIfNeeded: random.next() % 200_001) - 100_000
            }
            let (scales, bias) = (
                random.floats(columns).map { abs($0) * 1e-4 }, random.floats(columns)
            )
            let columnSums = (0..<columns).map { _ in
                Int32(truncatingIfNeeded: random.next() % 2001) - 1000
            }
            let (rowScales, rowZeros): ([Float], [Int32]) = ([0.5, 1, 2], [0, 17, 127])
            for (activation, function): (vt_activation, (Double) -> Double) in [
                (VT_NONE, { $0 }), (VT_RELU, { max($0, 0) }), (VT_GELU_TANH, Plain.geluTanh),
                (VT_GELU_ERF, Plain.geluErf),
            ] {
                var x = sums
                level.kernels().dequantise(
                    &x, rows, columns, rowScales, rowZeros, scales, columnSums, bias, activation)
                for i in x.indices {
                    let (r, c) = (i / columns, i % columns)
                    let value =
                        Double(rowScales[r]) * Double(scales[c])
                        * Double(sums[i] - rowZeros[r] * columnSums[c]) + Double(bias[c])
                    let found = Double(Float(bitPattern: UInt32(bitPattern: x[i])))
                    #expect(abs(found - function(value)) <= 4e-6 * max(abs(value), 1))
                }
            }
        }
    }

    @Test(arguments: [(1, 1, 1), (3, 5, 7), (98, 64, 48), (17, 768, 96), (5, 48, 768)])
    func `products in every format`(_ rows: Int, _ inputs: Int, _ outputs: Int) throws {
        var random = SplitMix64(seed: UInt64(rows * 7 + inputs))
        let (x, w) = (random.floats(rows * inputs), random.floats(outputs * inputs))
        let b = random.floats(outputs)
        let plain = Plain.linear(x, rows: rows, w, b, inputs: inputs, outputs: outputs)
        for (format, bound) in [
            (WeightFormat.float32, 1e-6), (.bfloat16, 6e-3), (.int8, 2e-2),
        ] {
            let packed = try PackedMatrix(
                outputs: outputs, inputs: inputs, rows: w, format: format)
            var y = [Float](repeating: .nan, count: rows * outputs)
            product(x, rows: rows, packed, bias: b, into: &y, Workspace())
            let difference = Difference(y, plain.floats)
            #expect(difference.relative <= bound, "\(format): \(difference)")
        }
    }

    @Test(arguments: [(70, 70, 16), (196, 196, 64), (3, 65, 8)])
    func `attention from bfloat16`(_ queries: Int, _ keys: Int, _ depth: Int) {
        guard ProductSupport.multipliesBFloat16 else {
            print("SKIPPED: attention from bfloat16; oneDNN does not multiply it on this CPU")
            return
        }
        var random = SplitMix64(seed: 24)
        let (heads, C) = (2, 2 * depth)
        func make(_ rows: Int) -> (wide: [Float], narrow: [UInt16]) {
            var (narrow, wide) = ([UInt16](repeating: 0, count: rows * C), random.floats(rows * C))
            kernels.to_bf16(wide, &narrow, rows * C)
            kernels.from_bf16(narrow, &wide, rows * C)
            return (wide, narrow)
        }
        let (q, k, v) = (make(queries), make(keys), make(keys))
        var out = [Float](repeating: .nan, count: queries * C)
        attention(
            Rows(q.narrow, stride: C, count: queries), Rows(k.narrow, stride: C, count: keys),
            Rows(v.narrow, stride: C, count: keys), into: &out, outStride: C, heads: 0..<heads,
            depth: depth, Workspace())
        for head in 0..<heads {
            func part(_ x: [Float]) -> [Float] {
                stride(from: head * depth, to: x.count, by: C).flatMap { x[$0..<$0 + depth] }
            }
            let plain = Plain.attention(
                part(q.wide), part(k.wide), part(v.wide), depth: depth,
                scale: 1 / Double(depth).squareRoot(), causal: false)
            let difference = Difference(part(out), plain.floats)
            #expect(difference.relative < 6e-3, "\(queries)x\(keys)x\(depth): \(difference)")
        }
    }

    @Test func `whole numbers are summed exactly, also the largest`() throws {
        // Every weight ±1 of a scale, every activation at the end of its range.
        let (rows, inputs, outputs) = (2, 3072, 16)
        let w = (0..<outputs * inputs).map { Float($0 % 3 == 0 ? -1 : 1) }
        let x = [Float](repeating: 2, count: rows * inputs)
        let packed = try PackedMatrix(outputs: outputs, inputs: inputs, rows: w, format: .int8)
        var y = [Float](repeating: .nan, count: rows * outputs)
        product(x, rows: rows, packed, bias: nil, into: &y, Workspace())
        for (i, value) in y.enumerated() {
            let o = i % outputs
            let sum = (0..<inputs).reduce(Float(0)) { $0 + 2 * w[o * inputs + $1] }
            #expect(abs(value - sum) <= 1e-5 * Float(inputs), "\(value) is not \(sum)")
        }
    }

    @Test func `weights that were whole numbers become the same ones`() {
        var random = SplitMix64(seed: 23)
        let row = random.floats(500)
        var (first, second) = ([Int8](repeating: 0, count: 500), [Int8](repeating: 0, count: 500))
        let (scale, sum) = quantiseWeights(row, into: &first, count: 500)
        let values = first.map { Float($0) * scale }
        let again = quantiseWeights(values, into: &second, count: 500)
        #expect(first == second && sum == again.sum)
        #expect(abs(again.scale - scale) <= scale * 1e-6)
        #expect(sum == first.reduce(0) { $0 + Int32($1) })
    }
}
