import CDNNL
import Synchronization

/// What a product applies to its result, element by element.
package enum Activation: Hashable, Sendable {
    case none
    case relu
    /// GELU with the tanh approximation (the transformer blocks).
    case geluTanh
    /// GELU with erf (the Q-Former).
    case geluErf
}

/// Why a product cannot be prepared.
package struct ProductError: Error, CustomStringConvertible {
    package let description: String
}

/// A weight matrix `[outputs, inputs]` packed once into the layout that oneDNN's products want.
package final class PackedMatrix: Sendable {
    package let outputs: Int
    package let inputs: Int
    fileprivate let buffer: AlignedBuffer

    /// Packs `rows`, which is `[outputs, inputs]` in row-major order and not kept.
    package init(
        outputs: Int, inputs: Int, rows: UnsafePointer<Float>
    ) throws {
        self.outputs = outputs
        self.inputs = inputs
        let shape = ProductShape(inputs: inputs, outputs: outputs)
        let packed = try ProductLibrary.shared.layout(shape)
        let bytes = withUnsafePointer(to: packed.descriptor) { dnnl_memory_desc_get_size($0) }
        guard let buffer = AlignedBuffer(count: (bytes + 3) / 4) else {
            throw ProductError(description: "no memory for \(bytes) bytes of weights")
        }
        self.buffer = buffer
        try ProductLibrary.shared.pack(shape, rows, into: buffer.pointer, as: packed.descriptor)
    }

    /// Bytes that the packed form takes.
    package var byteCount: Int { buffer.count * 4 }
}

/// `y = activation(x · Wᵀ + bias)`, or with `accumulate` (no activation) `y += x · Wᵀ + bias`.
///
/// `x` is `[rows, inputs]`, `y` is `[rows, outputs]`, both dense; runs on the calling thread alone
/// when that is a task of a `ThreadPool`.
package func product(
    _ x: UnsafePointer<Float>, rows: Int, _ weights: PackedMatrix, bias: UnsafePointer<Float>?,
    into y: UnsafeMutablePointer<Float>, activation: Activation = .none, accumulate: Bool = false
) {
    let key = ProductKey(
        rows: rows, shape: ProductShape(inputs: weights.inputs, outputs: weights.outputs),
        bias: bias != nil, activation: activation, accumulate: accumulate)
    do {
        let primitive = try ProductLibrary.shared.primitive(key)
        try withExtendedLifetime(weights) {
            try primitive.run(x, weights.buffer.pointer, bias, y)
        }
    } catch {
        // Shapes were accepted when the weights were packed: what is left is lack of memory.
        fatalError("oneDNN product \(key): \(error)")
    }
}

/// `c = alpha · a · b` or `c = alpha · a · bᵀ`, row-major with strides in elements.
///
/// `a` is `[m, k]`, `b` is `[k, n]` (or `[n, k]` when transposed), `c` is `[m, n]`.
package func matrixProduct(
    _ m: Int, _ n: Int, _ k: Int, alpha: Float = 1, _ a: UnsafePointer<Float>, _ aStride: Int,
    _ b: UnsafePointer<Float>, _ bStride: Int, transposed: Bool,
    into c: UnsafeMutablePointer<Float>, _ cStride: Int
) {
    let status = dnnl_sgemm(
        CChar(UInt8(ascii: "N")), CChar(UInt8(ascii: transposed ? "T" : "N")),
        Int64(m), Int64(n), Int64(k), alpha, a, Int64(aStride), b, Int64(bStride), 0, c,
        Int64(cStride))
    precondition(status == dnnl_success, "dnnl_sgemm [\(m), \(k)] x [\(k), \(n)]: \(status)")
}

// MARK: - oneDNN

private struct ProductShape: Hashable, Sendable {
    let inputs: Int
    let outputs: Int
}

private struct ProductKey: Hashable, Sendable {
    let rows: Int
    let shape: ProductShape
    let bias: Bool
    let activation: Activation
    let accumulate: Bool
}

/// A packed layout, as oneDNN describes it.
private struct PackedLayout: @unchecked Sendable {
    let descriptor: dnnl_memory_desc_t
}

private func check(_ status: dnnl_status_t, _ what: @autoclosure () -> String) throws {
    if status != dnnl_success {
        throw ProductError(description: "\(what()) failed with oneDNN status \(status.rawValue)")
    }
}

