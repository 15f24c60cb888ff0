/// Writes a pickle of protocol 2 with the few globals that PyTorch's safe reader takes. Names are
/// those of Python's pickletools.
struct PickleWriter {
    private(set) var bytes: [UInt8] = [0x80, 2]  // PROTO
    /// The tensors in the order of their storages' numbers.
    private(set) var tensors: [TorchTensor] = []

    init(_ value: TorchValue) {
        write(value)
        bytes.append(UInt8(ascii: "."))  // STOP
    }

    private mutating func code(_ character: Unicode.Scalar) {
        bytes.append(UInt8(ascii: character))
    }

    private mutating func little(_ value: UInt64, _ width: Int) {
        for i in 0..<width { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * i))) }
    }

    private mutating func global(_ module: String, _ name: String) {
        code("c")
        bytes += Array("\(module)\n\(name)\n".utf8)
    }

    private mutating func text(_ text: String) {
        let utf8 = Array(text.utf8)
        code("X")  // BINUNICODE
        little(UInt64(utf8.count), 4)
        bytes += utf8
    }

    private mutating func integer(_ value: Int) {
        switch value {
        case 0..<256:
            code("K")  // BININT1
            little(UInt64(value), 1)
        case 256..<65536:
            code("M")  // BININT2
            little(UInt64(value), 2)
        case Int(Int32.min)...Int(Int32.max):
            code("J")  // BININT
            little(UInt64(UInt32(bitPattern: Int32(value))), 4)
        default:
            bytes.append(0x8a)  // LONG1
            bytes.append(8)
            little(UInt64(bitPattern: Int64(value)), 8)
        }
    }

    private mutating func tuple(_ items: [TorchValue]) {
        if items.isEmpty { return code(")") }
        code("(")  // MARK
        for item in items { write(item) }
        code("t")  // TUPLE
    }

    private mutating func emptyOrderedDictionary() {
        global("collections", "OrderedDict")
        code(")")
        code("R")  // REDUCE
    }

    private mutating func write(_ value: TorchValue) {
        switch value {
        case .none: code("N")
        case .bool(let value): bytes.append(value ? 0x88 : 0x89)
        case .integer(let value): integer(value)
        case .float(let value):
            code("G")  // BINFLOAT, big-endian
            for i in 0..<8 {
                bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> UInt64(56 - 8 * i)))
            }
        case .text(let value): text(value)
        case .list(let items):
            code("]")
            if items.isEmpty { return }
            code("(")
            for item in items { write(item) }
            code("e")  // APPENDS
        case .tuple(let items): tuple(items)
        case .dictionary(let pairs):
            code("}")
            if pairs.isEmpty { return }
            code("(")
            for (key, value) in pairs {
                write(key)
                write(value)
            }
            code("u")  // SETITEMS
        case .ordered(let pairs):
            emptyOrderedDictionary()
            if pairs.isEmpty { return }
            code("(")
            for (name, value) in pairs {
                text(name)
                write(value)
            }
            code("u")
        case .tensor(let value): tensor(value)
        }
    }

    /// `torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`
    private mutating func tensor(_ tensor: TorchTensor) {
        global("torch._utils", "_rebuild_tensor_v2")
        code("(")
        code("(")
        text("storage")
        global("torch", tensor.storageClass)
        text("\(tensors.count)")
        text("cpu")
        integer(tensor.count)
        code("t")
        code("Q")  // BINPERSID
        integer(0)
        tuple(tensor.shape.map { .integer($0) })
        var strides: [TorchValue] = []
        var stride = 1
        for size in tensor.shape.reversed() {
            strides.append(.integer(stride))
            stride *= max(size, 1)
        }
        tuple(strides.reversed())
        bytes.append(0x89)
        emptyOrderedDictionary()
        code("t")
        code("R")
        tensors.append(tensor)
    }
}
