import CDNNL

/// One compiled product; safe to run on several threads at once (the scratch memory is a call's).
final class OneDNNPrimitive: @unchecked Sendable {
    let weights: OneDNNLayout
    private let engine: dnnl_engine_t
    private let primitive: dnnl_primitive_t
    private let source, destination, scratch: OneDNNLayout
    private let bias: OneDNNLayout?

    /// `activation(x · Wᵀ + b)` with packed weights.
    convenience init(
        product key: ProductKey, weights wanted: OneDNNLayout, engine: dnnl_engine_t
    ) throws {
        let (source, destination, bias) = (
            try OneDNNLayout.plain([key.rows, key.shape.inputs], key.shape.source),
            try OneDNNLayout.plain([key.rows, key.shape.outputs], key.destination),
            try OneDNNLayout.plain([key.shape.outputs], .float32)
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
        let source = try OneDNNLayout.plain(
            [key.m, key.k], .bfloat16,
            strides: key.transposedA ? [1, key.aStride] : [key.aStride, 1])
        let weights = try OneDNNLayout.plain(
            [key.k, key.n], .bfloat16,
            strides: key.transposed ? [1, key.bStride] : [key.bStride, 1]
        )
        let destination = try OneDNNLayout.plain(
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
        _ activation: Activation, source: OneDNNLayout, destination: OneDNNLayout,
        bias: OneDNNLayout?, engine: dnnl_engine_t, _ what: @autoclosure () -> String,
        _ describe: (inout dnnl_primitive_desc_t?, dnnl_primitive_attr_t?) -> dnnl_status_t
    ) throws {
        var description: dnnl_primitive_desc_t?
        try withOneDNNAttributes(activation) {
            try check(describe(&description, $0), "choosing a product for \(what())")
        }
        defer { dnnl_primitive_desc_destroy(description) }
        weights = try OneDNNLayout.of(description, dnnl_query_weights_md)
        scratch = try OneDNNLayout.of(description, dnnl_query_scratchpad_md)
        (self.source, self.destination, self.bias) = (source, destination, bias)
        var primitive: dnnl_primitive_t?
        try check(
            dnnl_primitive_create(&primitive, description), "compiling a product for \(what())")
        guard let primitive else { throw ProductError.library("oneDNN gave no product") }
        self.primitive = primitive
        self.engine = engine
    }

    deinit { dnnl_primitive_destroy(primitive) }

    /// What it is called with on one workspace.
    func call() throws -> OneDNNCall {
        try OneDNNCall(
            primitive, engine: engine,
            [(DNNL_ARG_SRC, source), (DNNL_ARG_WEIGHTS, weights), (DNNL_ARG_DST, destination)]
                + (bias.map { [(DNNL_ARG_BIAS, $0)] } ?? []), scratch: scratch)
    }
}

/// What oneDNN is told beside a product's sizes: scratch memory is the caller's, and `activation` follows.
func withOneDNNAttributes<Result>(
    _ activation: Activation, _ body: (dnnl_primitive_attr_t?) throws -> Result
) throws -> Result {
    var attributes: dnnl_primitive_attr_t?
    try check(dnnl_primitive_attr_create(&attributes), "product attributes")
    defer { dnnl_primitive_attr_destroy(attributes) }
    try check(
        dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user),
        "product attributes")
    let kind: dnnl_alg_kind_t? =
        switch activation {
        case .none: nil
        case .relu, .leakyReLU: dnnl_eltwise_relu
        case .geluTanh: dnnl_eltwise_gelu_tanh
        case .geluErf: dnnl_eltwise_gelu_erf
        }
    if let kind {
        var operations: dnnl_post_ops_t?
        try check(dnnl_post_ops_create(&operations), "product attributes")
        defer { dnnl_post_ops_destroy(operations) }
        let slope: Float = activation == .leakyReLU ? 0.2 : 0
        try check(vt_post_op(operations, kind, slope), "activation")
        try check(dnnl_primitive_attr_set_post_ops(attributes, operations), "product attributes")
    }
    return try body(attributes)
}