private func describe(_ dimensions: [Int], _ tag: dnnl_format_tag_t) throws -> dnnl_memory_desc_t {
    var descriptor = dnnl_memory_desc_t()
    let sizes = dimensions.map { Int64($0) }
    try check(
        dnnl_memory_desc_init_by_tag(
            &descriptor, Int32(sizes.count), sizes, dnnl_f32, tag), "describing \(dimensions)")
    return descriptor
}

/// The compiled products of the process: each shape is compiled once and shared.
private final class ProductLibrary: Sendable {
    static let shared = ProductLibrary()

    private struct Contents: @unchecked Sendable {
        var engine: dnnl_engine_t?
        var layouts: [ProductShape: PackedLayout] = [:]
        var primitives: [ProductKey: ProductPrimitive] = [:]
    }
    private let contents = Mutex(Contents())

    /// Rows for which a layout is chosen; `Partition` cuts large products into about as many.
    private static let layoutRows = 98

    private static func engine(_ contents: inout Contents) throws -> dnnl_engine_t {
        if let engine = contents.engine { return engine }
        var engine: dnnl_engine_t?
        try check(dnnl_engine_create(&engine, dnnl_cpu, 0), "starting oneDNN on the CPU")
        guard let engine else { throw ProductError(description: "oneDNN gave no engine") }
        contents.engine = engine
        return engine
    }

    /// The layout of packed weights, the same for every number of rows.
    func layout(_ shape: ProductShape) throws -> PackedLayout {
        try contents.withLock { contents in
            if let layout = contents.layouts[shape] { return layout }
            let engine = try ProductLibrary.engine(&contents)
            ProductThreads.useOne()
            let key = ProductKey(
                rows: ProductLibrary.layoutRows, shape: shape, bias: true, activation: .none,
                accumulate: false)
            let any = try describe([shape.outputs, shape.inputs], dnnl_format_tag_any)
            let primitive = try ProductPrimitive(key, weights: any, engine: engine)
            let layout = PackedLayout(descriptor: primitive.weights)
            contents.layouts[shape] = layout
            contents.primitives[key] = primitive
            return layout
        }
    }

    func primitive(_ key: ProductKey) throws -> ProductPrimitive {
        if let primitive = contents.withLock({ $0.primitives[key] }) { return primitive }
        let layout = try layout(key.shape)
        return try contents.withLock { contents in
            if let primitive = contents.primitives[key] { return primitive }
            let engine = try ProductLibrary.engine(&contents)
            let primitive = try ProductPrimitive(
                key, weights: layout.descriptor, engine: engine)
            contents.primitives[key] = primitive
            return primitive
        }
    }

    /// Reorders `[outputs, inputs]` into a packed layout.
    func pack(
        _ shape: ProductShape, _ rows: UnsafePointer<Float>,
        into packed: UnsafeMutablePointer<Float>, as layout: dnnl_memory_desc_t
    ) throws {
        let engine = try contents.withLock { try ProductLibrary.engine(&$0) }
        var plain = try describe([shape.outputs, shape.inputs], dnnl_ab)
        var layout = layout
        var description: dnnl_primitive_desc_t?
        try check(
            dnnl_reorder_primitive_desc_create(
                &description, &plain, engine, &layout, engine, nil), "packing weights")
        defer { dnnl_primitive_desc_destroy(description) }
        var primitive: dnnl_primitive_t?
        try check(dnnl_primitive_create(&primitive, description), "packing weights")
        defer { dnnl_primitive_destroy(primitive) }
        try execute(
            primitive, engine,
            [
                (DNNL_ARG_FROM, plain, UnsafeMutableRawPointer(mutating: rows)),
                (DNNL_ARG_TO, layout, UnsafeMutableRawPointer(packed)),
            ])
    }
}

/// One compiled product; safe to run on several threads at once (the scratch memory is a call's).
private final class ProductPrimitive: @unchecked Sendable {
    let weights: dnnl_memory_desc_t
    private let engine: dnnl_engine_t
    private let primitive: dnnl_primitive_t
    private let source: dnnl_memory_desc_t
    private let bias: dnnl_memory_desc_t?
    private let destination: dnnl_memory_desc_t
    private let scratch: dnnl_memory_desc_t
    private let scratchBytes: Int

