import ForkSafety
import CDNNL

/// Why a product cannot be prepared or run.
package enum ProductError: Error, CustomStringConvertible {
    /// No memory for something of this size.
    case memory(what: String, bytes: Int)
    /// A precision that cannot do what is asked for.
    case unsupported(String)
    /// oneDNN's own.
    case library(String)

    package var description: String {
        switch self {
        case .memory(let what, let bytes): "no memory for \(what): \(bytes) bytes asked for"
        case .unsupported(let problem), .library(let problem): problem
        }
    }
}

/// Types of elements in oneDNN's products.
enum ProductElement: Hashable, Sendable {
    case float32, bfloat16, unsigned8, signed8, signed32

    var type: dnnl_data_type_t {
        switch self {
        case .float32: dnnl_f32
        case .bfloat16: dnnl_bf16
        case .unsigned8: dnnl_u8
        case .signed8: dnnl_s8
        case .signed32: dnnl_s32
        }
    }
}

/// Sizes and types of packed weights.
struct ProductShape: Hashable, Sendable {
    let inputs: Int
    let outputs: Int
    /// Of the activations and of the weights.
    let source, weights: ProductElement
}

/// A product that is compiled once and shared.
struct ProductKey: Hashable, Sendable {
    let rows: Int
    let shape: ProductShape
    let destination: ProductElement
    let bias: Bool
    let activation: Activation
}

/// A product of two matrices that are activations, at strides in elements: see `matrixProduct`.
struct StridedKey: Hashable, Sendable {
    let m, n, k: Int
    let aStride, bStride, cStride: Int
    var transposedA = false
    let transposed: Bool
}

/// A layout, as oneDNN describes it.
final class ProductLayout: @unchecked Sendable {
    /// Never changes.
    let description: UnsafePointer<vt_layout>
    /// Bytes that memory of this layout takes.
    let byteCount: Int

    private init(_ make: (UnsafeMutablePointer<vt_layout>) throws -> Void) throws {
        let made = UnsafeMutablePointer<vt_layout>.allocate(capacity: 1)
        do {
            try make(made)
        } catch {
            made.deallocate()
            throw error
        }
        (description, byteCount) = (UnsafePointer(made), vt_layout_size(made))
    }

    deinit {
        vt_layout_free(UnsafeMutablePointer(mutating: description))
        description.deallocate()
    }

    /// Rows of elements at strides (in elements); without them row-major and without gaps.
    static func plain(
        _ sizes: [Int], _ element: ProductElement, strides: [Int]? = nil
    ) throws -> ProductLayout {
        let steps = strides ?? sizes.indices.map { sizes[($0 + 1)...].reduce(1, *) }
        return try ProductLayout {
            try check(
                vt_layout_with_strides(
                    $0, Int32(sizes.count), sizes.map { Int64($0) }, element.type,
                    steps.map { Int64($0) }), "describing \(sizes)")
        }
    }

    /// Whatever the library prefers.
    static func any(_ sizes: [Int], _ element: ProductElement) throws -> ProductLayout {
        try ProductLayout {
            try check(
                vt_layout_any($0, Int32(sizes.count), sizes.map { Int64($0) }, element.type),
                "describing \(sizes)")
        }
    }

    /// What the library chose.
    static func of(_ primitive: dnnl_primitive_desc_t?, _ what: dnnl_query_t) throws
        -> ProductLayout
    {
        try ProductLayout {
            try check(vt_layout_queried($0, primitive, what), "asking for a product's layout")
        }
    }
}

func check(_ status: dnnl_status_t, _ what: @autoclosure () -> String) throws {
    if status != dnnl_success {
        if status == dnnl_out_of_memory { throw ProductError.memory(what: what(), bytes: 0) }
        throw ProductError.library("\(what()) failed with oneDNN status \(status.rawValue)")
    }
}

/// The compiled products of the process. oneDNN compiles under this lock alone, so a fork finds it at
/// rest.
final class ProductLibrary: ForkParticipant {
    static let shared: ProductLibrary = {
        let library = ProductLibrary()
        Fork.join(library)
        return library
    }()

