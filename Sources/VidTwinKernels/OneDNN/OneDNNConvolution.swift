import CDNNL
import ForkSafety

/// A compiled convolution; runs on the calling thread, on several at once.
final class OneDNNConvolution: DirectConvolution, @unchecked Sendable {
    private let engine: dnnl_engine_t
    private let primitive: dnnl_primitive_t
    private let source, destination, weights, scratch: OneDNNLayout
    private let shape: ConvolutionShape
    private let hasBias: Bool
    /// Bytes that the weights, or their gradient, take in the library's layout.
    var weightBytes: Int { weights.byteCount }

    private struct Key: Hashable {
        let shape: ConvolutionShape
        let product: ConvolutionProduct
    }
    private static let compiled = Guarded<[Key: Compiled]>.ofProcess([:])
    private enum Compiled: @unchecked Sendable {
        case done(OneDNNConvolution)
        case none
    }

    /// The compiled product, or nil where the library has no fast one for this CPU and shape.
    static func of(
        _ shape: ConvolutionShape, _ product: ConvolutionProduct
    ) -> OneDNNConvolution? {
        let key = Key(shape: shape, product: product)
        func known() -> Compiled? { compiled.withLock { $0[key] } }
        if known() == nil {
            let made = OneDNNProducts.threads.alone {
                (try? OneDNNConvolution(shape, product)).map { Compiled.done($0) }
            }
            // Whoever was first stays: packed weights know a product by its identity.
            compiled.withLock { all in
                if all[key] == nil { all[key] = made ?? Compiled.none }
            }
        }
        if case .done(let product)? = known() { return product } else { return nil }
    }

    private init(_ shape: ConvolutionShape, _ product: ConvolutionProduct) throws {
        self.shape = shape
        let narrow: ProductElement = shape.isNarrow ? .bfloat16 : .float32
        let engine = try OneDNNProducts.shared.sharedEngine()
        self.engine = engine
        let isWeights = product == .backwardWeights
        let isData = product == .backwardData
        func activations(_ channels: Int, _ sizes: [Int], _ element: ProductElement) throws
            -> OneDNNLayout
        {
            // Logical order: batch, channels, sizes; in memory the channels are last.
            var steps = [Int](repeating: 1, count: sizes.count + 2)
            var step = channels
            for axis in sizes.indices.reversed() {
                steps[axis + 2] = step
                step *= sizes[axis]
            }
            steps[0] = step
            return try OneDNNLayout.plain(
                [shape.count, channels] + sizes, element, strides: steps)
        }
        // What is multiplied is narrow, what comes out is float32.
        source = try activations(shape.channels, shape.input, isData ? .float32 : narrow)
        destination = try activations(
            shape.outputs, shape.output, isData || isWeights ? narrow : .float32)
        let any = try OneDNNLayout.any(
            [shape.outputs, shape.channels] + shape.kernel, isWeights ? .float32 : narrow)
        let bias = try OneDNNLayout.plain([shape.outputs], .float32)
        let (strides, left) = (shape.stride.map { Int64($0) }, shape.padding.map { Int64($0) })
        let right = OneDNNConvolution.right(shape)
        func describe(
            _ made: inout dnnl_primitive_desc_t?, _ kind: dnnl_prop_kind_t,
            _ attributes: dnnl_primitive_attr_t?
        ) throws {
            let from = try activations(shape.channels, shape.input, narrow)
            let weights = try OneDNNLayout.any(
                [shape.outputs, shape.channels] + shape.kernel, narrow)
            let to = try activations(
                shape.outputs, shape.output, kind == dnnl_forward_inference ? .float32 : narrow)
            var withBias = false
            if case .forward(true, _) = product { withBias = true }
            try check(
                vt_convolution(
                    &made, engine, kind, from.description, weights.description,
                    withBias ? bias.description : nil, to.description, strides, left, right,
                    attributes), "choosing a convolution")
        }
        var description: dnnl_primitive_desc_t?
        switch product {
        case .forward(let bias, let relu):
            hasBias = bias
            try withOneDNNAttributes(relu ? .relu : .none) {
                try describe(&description, dnnl_forward_inference, $0)
            }
        case .backwardData, .backwardWeights:
            hasBias = false
            var forward: dnnl_primitive_desc_t?
            try describe(&forward, dnnl_forward_training, nil)
            defer { dnnl_primitive_desc_destroy(forward) }
            let (source, destination) = (source.description, destination.description)
            try withOneDNNAttributes(.none) { attributes in
                try check(
                    isData
                        ? vt_convolution_data(
                            &description, engine, source, any.description, destination, strides,
                            left, right, forward, attributes)
                        : vt_convolution_weights(
                            &description, engine, source, any.description, destination, strides,
                            left, right, forward, attributes), "choosing a convolution's way back")
            }
        }
        defer { dnnl_primitive_desc_destroy(description) }
        var name: UnsafePointer<CChar>?
        try check(
            dnnl_primitive_desc_query(description, dnnl_query_impl_info_str, 0, &name),
            "naming a convolution")
        if name.map({ String(cString: $0) })?.contains("ref") ?? true {
            throw ProductError.library("no fast convolution")
        }
        let which = isWeights ? dnnl_query_diff_weights_md : dnnl_query_weights_md
        weights = try OneDNNLayout.of(description, which)
        scratch = try OneDNNLayout.of(description, dnnl_query_scratchpad_md)
        var primitive: dnnl_primitive_t?
        try check(dnnl_primitive_create(&primitive, description), "compiling a convolution")
        guard let primitive else { throw ProductError.library("oneDNN gave no convolution") }
        self.primitive = primitive
    }

