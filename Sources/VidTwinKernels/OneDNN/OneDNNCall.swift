import CDNNL

/// What a primitive is called with: a stream and descriptions of its arguments, whose addresses change
/// from call to call. One thread at a time.
final class OneDNNCall {
    private let primitive: dnnl_primitive_t
    private let stream: dnnl_stream_t
    private var arguments: [dnnl_exec_arg_t] = []
    private let scratchBytes: Int

    /// The primitive stays its owner's, who outlives the call.
    ///
    /// - Throws: also where there is no room for what the first run compiles.
    init(
        _ primitive: dnnl_primitive_t, engine: dnnl_engine_t, _ layouts: [(Int32, OneDNNLayout)],
        scratch: OneDNNLayout? = nil
    ) throws {
        try OneDNNProducts.requireRoom()
        var stream: dnnl_stream_t?
        try check(
            dnnl_stream_create(&stream, engine, UInt32(dnnl_stream_default_flags.rawValue)),
            "a oneDNN stream")
        guard let stream else { throw ProductError.library("oneDNN gave no stream") }
        (self.primitive, self.stream) = (primitive, stream)
        scratchBytes = scratch?.byteCount ?? 0
        var layouts = layouts
        if let scratch, scratchBytes > 0 { layouts.append((DNNL_ARG_SCRATCHPAD, scratch)) }
        for (index, layout) in layouts {
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

    /// Says where the argument of the `at`-th layout is.
    func set(_ at: Int, _ pointer: UnsafeRawPointer) throws {
        try check(
            dnnl_memory_set_data_handle(
                arguments[at].memory, UnsafeMutableRawPointer(mutating: pointer)),
            "a oneDNN argument")
    }

    /// Runs on the calling thread and waits; scratch memory is the workspace's.
    func run(_ workspace: Workspace? = nil) throws {
        if scratchBytes > 0 {
            guard let pad = workspace?.floatsIfAny(.library, (scratchBytes + 3) / 4) else {
                throw ProductError.memory(what: "a product's scratch", bytes: scratchBytes)
            }
            try set(arguments.count - 1, pad)
        }
        try check(
            dnnl_primitive_execute(primitive, stream, Int32(arguments.count), arguments),
            "a product")
        try check(dnnl_stream_wait(stream), "a product")
    }

    /// Runs a product whose layouts are those of source, weights, destination, and bias if it has one.
    func run(
        _ x: UnsafeRawPointer, _ w: UnsafeRawPointer, _ bias: UnsafePointer<Float>?,
        _ y: UnsafeMutableRawPointer, _ workspace: Workspace
    ) throws {
        try set(0, x)
        try set(1, w)
        try set(2, y)
        if let bias { try set(3, bias) }
        try run(workspace)
    }
}

/// The products that a workspace has called: described anew each time, their arguments cost a small one a
/// twentieth of its time.
final class OneDNNCalls {
    /// Calls by what they compute; when there are more than a model has shapes, they are made anew.
    struct Kept<Key: Hashable> {
        private var calls: [Key: OneDNNCall] = [:]

        mutating func callAsFunction(
            _ key: Key, _ make: () throws -> OneDNNCall
        ) rethrows -> OneDNNCall {
            if let call = calls[key] { return call }
            if calls.count >= 1024 { calls = [:] }
            let call = try make()
            calls[key] = call
            return call
        }
    }
    var products = Kept<ProductKey>()
    var strided = Kept<StridedKey>()
    /// By the compiled convolution, which the process keeps.
    var convolutions = Kept<ObjectIdentifier>()
    /// Products of float32 at strides that were run.
    private var plain: Set<StridedKey> = []

    /// Before a product of float32 at strides, which needs no description: the first may be compiled.
    func willMultiply(_ key: StridedKey) throws {
        if plain.contains(key) { return }
        try OneDNNProducts.requireRoom()
        if plain.count >= 1024 { plain = [] }
        plain.insert(key)
    }

    static func of(_ workspace: Workspace) -> OneDNNCalls {
        if let calls = workspace.library as? OneDNNCalls { return calls }
        let calls = OneDNNCalls()
        workspace.library = calls
        return calls
    }
}