    func beforeFork() { contents.lock() }
    func afterFork(inChild: Bool) { contents.unlock() }

    private struct Contents: @unchecked Sendable {
        var engine: dnnl_engine_t?
        var layouts: [ProductShape: ProductLayout] = [:]
        var products: [ProductKey: ProductPrimitive] = [:]
        var strided: [StridedKey: ProductPrimitive] = [:]
    }
    private let contents = Guarded(Contents())

    /// Rows for which a layout is chosen; `Partition` cuts large products into about as many.
    private static let layoutRows = 98

    /// Makes sure of memory for code: oneDNN 2.6 writes through null where it gets none.
    private static func requireRoom() throws {
        let bytes = MemoryReserve.headroom / 4
        guard MemoryReserve.isAvailable(bytes) else {
            throw ProductError.memory(what: "the code of a product", bytes: bytes)
        }
    }

    private static func engine(_ contents: inout Contents) throws -> dnnl_engine_t {
        try requireRoom()
        if let engine = contents.engine { return engine }
        var engine: dnnl_engine_t?
        try check(dnnl_engine_create(&engine, dnnl_cpu, 0), "starting oneDNN on the CPU")
        guard let engine else { throw ProductError.library("oneDNN gave no engine") }
        contents.engine = engine
        return engine
    }

    /// The engine that everything runs on.
    func sharedEngine() throws -> dnnl_engine_t {
        try contents.withLock { try ProductLibrary.engine(&$0) }
    }

    /// The layout of packed weights, the same for every number of rows.
    func layout(_ shape: ProductShape) throws -> ProductLayout {
        try contents.withLock { contents in
            if let layout = contents.layouts[shape] { return layout }
            let engine = try ProductLibrary.engine(&contents)
            ProductThreads.useOne()
            let key = ProductKey(
                rows: ProductLibrary.layoutRows, shape: shape,
                destination: shape.weights == .signed8 ? .signed32 : .float32,
                bias: false, activation: .none)
            let any = try ProductLayout.any([shape.outputs, shape.inputs], shape.weights)
            let primitive = try ProductPrimitive(product: key, weights: any, engine: engine)
            contents.layouts[shape] = primitive.weights
            contents.products[key] = primitive
            return primitive.weights
        }
    }

    func product(_ key: ProductKey) throws -> ProductPrimitive {
        if let primitive = contents.withLock({ $0.products[key] }) { return primitive }
        let layout = try layout(key.shape)
        return try contents.withLock { contents in
            if let primitive = contents.products[key] { return primitive }
            let engine = try ProductLibrary.engine(&contents)
            let primitive = try ProductPrimitive(product: key, weights: layout, engine: engine)
            contents.products[key] = primitive
            return primitive
        }
    }

    /// A product of bfloat16 with float32 results.
    func strided(_ key: StridedKey) throws -> ProductPrimitive {
        try contents.withLock { contents in
            if let primitive = contents.strided[key] { return primitive }
            let engine = try ProductLibrary.engine(&contents)
            let primitive = try ProductPrimitive(strided: key, engine: engine)
            contents.strided[key] = primitive
            return primitive
        }
    }

    /// Brings `[outputs, inputs]` in row-major order, of any type, into a packed layout.
    func pack(
        _ rows: UnsafeRawPointer, _ plain: ProductLayout,
        into packed: UnsafeMutableRawPointer, as layout: ProductLayout
    ) throws {
        // Not only tasks pack: OpenMP's threads would take part, and wait for more by spinning.
        try ProductThreads.alone { try reorder(rows, plain, into: packed, as: layout) }
    }

    private func reorder(
        _ rows: UnsafeRawPointer, _ plain: ProductLayout,
        into packed: UnsafeMutableRawPointer, as layout: ProductLayout
    ) throws {
        let (engine, primitive) = try contents.withLock { contents in
            let engine = try ProductLibrary.engine(&contents)
            var description: dnnl_primitive_desc_t?
            try check(
                vt_reorder(&description, engine, plain.description, layout.description),
                "packing weights")
            defer { dnnl_primitive_desc_destroy(description) }
            var primitive: dnnl_primitive_t?
            try check(dnnl_primitive_create(&primitive, description), "packing weights")
            return (engine, primitive)
        }
        defer { dnnl_primitive_destroy(primitive) }
        try execute(
            primitive, engine,
            [
                (DNNL_ARG_FROM, plain, UnsafeMutableRawPointer(mutating: rows)),
                (DNNL_ARG_TO, layout, packed),
            ])
    }
}

