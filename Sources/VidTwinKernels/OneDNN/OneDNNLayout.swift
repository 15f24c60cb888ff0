import CDNNL

extension ProductElement {
    fileprivate var type: dnnl_data_type_t {
        switch self {
        case .float32: dnnl_f32
        case .bfloat16: dnnl_bf16
        case .unsigned8: dnnl_u8
        case .signed8: dnnl_s8
        case .signed32: dnnl_s32
        }
    }
}

/// A layout, as oneDNN describes it.
final class OneDNNLayout: @unchecked Sendable {
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
    ) throws -> OneDNNLayout {
        let steps = strides ?? sizes.indices.map { sizes[($0 + 1)...].reduce(1, *) }
        return try OneDNNLayout {
            try check(
                vt_layout_with_strides(
                    $0, Int32(sizes.count), sizes.map { Int64($0) }, element.type,
                    steps.map { Int64($0) }), "describing \(sizes)")
        }
    }

    /// Whatever the library prefers.
    static func any(_ sizes: [Int], _ element: ProductElement) throws -> OneDNNLayout {
        try OneDNNLayout {
            try check(
                vt_layout_any($0, Int32(sizes.count), sizes.map { Int64($0) }, element.type),
                "describing \(sizes)")
        }
    }

    /// What the library chose.
    static func of(_ primitive: dnnl_primitive_desc_t?, _ what: dnnl_query_t) throws
        -> OneDNNLayout
    {
        try OneDNNLayout {
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
