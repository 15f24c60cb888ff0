import Testing
import VidTwinKernels
import VidTwinTestSupport

@Suite struct `Products against the plain twin` {
    static let shapes = [
        (1, 1, 1), (3, 5, 7), (16, 24, 72), (98, 64, 48), (112, 100, 33), (17, 768, 96),
        (5, 48, 768),
    ]

    @Test(arguments: shapes)
    func `packed products with bias and activation`(_ rows: Int, _ inputs: Int, _ outputs: Int)
        throws
    {
        var random = SplitMix64(seed: UInt64(rows * 1000 + inputs))
        let (x, w) = (random.floats(rows * inputs), random.floats(outputs * inputs))
        let b = random.floats(outputs)
        let packed = try PackedMatrix(outputs: outputs, inputs: inputs, rows: w)
        let plain = Plain.linear(x, rows: rows, w, b, inputs: inputs, outputs: outputs)
        let pool = ThreadPool(threadCount: 1)
        for (activation, function): (Activation, (Double) -> Double) in [
            (.none, { $0 }), (.relu, { max($0, 0) }), (.geluTanh, Plain.geluTanh),
            (.geluErf, Plain.geluErf),
        ] {
            var y = [Float](repeating: .nan, count: rows * outputs)
            y.withUnsafeMutableBufferPointer { y in
                guard let out = y.baseAddress else { return }
                pool.parallel(1) { _, _ in
                    product(
                        x, rows: rows, packed, bias: b, into: out, activation: activation,
                        Workspace())
                }
            }
            let expected = plain.map(function).floats
            // Activations near zero cancel: the error is measured against the sums before them.
            let worst = zip(y, expected).map { abs($0 - $1) }.max() ?? .infinity
            let size = plain.map { abs($0) }.max() ?? 1
            #expect(Double(worst) <= 3e-6 * max(size, 1), "\(activation): off by \(worst)")
        }
    }

    @Test(arguments: [(4, 5, 6), (196, 196, 64), (196, 64, 196)])
    func `unpacked products with strides`(_ m: Int, _ n: Int, _ k: Int) {
        var random = SplitMix64(seed: UInt64(m + n))
        let (aStride, cStride) = (k + 3, n + 2)
        let a = random.floats(m * aStride)
        for transposed in [false, true] {
            let bStride = (transposed ? k : n) + 1
            let b = random.floats((transposed ? n : k) * bStride)
            var c = [Float](repeating: 0, count: m * cStride)
            matrixProduct(
                m, n, k, a, aStride, b, bStride, transposed: transposed, into: &c, cStride,
                Workspace())
            var (found, plain): ([Float], [Float]) = ([], [])
            for i in 0..<m {
                for j in 0..<n {
                    let sum = (0..<k).reduce(0.0) {
                        $0 + Double(a[i * aStride + $1])
                            * Double(transposed ? b[j * bStride + $1] : b[$1 * bStride + j])
                    }
                    found.append(c[i * cStride + j])
                    plain.append(Float(sum))
                }
            }
            #expect(Difference(found, plain).relative < 1e-6)
        }
    }
}

@Suite struct `Thread pool` {
    @Test(arguments: [1, 2, 3, 8])
    func `every task runs once, workers one at a time`(_ threads: Int) {
        let pool = ThreadPool(threadCount: threads)
        for count in [0, 1, 2, 7, 1000] {
            let runs = UnsafeMutablePointer<Int32>.allocate(capacity: count + 1)
            let busy = UnsafeMutablePointer<Int32>.allocate(capacity: threads)
            runs.initialize(repeating: 0, count: count + 1)
            busy.initialize(repeating: 0, count: threads)
            defer {
                runs.deallocate()
                busy.deallocate()
            }
            let clashes = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
            clashes.initialize(to: 0)
            defer { clashes.deallocate() }
            pool.parallel(count) { task, worker in
                if busy[worker] != 0 { clashes.pointee = 1 }
                busy[worker] = 1
                runs[task] += 1
                busy[worker] = 0
            }
            #expect((0..<count).allSatisfy { runs[$0] == 1 })
            #expect(clashes.pointee == 0)
        }
    }

    @Test func `a loop inside a task runs on that thread`() {
        let pool = ThreadPool(threadCount: 2)
        let sums = UnsafeMutablePointer<Int>.allocate(capacity: 4)
        sums.initialize(repeating: 0, count: 4)
        defer { sums.deallocate() }
        pool.parallel(4) { outer, worker in
            pool.parallel(10) { inner, innerWorker in
                if innerWorker == worker { sums[outer] += inner }
            }
        }
        #expect((0..<4).allSatisfy { sums[$0] == 45 })
    }

    @Test func `partitions cover all rows once and do not depend on threads`() {
        for rows in [0, 1, 96, 112, 113, 900, 1792, 3136, 3137] {
            let partition = Partition(rows: rows, target: 112)
            let parts = (0..<partition.tasks).map { partition[$0] }
            #expect(parts.flatMap { Array($0) } == Array(0..<rows))
            #expect((parts.map(\.count).max() ?? 0) - (parts.map(\.count).min() ?? 0) <= 1)
        }
        #expect(Partition(rows: 3136, target: 112).tasks == 32)
    }
}