    /// The padding at the ends that gives the output its size.
    private static func right(_ shape: ConvolutionShape) -> [Int64] {
        shape.input.indices.map {
            Int64(
                (shape.output[$0] - 1) * shape.stride[$0] + shape.kernel[$0] - shape.input[$0]
                    - shape.padding[$0])
        }
    }

    deinit { dnnl_primitive_destroy(primitive) }

    /// The weights `[O, I, k…]`, row-major, in the layout of this product; nil where there is no memory.
    func pack(_ rows: UnsafePointer<Float>) throws -> AlignedBuffer {
        guard let buffer = AlignedBuffer(count: (weights.byteCount + 3) / 4) else {
            throw ProductError.memory(what: "a convolution's weights", bytes: weights.byteCount)
        }
        let plain = try OneDNNLayout.plain(
            [shape.outputs, shape.channels] + shape.kernel, .float32)
        try OneDNNProducts.shared.reorder(rows, plain, into: buffer.pointer, as: weights)
        return buffer
    }

    /// A gradient in the layout of this product as `[O, I, k…]`, row-major.
    func unpack(
        _ gradient: UnsafePointer<Float>, into rows: UnsafeMutablePointer<Float>
    ) throws {
        let plain = try OneDNNLayout.plain(
            [shape.outputs, shape.channels] + shape.kernel, .float32)
        try OneDNNProducts.shared.reorder(gradient, weights, into: rows, as: plain)
    }

    /// Runs on `shape.count` pictures: `input` and `output` are x and y (or dx and dy, or x and dy),
    /// in the element that the product wants; `weights` are packed ones, or their gradient, written.
    /// Lack of memory is noted as the task's failure.
    func run(
        input: UnsafeMutableRawPointer, weights packed: UnsafeMutableRawPointer,
        bias: UnsafePointer<Float>?, output: UnsafeMutableRawPointer,
        _ product: ConvolutionProduct, _ workspace: Workspace
    ) {
        workspace.operations += shape.operations
        do {
            let call = try OneDNNCalls.of(workspace).convolutions(ObjectIdentifier(self)) {
                try self.call(product)
            }
            try HeldSignals.during { try call.run(input, packed, bias, output, workspace) }
        } catch {
            TaskFailure.note(error)
        }
    }

    /// What it is called with on one workspace.
    private func call(_ product: ConvolutionProduct) throws -> OneDNNCall {
        let (isWeights, isData) = (product == .backwardWeights, product == .backwardData)
        var layouts = [
            (isData ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, source),
            (isWeights ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, weights),
            (isWeights || isData ? DNNL_ARG_DIFF_DST : DNNL_ARG_DST, destination),
        ]
        if hasBias {
            layouts.append((DNNL_ARG_BIAS, try OneDNNLayout.plain([shape.outputs], .float32)))
        }
        return try OneDNNCall(primitive, engine: engine, layouts, scratch: scratch)
    }
}
