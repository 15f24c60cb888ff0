/// The least row of weights whose products with rows stay within bounds.
///
/// What a construction reads off tables must be right, but weights cost: each multiplies what an
/// activation lost in a narrow form. Solved by turns (Hildreth): each bound in its turn is met, and what
/// it gave is taken back as far as the others allow.
package struct LeastNorm {
    private var rows: [[Double]] = []
    private var bounds: [(low: Double, high: Double)] = []

    package init() {}

    /// A row, and what its product may be.
    package mutating func add(_ row: [Double], _ low: Double, _ high: Double) {
        rows.append(row)
        bounds.append((low, high))
    }

    /// A row whose product is to be at most `most` off.
    package mutating func add(_ row: [Double], near value: Double, off most: Double) {
        add(row, value - most, value + most)
    }

    /// The weights, when no turn changes a product by more than `tolerance` any more.
    package func solved(turns: Int = 4000, tolerance: Double = 1e-3) -> [Double] {
        let n = rows.count
        let gram = rows.map { row in rows.map { dot(row, $0) } }
        // A bound's share of the weights, and rows' products with these.
        var shares = [Double](repeating: 0, count: n)
        var products = shares
        for _ in 0..<turns {
            var moved = 0.0
            for i in 0..<n where gram[i][i] > 0 {
                let others = products[i] - shares[i] * gram[i][i]
                let wanted = min(max(others, bounds[i].low), bounds[i].high)
                let change = (wanted - others) / gram[i][i] - shares[i]
                if change == 0 { continue }
                shares[i] += change
                for j in 0..<n { products[j] += change * gram[i][j] }
                moved = max(moved, abs(change) * gram[i][i])
            }
            if moved < tolerance { break }
        }
        var out = [Double](repeating: 0, count: rows.first?.count ?? 0)
        for (share, row) in zip(shares, rows) where share != 0 {
            for i in out.indices { out[i] += share * row[i] }
        }
        return out
    }
}

/// The sum of products.
func dot(_ a: [Double], _ b: [Double]) -> Double {
    a.withUnsafeBufferPointer { a in
        b.withUnsafeBufferPointer { b in
            var sum = 0.0
            for i in 0..<a.count { sum += a[i] * b[i] }
            return sum
        }
    }
}
