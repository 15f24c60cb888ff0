/// An object that `torch.save` can write and `torch.load(weights_only=True)` reads: plain values,
/// collections and tensors.
package indirect enum TorchValue {
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case text(String)
    case list([TorchValue])
    case tuple([TorchValue])
    case dictionary([(key: TorchValue, value: TorchValue)])
    /// A `collections.OrderedDict`, as state dicts are.
    case ordered([(name: String, value: TorchValue)])
    case tensor(TorchTensor)

    /// A dictionary with names as keys.
    package static func named(_ pairs: [(String, TorchValue)]) -> TorchValue {
        .dictionary(pairs.map { (key: .text($0.0), value: $0.1) })
    }
}

/// A dense tensor to write; its bytes are asked for when they are written.
package struct TorchTensor {
    package let shape: [Int]
    package let type: ElementType
    /// Calls its argument once with the elements, row-major and little-endian.
    package let bytes: (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void

    /// A tensor of this shape and type.
    package init(
        _ shape: [Int], _ type: ElementType,
        bytes: @escaping (_ write: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) {
        (self.shape, self.type, self.bytes) = (shape, type, bytes)
    }

    /// A tensor of numbers in memory, which must stay there.
    package init(_ shape: [Int], floats: UnsafePointer<Float>) {
        let count = shape.reduce(1, *)
        self.init(shape, .float32) {
            try $0(UnsafeRawBufferPointer(start: floats, count: 4 * count))
        }
    }

    /// A tensor of these numbers.
    package init(_ shape: [Int], _ values: [Float]) {
        self.init(shape, .float32) { write in try values.withUnsafeBytes { try write($0) } }
    }

    /// A tensor of these numbers.
    package init(_ shape: [Int], _ values: [Double]) {
        self.init(shape, .float64) { write in try values.withUnsafeBytes { try write($0) } }
    }

    /// A tensor of these numbers.
    package init(_ shape: [Int], _ values: [Int64]) {
        self.init(shape, .int64) { write in try values.withUnsafeBytes { try write($0) } }
    }

    package var count: Int { shape.reduce(1, *) }

    /// The name of its storage's class.
    var storageClass: String {
        switch type {
        case .float64: "DoubleStorage"
        case .float32: "FloatStorage"
        case .float16: "HalfStorage"
        case .bfloat16: "BFloat16Storage"
        case .int64: "LongStorage"
        case .int32: "IntStorage"
        case .int16: "ShortStorage"
        case .int8: "CharStorage"
        case .uint8: "ByteStorage"
        case .bool: "BoolStorage"
        default: preconditionFailure("no storage class of PyTorch's holds \(type)")
        }
    }
}
