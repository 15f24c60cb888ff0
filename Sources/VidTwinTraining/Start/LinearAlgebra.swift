import Glibc
import VidTwin

/// What a constructed start asks of LAPACK: Debian's OpenBLAS, or whichever the machine has, opened
/// when it is needed, so that nobody else loads it. Small matrices in float64, row-major.
struct LinearAlgebra {
    private typealias Integer = UnsafeMutablePointer<Int32>
    private typealias Numbers = UnsafeMutablePointer<Double>
    private typealias Flag = UnsafePointer<CChar>
    private typealias Eigen =
        @convention(c) (
            Flag, Flag, Integer, Numbers, Integer, Numbers, Numbers, Integer, Integer
        ) -> Void
    private typealias Solve =
        @convention(c) (
            Flag, Integer, Integer, Numbers, Integer, Numbers, Integer, Integer
        ) -> Void

    private let eigen: Eigen
    private let solve: Solve

    /// - Throws: `TrainingError.failure` where there is no LAPACK.
    init() throws {
        let names = ["libopenblas.so.0", "liblapack.so.3"]
        for name in names {
            guard let library = dlopen(name, RTLD_NOW | RTLD_LOCAL),
                let eigen = dlsym(library, "dsyev_"), let solve = dlsym(library, "dposv_")
            else { continue }
            self.eigen = unsafeBitCast(eigen, to: Eigen.self)
            self.solve = unsafeBitCast(solve, to: Solve.self)
            return
        }
        throw TrainingError.failure(
            "model.params.init: transform needs LAPACK: expected one of "
                + "\(names.joined(separator: ", ")) (Debian: libopenblas0), found none")
    }

    /// Eigenvalues of a symmetric matrix `[n, n]`, the largest first, and its vectors as rows.
    ///
    /// - Throws: `TrainingError.failure` where LAPACK finds none.
    func eigenvectors(_ matrix: [Double]) throws -> (values: [Double], rows: [[Double]]) {
        let n = Int(Double(matrix.count).squareRoot())
        var (a, values) = (matrix, [Double](repeating: 0, count: n))
        var (size, stride) = (Int32(n), Int32(n))
        var (room, info) = (Int32(max(34 * n, 1)), Int32(0))
        var work = [Double](repeating: 0, count: Int(room))
        eigen("V", "U", &size, &a, &stride, &values, &work, &room, &info)
        if info != 0 { throw TrainingError.failure("dsyev: no eigenvalues (\(info))") }
        // Fortran's columns are rows here; the smallest comes first.
        return (
            values.reversed(),
            (0..<n).reversed().map { Array(a[$0 * n..<($0 + 1) * n]) }
        )
    }

    /// X of A·X = B for a positive definite A `[n, n]` and columns B, each of n numbers.
    ///
    /// - Throws: `TrainingError.failure` where A is not.
    func solve(_ matrix: [Double], _ columns: [[Double]]) throws -> [[Double]] {
        let n = Int(Double(matrix.count).squareRoot())
        var (a, b) = (matrix, columns.flatMap { $0 })
        var (size, stride, height) = (Int32(n), Int32(n), Int32(n))
        var (count, info) = (Int32(columns.count), Int32(0))
        solve("U", &size, &count, &a, &stride, &b, &height, &info)
        if info != 0 { throw TrainingError.failure("dposv: not positive definite (\(info))") }
        return columns.indices.map { Array(b[$0 * n..<($0 + 1) * n]) }
    }

    /// Least squares with a ridge: columns w with rows·w ≈ column, at the cost of ridge·|w|².
    func leastSquares(
        _ rows: [[Double]], _ columns: [[Double]], ridge: Double
    ) throws -> [[Double]] {
        let n = rows.first?.count ?? 0
        var gram = [Double](repeating: 0, count: n * n)
        for row in rows {
            for i in 0..<n where row[i] != 0 {
                for j in 0..<n { gram[i * n + j] += row[i] * row[j] }
            }
        }
        for i in 0..<n { gram[i * n + i] += ridge }
        let right = columns.map { column in
            (0..<n).map { i in rows.indices.reduce(0) { $0 + rows[$1][i] * column[$1] } }
        }
        return try solve(gram, right)
    }
}
