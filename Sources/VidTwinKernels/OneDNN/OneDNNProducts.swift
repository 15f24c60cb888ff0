import CDNNL
import ForkSafety

/// The compiled products of the process. oneDNN compiles under this lock alone, so a fork finds it at
/// rest.
final class OneDNNProducts: ForkParticipant {
    static let shared: OneDNNProducts = {
        let library = OneDNNProducts()
        Fork.join(library)
        return library
    }()

    static let threads = OpenMPThreads(set: omp_set_num_threads, get: omp_get_max_threads)

    func beforeFork() { contents.lock() }
    func afterFork(inChild: Bool) { contents.unlock() }

    private struct Contents: @unchecked Sendable {
        var engine: dnnl_engine_t?
        var layouts: [ProductShape: OneDNNLayout] = [:]
        var products: [ProductKey: OneDNNPrimitive] = [:]
        var strided: [StridedKey: OneDNNPrimitive] = [:]
    }
    private let contents = Guarded(Contents())

    /// Rows for which a layout is chosen; `Partition` cuts large products into about as many.
    private static let layoutRows = 98

    /// Makes sure of memory for code: oneDNN 2.6 writes through null where it gets none, when a product is
    /// compiled and, for its older products, when one is run for the first time.
    static func requireRoom() throws {
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
        try contents.withLock { try OneDNNProducts.engine(&$0) }
    }

    /// The layout of packed weights, the same for every number of rows.
    func layout(_ shape: ProductShape) throws -> OneDNNLayout {
        try contents.withLock { contents in
            if let layout = contents.layouts[shape] { return layout }
            let engine = try OneDNNProducts.engine(&contents)
            let key = ProductKey(
                rows: OneDNNProducts.layoutRows, shape: shape,
                destination: shape.weights == .signed8 ? .signed32 : .float32,
                bias: false, activation: .none)
            let any = try OneDNNLayout.any([shape.outputs, shape.inputs], shape.weights)
            let primitive = try OneDNNProducts.threads.alone {
                try OneDNNPrimitive(product: key, weights: any, engine: engine)
            }
            contents.layouts[shape] = primitive.weights
            contents.products[key] = primitive
            return primitive.weights
        }
    }

    func product(_ key: ProductKey) throws -> OneDNNPrimitive {
        if let primitive = contents.withLock({ $0.products[key] }) { return primitive }
        let layout = try layout(key.shape)
        return try contents.withLock { contents in
            if let primitive = contents.products[key] { return primitive }
            let engine = try OneDNNProducts.engine(&contents)
            let primitive = try OneDNNPrimitive(product: key, weights: layout, engine: engine)
            contents.products[key] = primitive
            return primitive
        }
    }

    /// A product of bfloat16 with float32 results.
    func strided(_ key: StridedKey) throws -> OneDNNPrimitive {
        try contents.withLock { contents in
            if let primitive = contents.strided[key] { return primitive }
            let engine = try OneDNNProducts.engine(&contents)
            let primitive = try OneDNNPrimitive(strided: key, engine: engine)
            contents.strided[key] = primitive
            return primitive
        }
    }

    /// Brings elements from one layout into another.
    func reorder(
        _ rows: UnsafeRawPointer, _ plain: OneDNNLayout,
        into packed: UnsafeMutableRawPointer, as layout: OneDNNLayout
    ) throws {
        // Not only tasks pack: OpenMP's threads would take part, and wait for more by spinning.
        try OneDNNProducts.threads.alone { try move(rows, plain, into: packed, as: layout) }
    }

    private func move(
        _ rows: UnsafeRawPointer, _ plain: OneDNNLayout,
        into packed: UnsafeMutableRawPointer, as layout: OneDNNLayout
    ) throws {
        let (engine, primitive) = try contents.withLock { contents in
            let engine = try OneDNNProducts.engine(&contents)
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
        guard let primitive else { throw ProductError.library("oneDNN gave no reorder") }
        let call = try OneDNNCall(
            primitive, engine: engine, [(DNNL_ARG_FROM, plain), (DNNL_ARG_TO, layout)])
        try call.set(0, rows)
        try call.set(1, packed)
        try call.run()
    }
}

extension OneDNNProducts: ProductLibrary {
    func packedBytes(_ shape: ProductShape) throws -> Int { try layout(shape).byteCount }

    func pack(
        _ rows: UnsafeRawPointer, _ element: ProductElement, transposed: Bool,
        into packed: UnsafeMutableRawPointer, _ shape: ProductShape
    ) throws {
        let plain = try OneDNNLayout.plain(
            [shape.outputs, shape.inputs], element, strides: transposed ? [1, shape.outputs] : nil)
        try reorder(rows, plain, into: packed, as: layout(shape))
    }

    func multiply(
        _ key: ProductKey, _ x: UnsafeRawPointer, _ w: UnsafeRawPointer,
        bias: UnsafePointer<Float>?, into y: UnsafeMutableRawPointer, _ workspace: Workspace
    ) throws {
        try OneDNNCalls.of(workspace).products(key) { try product(key).call() }
            .run(x, w, bias, y, workspace)
    }

    func multiply(
        _ key: StridedKey, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
        into c: UnsafeMutablePointer<Float>, _ workspace: Workspace
    ) throws {
        try OneDNNCalls.of(workspace).willMultiply(key)
        func letter(_ transposed: Bool) -> CChar {
            CChar(UInt8(ascii: transposed ? "T" : "N"))
        }
        let status = dnnl_sgemm(
            letter(key.transposedA), letter(key.transposed), Int64(key.m), Int64(key.n),
            Int64(key.k), 1, a, Int64(key.aStride), b, Int64(key.bStride), key.adding ? 1 : 0, c,
            Int64(key.cStride))
        precondition(status != dnnl_invalid_arguments, "dnnl_sgemm of \(key)")
        try check(status, "a matrix product")
    }

    func multiply(
        _ key: StridedKey, _ a: UnsafePointer<UInt16>, _ b: UnsafePointer<UInt16>,
        into c: UnsafeMutablePointer<Float>, _ workspace: Workspace
    ) throws {
        try OneDNNCalls.of(workspace).strided(key) { try strided(key).call() }
            .run(a, b, nil, c, workspace)
    }

    func hasNarrow(_ key: StridedKey) -> Bool { (try? strided(key)) != nil }

    func convolution(_ shape: ConvolutionShape, _ product: ConvolutionProduct)
        -> (any DirectConvolution)?
    { OneDNNConvolution.of(shape, product) }

    var threads: OpenMPThreads? { OneDNNProducts.threads }
}
