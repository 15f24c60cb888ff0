import CDNNL

/// What a primitive is called with on one workspace: a stream and descriptions of its arguments, whose
/// addresses change from call to call. Made anew each time, they cost a small product a twentieth of its
/// time.
final class OneDNNCall {
    private let primitive: OneDNNPrimitive
    private let stream: dnnl_stream_t
    private var arguments: [dnnl_exec_arg_t] = []
    private let scratchBytes: Int

    // The layouts are those of source, weights, destination, and bias if there is one.
    init(
        _ primitive: OneDNNPrimitive, engine: dnnl_engine_t, _ layouts: [(Int32, OneDNNLayout)],
        scratch: OneDNNLayout
    ) throws {
        var stream: dnnl_stream_t?
        try check(
            dnnl_stream_create(&stream, engine, UInt32(dnnl_stream_default_flags.rawValue)),
            "a oneDNN stream")
        guard let stream else { throw ProductError.library("oneDNN gave no stream") }
        (self.primitive, self.stream) = (primitive, stream)
        scratchBytes = scratch.byteCount
        let all = layouts + (scratchBytes > 0 ? [(DNNL_ARG_SCRATCHPAD, scratch)] : [])
        for (index, layout) in all {
            var memory: dnnl_memory_t?
            try check(
                vt_memory(&memory, layout.description, engine, nil), "a oneDNN argument")
            arguments.append(dnnl_exec_arg_t(arg: index, memory: memory))
        }
    }

    deinit {
        for argument in arguments { dnnl_memory_destroy(argument.memory) }
        dnnl_stream_destroy(stream)
    }

    /// Runs on the calling thread and waits. The bias is there if it was described.
    func run(
        _ x: UnsafeRawPointer, _ w: UnsafeRawPointer, _ bias: UnsafePointer<Float>?,
        _ y: UnsafeMutableRawPointer, _ workspace: Workspace
    ) throws {
        try set(0, x)
        try set(1, w)
        try set(2, y)
        if let bias { try set(3, bias) }
        if scratchBytes > 0 {
            guard let pad = workspace.floatsIfAny(.library, (scratchBytes + 3) / 4) else {
                throw ProductError.memory(what: "a product's scratch", bytes: scratchBytes)
            }
            try set(arguments.count - 1, pad)
        }
        try check(
            dnnl_primitive_execute(
                primitive.primitive, stream, Int32(arguments.count), arguments), "a product")
        try check(dnnl_stream_wait(stream), "a product")
    }

    private func set(_ at: Int, _ pointer: UnsafeRawPointer) throws {
        try check(
            dnnl_memory_set_data_handle(
                arguments[at].memory, UnsafeMutableRawPointer(mutating: pointer)),
            "a oneDNN argument")
    }
}

/// The calls that a workspace has made.
final class OneDNNCalls {
    private var products: [ProductKey: OneDNNCall] = [:]
    private var strided: [StridedKey: OneDNNCall] = [:]
    /// More than a model has shapes; then they are made anew.
    private static let most = 1024

    static func of(_ workspace: Workspace) -> OneDNNCalls {
        if let calls = workspace.library as? OneDNNCalls { return calls }
        let calls = OneDNNCalls()
        workspace.library = calls
        return calls
    }

    func product(_ key: ProductKey, _ make: () throws -> OneDNNCall) rethrows -> OneDNNCall {
        if let call = products[key] { return call }
        if products.count >= OneDNNCalls.most { products = [:] }
        let call = try make()
        products[key] = call
        return call
    }

    func strided(_ key: StridedKey, _ make: () throws -> OneDNNCall) rethrows -> OneDNNCall {
        if let call = strided[key] { return call }
        if strided.count >= OneDNNCalls.most { strided = [:] }
        let call = try make()
        strided[key] = call
        return call
    }
}