    init(_ key: ProductKey, weights wanted: dnnl_memory_desc_t, engine: dnnl_engine_t) throws {
        self.engine = engine
        var wanted = wanted
        var source = try describe([key.rows, key.shape.inputs], dnnl_ab)
        var destination = try describe([key.rows, key.shape.outputs], dnnl_ab)
        var bias = try describe([key.shape.outputs], dnnl_a)
        var operation = dnnl_inner_product_desc_t()
        try withUnsafePointer(to: &bias) { bias in
            try check(
                dnnl_inner_product_forward_desc_init(
                    &operation, dnnl_forward_inference, &source, &wanted, key.bias ? bias : nil,
                    &destination), "describing a product")
        }
        var attributes: dnnl_primitive_attr_t?
        try check(dnnl_primitive_attr_create(&attributes), "product attributes")
        defer { dnnl_primitive_attr_destroy(attributes) }
        try check(
            dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user),
            "product attributes")
        var operations: dnnl_post_ops_t?
        try check(dnnl_post_ops_create(&operations), "product attributes")
        defer { dnnl_post_ops_destroy(operations) }
        if key.accumulate { try check(dnnl_post_ops_append_sum(operations, 1), "accumulation") }
        let kind: dnnl_alg_kind_t? =
            switch key.activation {
            case .none: nil
            case .relu: dnnl_eltwise_relu
            case .geluTanh: dnnl_eltwise_gelu_tanh
            case .geluErf: dnnl_eltwise_gelu_erf
            }
        if let kind {
            try check(dnnl_post_ops_append_eltwise(operations, 1, kind, 0, 0), "activation")
        }
        try check(dnnl_primitive_attr_set_post_ops(attributes, operations), "product attributes")

        var description: dnnl_primitive_desc_t?
        try check(
            withUnsafePointer(to: &operation) {
                dnnl_primitive_desc_create(&description, $0, attributes, engine, nil)
            }, "choosing a product for \(key)")
        defer { dnnl_primitive_desc_destroy(description) }
        guard let chosen = dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0),
            let scratch = dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0)
        else { throw ProductError(description: "oneDNN does not describe its product") }
        self.weights = chosen.pointee
        self.scratch = scratch.pointee
        scratchBytes = dnnl_memory_desc_get_size(scratch)
        self.source = source
        self.destination = destination
        self.bias = key.bias ? bias : nil
        var primitive: dnnl_primitive_t?
        try check(dnnl_primitive_create(&primitive, description), "compiling a product for \(key)")
        guard let primitive else { throw ProductError(description: "oneDNN gave no product") }
        self.primitive = primitive
    }

    deinit { dnnl_primitive_destroy(primitive) }

    func run(
        _ x: UnsafePointer<Float>, _ w: UnsafeMutablePointer<Float>, _ b: UnsafePointer<Float>?,
        _ y: UnsafeMutablePointer<Float>
    ) throws {
        let pad = scratchBytes > 0 ? AlignedBuffer(count: (scratchBytes + 3) / 4) : nil
        var arguments: [(Int32, dnnl_memory_desc_t, UnsafeMutableRawPointer)] = [
            (DNNL_ARG_SRC, source, UnsafeMutableRawPointer(mutating: x)),
            (DNNL_ARG_WEIGHTS, weights, UnsafeMutableRawPointer(w)),
            (DNNL_ARG_DST, destination, UnsafeMutableRawPointer(y)),
        ]
        if let b, let bias {
            arguments.append((DNNL_ARG_BIAS, bias, UnsafeMutableRawPointer(mutating: b)))
        }
        if let pad {
            arguments.append((DNNL_ARG_SCRATCHPAD, scratch, UnsafeMutableRawPointer(pad.pointer)))
        }
        try withExtendedLifetime((self, pad)) { try execute(primitive, engine, arguments) }
    }
}

/// Runs a primitive on the calling thread with these arguments and waits for it.
private func execute(
    _ primitive: dnnl_primitive_t?, _ engine: dnnl_engine_t,
    _ arguments: [(Int32, dnnl_memory_desc_t, UnsafeMutableRawPointer)]
) throws {
    var stream: dnnl_stream_t?
    try check(
        dnnl_stream_create(&stream, engine, UInt32(dnnl_stream_default_flags.rawValue)),
        "a oneDNN stream")
    defer { dnnl_stream_destroy(stream) }
    var prepared: [dnnl_exec_arg_t] = []
    prepared.reserveCapacity(arguments.count)
    defer { for argument in prepared { dnnl_memory_destroy(argument.memory) } }
    for (index, descriptor, pointer) in arguments {
        var memory: dnnl_memory_t?
        try check(
            withUnsafePointer(to: descriptor) { dnnl_memory_create(&memory, $0, engine, pointer) },
            "a oneDNN argument")
        prepared.append(dnnl_exec_arg_t(arg: index, memory: memory))
    }
    try check(
        dnnl_primitive_execute(primitive, stream, Int32(prepared.count), prepared), "a product")
    try check(dnnl_stream_wait(stream), "a product")
}
