import VidTwin

/// The directions in which the patches of a set of clips vary most: their principal components.
struct PatchBasis {
    /// Numbers of a patch, in the order channel, row, column.
    let size: Int
    /// The mean patch.
    let mean: [Double]
    /// Orthonormal directions, the strongest first, `[count][size]`.
    let directions: [[Double]]
    /// Standard deviations along them.
    let deviations: [Double]

    /// The `count` strongest directions over the patches `[n, size]` of all clips; those of one clip are
    /// there at a time.
    ///
    /// They are found by subspace iteration: products of the covariance, and small eigenproblems. A patch
    /// counts as its mirror images do, each an order of its numbers: scenes do not care for sides.
    ///
    /// - Throws: `TrainingError` where there is no LAPACK.
    init(
        _ clips: [Tensor], count: Int, _ algebra: LinearAlgebra, mirrors: [[Int]] = [],
        patches: (Tensor) -> Tensor
    ) throws {
        guard let first = clips.first.map(patches) else {
            throw TrainingError.data("no clip to start from")
        }
        let (P, device) = (first.dim(-1), first.device)
        size = P
        var n = 0.0
        var sums = [Double](repeating: 0, count: P)
        for clip in clips {
            let part = patches(clip)
            n += Double(part.dim(0))
            part.withPointer { pointer in
                for row in 0..<part.dim(0) {
                    for i in 0..<P { sums[i] += Double(pointer[row * P + i]) }
                }
            }
        }
        let orders = [Array(0..<P)] + mirrors
        let mean = (0..<P).map { i in
            orders.reduce(0) { $0 + sums[$1[i]] } / (n * Double(orders.count))
        }
        self.mean = mean
        var covariance = Tensor([P, P], [Float](repeating: 0, count: P * P), on: device)
        for clip in clips {
            let part = patches(clip)
            let centred = centred(part, about: mean.map { Float($0) })
            covariance = combined(1, covariance, Float(1 / n), weightGradient(centred, centred))
        }
        covariance = PatchBasis.averaged(covariance, over: orders)
        // A few directions more than asked for, so that the last ones settle too.
        let width = min(count + 24, P)
        let random = Philox(seed: 1)
        var rows = (0..<width).map { row -> [Double] in
            var values = [Float](repeating: 0, count: P)
            random.normals(
                0..<P, site: Philox.Site.weights, clip: UInt32(row), batch: 0, into: &values)
            return values.map(Double.init)
        }
        var values: [Double] = []
        for _ in 0..<12 {
            rows = try PatchBasis.orthonormal(rows, algebra)
            let image = PatchBasis.image(rows, covariance)
            // Rayleigh and Ritz: the best directions within the subspace.
            let (own, turns) = try algebra.eigenvectors(PatchBasis.products(rows, image))
            values = own
            rows = PatchBasis.turned(image, by: turns)
        }
        rows = try PatchBasis.orthonormal(rows, algebra, keepsOrder: true)
        directions = Array(rows.prefix(count))
        // Not below what a narrow form's pixels lose, lest that be taken for content.
        let least = (values.first ?? 0) * 2e-5 + 1e-12
        deviations = values.prefix(count).map { max($0, least).squareRoot() }
    }

    /// The mean of a matrix `[P, P]` and of what orders of its rows and columns make of it.
    private static func averaged(_ matrix: Tensor, over orders: [[Int]]) -> Tensor {
        let P = matrix.dim(0)
        let out = Tensor([P, P], on: matrix.device)
        let share = 1 / Float(orders.count)
        out.withPointer { to in
            matrix.withPointer { from in
                matrix.device.parallel(P) { i, _ in
                    for j in 0..<P {
                        to[i * P + j] =
                            orders.reduce(0) { $0 + from[$1[i] * P + $1[j]] } * share
                    }
                }
            }
        }
        return out
    }

    /// Rows times a symmetric matrix.
    private static func image(_ rows: [[Double]], _ matrix: Tensor) -> [[Double]] {
        let (K, P) = (rows.count, matrix.dim(0))
        let columns = Tensor([P, K], on: matrix.device)
        columns.withPointer { pointer in
            for (k, row) in rows.enumerated() {
                for i in 0..<P { pointer[i * K + k] = Float(row[i]) }
            }
        }
        let out = weightGradient(columns, matrix).values
        return (0..<K).map { k in (0..<P).map { Double(out[k * P + $0]) } }
    }

    /// Inner products of rows with rows, made symmetric: `[K, K]`.
    private static func products(_ a: [[Double]], _ b: [[Double]]) -> [Double] {
        let K = a.count
        var out = [Double](repeating: 0, count: K * K)
        for i in 0..<K {
            for j in 0...i {
                let value = (dot(a[i], b[j]) + dot(a[j], b[i])) / 2
                (out[i * K + j], out[j * K + i]) = (value, value)
            }
        }
        return out
    }

    /// Combinations of rows, the weights of each in a row of `turns`.
    private static func turned(_ rows: [[Double]], by turns: [[Double]]) -> [[Double]] {
        turns.map { turn in
            var out = [Double](repeating: 0, count: rows.first?.count ?? 0)
            for (row, weight) in zip(rows, turn) {
                row.withUnsafeBufferPointer { row in
                    out.withUnsafeMutableBufferPointer { out in
                        for i in 0..<out.count { out[i] += weight * row[i] }
                    }
                }
            }
            return out
        }
    }

    /// Orthonormal rows of the same span; with `keepsOrder` by Gram and Schmidt, first to last.
    private static func orthonormal(
        _ rows: [[Double]], _ algebra: LinearAlgebra, keepsOrder: Bool = false
    ) throws -> [[Double]] {
        if keepsOrder {
            var out: [[Double]] = []
            for row in rows {
                var row = row
                for other in out {
                    let part = dot(row, other)
                    for i in row.indices { row[i] -= part * other[i] }
                }
                let length = max(dot(row, row).squareRoot(), 1e-30)
                out.append(row.map { $0 / length })
            }
            return out
        }
        // Rows of one length first, so that weak directions are not lost to rounding.
        let even = rows.map { row -> [Double] in
            let length = max(dot(row, row).squareRoot(), 1e-30)
            return row.map { $0 / length }
        }
        let (values, vectors) = try algebra.eigenvectors(products(even, even))
        let scaled = zip(values, vectors).map { value, vector in
            vector.map { $0 / max(value, 1e-12).squareRoot() }
        }
        return turned(even, by: scaled)
    }
}