extension ProductLibrary {
    /// Multiplies one small matrix of bfloat16, so that a library that cannot do what it should on
    /// this CPU is not asked to: whole numbers, whose sums are exact.
    func isRightInBFloat16() -> Bool {
        let (rows, inputs, outputs) = (33, 96, 80)
        let shape = ProductShape(
            inputs: inputs, outputs: outputs, source: .bfloat16, weights: .bfloat16)
        let key = ProductKey(
            rows: rows, shape: shape, destination: .float32, bias: false, activation: .none)
        func value(_ i: Int) -> Float { Float(i * 7 % 11 - 5) }
        let x = (0..<rows * inputs).map { UInt16(value($0).bitPattern >> 16) }
        let w = (0..<outputs * inputs).map(value)
        guard let layout = try? layout(shape), let product = try? product(key),
            let plain = try? ProductLayout.plain([outputs, inputs], .float32),
            let packed = AlignedBuffer(count: layout.byteCount / 4 + 1),
            (try? pack(w, plain, into: packed.pointer, as: layout)) != nil
        else { return false }
        var y = [Float](repeating: .nan, count: rows * outputs)
        guard (try? product.run(x, packed.pointer, nil, &y, Workspace())) != nil else {
            return false
        }
        return y.indices.allSatisfy { at in
            let (r, o) = (at / outputs, at % outputs)
            return y[at]
                == (0..<inputs).reduce(Float(0)) {
                    $0 + value(r * inputs + $1) * value(o * inputs + $1)
                }
        }
    }
}

/// One compiled product; safe to run on several threads at once (the scratch memory is a call's).
final class ProductPrimitive: @unchecked Sendable {
    let weights: ProductLayout
    private let engine: dnnl_engine_t
    private let primitive: dnnl_primitive_t
    private let source, destination, scratch: ProductLayout
    private let bias: ProductLayout?

    /// `activation(x · Wᵀ + b)` with packed weights.
    convenience init(
        product key: ProductKey, weights wanted: ProductLayout, engine: dnnl_engine_t
    ) throws {
        let (source, destination, bias) = (
            try ProductLayout.plain([key.rows, key.shape.inputs], key.shape.source),
            try ProductLayout.plain([key.rows, key.shape.outputs], key.destination),
            try ProductLayout.plain([key.shape.outputs], .float32)
        )
        try self.init(
            key.activation, source: source, destination: destination,
            bias: key.bias ? bias : nil, engine: engine, "\(key)"
        ) { made, attributes in
            vt_inner_product(
                &made, engine, source.description, wanted.description,
                key.bias ? bias.description : nil, destination.description, attributes)
        }
    }

    /// `a · b` or `a · bᵀ` of bfloat16 at strides.
    convenience init(strided key: StridedKey, engine: dnnl_engine_t) throws {
        let source = try ProductLayout.plain(
            [key.m, key.k], .bfloat16,
            strides: key.transposedA ? [1, key.aStride] : [key.aStride, 1])
        let weights = try ProductLayout.plain(
            [key.k, key.n], .bfloat16,
            strides: key.transposed ? [1, key.bStride] : [key.bStride, 1]
        )
        let destination = try ProductLayout.plain(
            [key.m, key.n], .float32, strides: [key.cStride, 1])
        try self.init(
            .none, source: source, destination: destination, bias: nil, engine: engine, "\(key)"
        ) { made, attributes in
            vt_matrix_product(
                &made, engine, source.description, weights.description, destination.description,
                attributes)
        }
    }

