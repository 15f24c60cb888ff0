import ForkSafety
import Glibc

/// Products by `cblas_sgemm`: float32, and by way of it bfloat16 (weights are widened) and whole
/// numbers (sums of parts that float32 holds exactly).
final class OpenBLASProducts: ProductLibrary, ForkParticipant {
    private let library: OpenBLASLibrary
    private let calls: OpenBLASCalls

    /// - Throws: `ProductError.library` where there is none.
    init() throws {
        library = try OpenBLASLibrary()
        calls = OpenBLASCalls(most: library.mostCalls)
        Fork.join(self)
    }

    func beforeFork() { calls.hold() }
    func afterFork(inChild: Bool) { calls.release(inChild: inChild) }

    var title: String { library.title }
    var level: String { library.core }
    var multipliesBFloat16: Bool { false }
    var hasBFloat16: Bool { false }
    var hasVNNI: Bool { false }
    var activationLevels: Int32 { 255 }

    /// Inputs whose products, 255 by 127 each, have a sum below 2²⁴.
    private static let exactInputs = 512

    // Packed weights are the plain ones: OpenBLAS packs what it multiplies.

    func packedBytes(_ shape: ProductShape) throws -> Int {
        shape.outputs * shape.inputs * (shape.weights == .signed8 ? 1 : 4)
    }

    func pack(
        _ rows: UnsafeRawPointer, _ element: ProductElement, transposed: Bool,
        into packed: UnsafeMutableRawPointer, _ shape: ProductShape
    ) throws {
        guard transposed else {
            packed.copyMemory(from: rows, byteCount: try packedBytes(shape))
            return
        }
        let (from, to) = (
            rows.assumingMemoryBound(to: Float.self), packed.assumingMemoryBound(to: Float.self)
        )
        for o in 0..<shape.outputs {
            for i in 0..<shape.inputs { to[o * shape.inputs + i] = from[i * shape.outputs + o] }
        }
    }

    func multiply(
        _ key: ProductKey, _ x: UnsafeRawPointer, _ w: UnsafeRawPointer,
        bias: UnsafePointer<Float>?, into y: UnsafeMutableRawPointer, _ workspace: Workspace
    ) throws {
        if key.shape.source == .unsigned8 {
            return try multiplyWhole(
                key, x.assumingMemoryBound(to: UInt8.self), w.assumingMemoryBound(to: Int8.self),
                into: y.assumingMemoryBound(to: Int32.self), workspace)
        }
        let (rows, columns) = (key.rows, key.shape.outputs)
        let out = y.assumingMemoryBound(to: Float.self)
        try multiply(
            OpenBLASProducts.dense(key, key.shape.inputs), x.assumingMemoryBound(to: Float.self),
            w.assumingMemoryBound(to: Float.self), into: out, workspace)
        if let bias { kernels.add_table(out, bias, out, 0, rows, columns, 1, 1) }
        if key.activation != .none {
            kernels.activate(out, out, rows * columns, key.activation.code)
        }
    }

    private static func dense(_ key: ProductKey, _ inputs: Int) -> StridedKey {
        StridedKey(
            m: key.rows, n: key.shape.outputs, k: inputs, aStride: inputs, bStride: inputs,
            cStride: key.shape.outputs, transposed: true)
    }

    /// Some inputs after the other as floats, and the sums of each as whole numbers.
    private func multiplyWhole(
        _ key: ProductKey, _ x: UnsafePointer<UInt8>, _ w: UnsafePointer<Int8>,
        into y: UnsafeMutablePointer<Int32>, _ workspace: Workspace
    ) throws {
        let (rows, inputs, outputs) = (key.rows, key.shape.inputs, key.shape.outputs)
        let part = min(inputs, OpenBLASProducts.exactInputs)
        guard let wide = workspace.floatsIfAny(.library, part * (rows + outputs) + rows * outputs)
        else {
            throw ProductError.memory(
                what: "a product's scratch", bytes: 4 * (part * (rows + outputs) + rows * outputs))
        }
        let (xs, ws) = (wide, wide + part * rows)
        let sums = ws + part * outputs
        y.update(repeating: 0, count: rows * outputs)
        for from in stride(from: 0, to: inputs, by: part) {
            let count = min(part, inputs - from)
            for r in 0..<rows {
                for i in 0..<count { xs[r * count + i] = Float(x[r * inputs + from + i]) }
            }
            for o in 0..<outputs {
                for i in 0..<count { ws[o * count + i] = Float(w[o * inputs + from + i]) }
            }
            try multiply(
                OpenBLASProducts.dense(key, count), xs, ws, into: sums, workspace)
            for at in 0..<rows * outputs { y[at] &+= Int32(sums[at]) }
        }
    }

    func multiply(
        _ key: StridedKey, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
        into c: UnsafeMutablePointer<Float>, _: Workspace
    ) throws {
        let sizes = [key.m, key.n, key.k, key.aStride, key.bStride, key.cStride]
        guard let largest = sizes.max(), largest <= Int(CInt.max) else {
            throw ProductError.unsupported(
                "OpenBLAS multiplies matrices of at most \(CInt.max) rows and columns, found \(sizes)"
            )
        }
        let (rowMajor, plain, turned): (CInt, CInt, CInt) = (101, 111, 112)
        try calls.during {
            library.sgemm(
                rowMajor, key.transposedA ? turned : plain, key.transposed ? turned : plain,
                CInt(key.m), CInt(key.n), CInt(key.k), 1, a, CInt(key.aStride), b,
                CInt(key.bStride), key.adding ? 1 : 0, c, CInt(key.cStride))
        }
    }

    func multiply(
        _ key: StridedKey, _ a: UnsafePointer<UInt16>, _ b: UnsafePointer<UInt16>,
        into c: UnsafeMutablePointer<Float>, _ workspace: Workspace
    ) throws { throw ProductError.unsupported("OpenBLAS multiplies no bfloat16") }

    func hasNarrow(_ key: StridedKey) -> Bool { false }

    func convolution(_ shape: ConvolutionShape, _ product: ConvolutionProduct)
        -> (any DirectConvolution)?
    { nil }

    var threads: OpenMPThreads? { library.threads }
}