    private init(
        _ activation: Activation, source: ProductLayout, destination: ProductLayout,
        bias: ProductLayout?, engine: dnnl_engine_t, _ what: @autoclosure () -> String,
        _ describe: (inout dnnl_primitive_desc_t?, dnnl_primitive_attr_t?) -> dnnl_status_t
    ) throws {
        var attributes: dnnl_primitive_attr_t?
        try check(dnnl_primitive_attr_create(&attributes), "product attributes")
        defer { dnnl_primitive_attr_destroy(attributes) }
        try check(
            dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user),
            "product attributes")
        var operations: dnnl_post_ops_t?
        try check(dnnl_post_ops_create(&operations), "product attributes")
        defer { dnnl_post_ops_destroy(operations) }
        let kind: dnnl_alg_kind_t? =
            switch activation {
            case .none: nil
            case .relu: dnnl_eltwise_relu
            case .geluTanh: dnnl_eltwise_gelu_tanh
            case .geluErf: dnnl_eltwise_gelu_erf
            case .leakyReLU: dnnl_eltwise_relu
            }
        if let kind {
            let slope: Float = activation == .leakyReLU ? 0.2 : 0
            try check(vt_post_op(operations, kind, slope), "activation")
        }
        try check(dnnl_primitive_attr_set_post_ops(attributes, operations), "product attributes")

        var description: dnnl_primitive_desc_t?
        try check(describe(&description, attributes), "choosing a product for \(what())")
        defer { dnnl_primitive_desc_destroy(description) }
        weights = try ProductLayout.of(description, dnnl_query_weights_md)
        scratch = try ProductLayout.of(description, dnnl_query_scratchpad_md)
        (self.source, self.destination, self.bias) = (source, destination, bias)
        var primitive: dnnl_primitive_t?
        try check(
            dnnl_primitive_create(&primitive, description), "compiling a product for \(what())")
        guard let primitive else { throw ProductError.library("oneDNN gave no product") }
        self.primitive = primitive
        self.engine = engine
    }

    deinit { dnnl_primitive_destroy(primitive) }

    func run(
        _ x: UnsafeRawPointer, _ w: UnsafeRawPointer, _ b: UnsafePointer<Float>?,
        _ y: UnsafeMutableRawPointer, _ workspace: Workspace
    ) throws {
        var arguments: [(Int32, ProductLayout, UnsafeMutableRawPointer)] = [
            (DNNL_ARG_SRC, source, UnsafeMutableRawPointer(mutating: x)),
            (DNNL_ARG_WEIGHTS, weights, UnsafeMutableRawPointer(mutating: w)),
            (DNNL_ARG_DST, destination, y),
        ]
        if let b, let bias {
            arguments.append((DNNL_ARG_BIAS, bias, UnsafeMutableRawPointer(mutating: b)))
        }
        let bytes = scratch.byteCount
        if bytes > 0 {
            guard let pad = workspace.floatsIfAny(.library, (bytes + 3) / 4) else {
                throw ProductError.memory(what: "a product's scratch", bytes: bytes)
            }
            arguments.append((DNNL_ARG_SCRATCHPAD, scratch, UnsafeMutableRawPointer(pad)))
        }
        try execute(primitive, engine, arguments)
    }
}

/// Runs a primitive on the calling thread with these arguments and waits for it.
func execute(
    _ primitive: dnnl_primitive_t?, _ engine: dnnl_engine_t,
    _ arguments: [(Int32, ProductLayout, UnsafeMutableRawPointer)]
) throws {
    var stream: dnnl_stream_t?
    try check(
        dnnl_stream_create(&stream, engine, UInt32(dnnl_stream_default_flags.rawValue)),
        "a oneDNN stream")
    defer { dnnl_stream_destroy(stream) }
    var prepared: [dnnl_exec_arg_t] = []
    prepared.reserveCapacity(arguments.count)
    defer { for argument in prepared { dnnl_memory_destroy(argument.memory) } }
    for (index, layout, pointer) in arguments {
        var memory: dnnl_memory_t?
        try check(
            vt_memory(&memory, layout.description, engine, pointer), "a oneDNN argument")
        prepared.append(dnnl_exec_arg_t(arg: index, memory: memory))
    }
    try check(
        dnnl_primitive_execute(primitive, stream, Int32(prepared.count), prepared), "a product")
    try check(dnnl_stream_wait(stream), "a product")
}
