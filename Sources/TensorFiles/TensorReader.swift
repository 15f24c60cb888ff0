/// Gives meaning to the few calls and types of a pickle that tensors are made of.
struct TensorReader {
    let pickle: Pickle
    let budget: ReadingBudget
    /// By the keys that the pickle refers to them by.
    let storages: [String: ZipArchive.Entry]
    let path: String
    /// What stands before a key, for messages.
    let place: String

    /// What a tensor's description takes.
    private static let tensorBytes = 512

    /// The state dict: the root itself, or what stands under the usual keys.
    func stateDictionary() throws(CheckpointError) -> [String: StoredTensor] {
        var root = pickle.root
        for key in ["state_dict", "model_state_dict", "model"] {
            if let inner = value(of: key, in: root), pickle.dictionary(inner) != nil {
                root = inner
                break
            }
        }
        guard let pairs = pickle.dictionary(root) else {
            throw malformed("data.pkl", "a state dict", "another object")
        }
        var tensors: [String: StoredTensor] = [:]
        for (key, value) in pairs {
            guard case .string(let name) = pickle.values[key] else { continue }
            try budget.spend(TensorReader.tensorBytes, name)
            if let entry = try tensor(name, value) { tensors[name] = entry }
        }
        if tensors.isEmpty { throw malformed("data.pkl", "tensors in the state dict", "none") }
        return tensors
    }

    private func value(of key: String, in dictionary: Int) -> Int? {
        guard let pairs = pickle.dictionary(dictionary) else { return nil }
        return pairs.last {
            if case .string(key) = pickle.values[$0.key] { return true }
            return false
        }?.value
    }

    private func malformed(
        _ place: String, _ expected: String, _ found: String
    ) -> CheckpointError {
        .malformed(path: path, place: place, expected: expected, found: found)
    }

    /// The tensor that a call makes, or nil where the value is no tensor.
    func tensor(
        _ name: String, _ index: Int
    ) throws(CheckpointError) -> StoredTensor? {
        var index = index
        for _ in 0..<8 {  // wrappers around the call that counts
            guard case .call(let function, let arguments) = pickle.values[index],
                case .global(let module, let call) = pickle.values[function],
                case .tuple(let items) = pickle.values[arguments]
            else { return nil }
            switch (module, call) {
            case ("torch._utils", "_rebuild_tensor_v2") where items.count >= 4,
                ("torch._utils", "_rebuild_tensor") where items.count >= 4,
                ("torch._utils", "_rebuild_tensor_v3") where items.count >= 7:
                let type = call == "_rebuild_tensor_v3" ? elementType(items[6]) : nil
                return try view(name, items, type)
            case ("torch._utils", "_rebuild_parameter") where !items.isEmpty,
                ("torch._utils", "_rebuild_parameter_with_state") where !items.isEmpty:
                index = items[0]
            default: return nil
            }
        }
        return nil
    }

    /// What a value says of a storage: `("storage", type, key, location, count, ...)`.
    func storage(_ index: Int) -> (type: Int, key: String, count: Int)? {
        guard case .persistent(let reference) = pickle.values[index],
            case .tuple(let items) = pickle.values[reference], items.count >= 5,
            case .string("storage") = pickle.values[items[0]],
            case .string(let key) = pickle.values[items[2]],
            case .integer(let count) = pickle.values[items[4]], count >= 0
        else { return nil }
        // The oldest files have views of storages, too.
        if items.count > 5, case .tuple = pickle.values[items[5]] { return nil }
        return (items[1], key, count)
    }

    private func view(
        _ name: String, _ items: [Int], _ given: ElementType?
    ) throws(CheckpointError) -> StoredTensor {
        guard let (typeIndex, key, count) = storage(items[0]) else {
            throw malformed(name, "a reference to a storage", "something else")
        }
        guard let storageType = given ?? elementType(typeIndex) else {
            throw malformed(name, "a storage of a known type", typeName(typeIndex))
        }
        let itemBytes = given == nil ? storageType.byteCount : 1  // untyped storages count bytes
        guard let entry = storages[key] else {
            throw malformed(name, "the storage \(place)\(key)", "no such entry")
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: itemBytes)
        guard !overflow, bytes == entry.size else {
            throw malformed(
                name, "\(count) elements of \(itemBytes) bytes in \(entry.name)",
                "\(entry.size) bytes")
        }
        guard case .integer(let offset) = pickle.values[items[1]], offset >= 0,
            let shape = integers(items[2]), let strides = integers(items[3]),
            shape.count == strides.count
        else { throw malformed(name, "offset, shape and strides", "something else") }
        let capacity = entry.size / storageType.byteCount
        guard covers(shape, strides, offset, capacity) else {
            throw malformed(
                name, "a view within the \(capacity) elements of \(entry.name)",
                "offset \(offset), shape \(shape), strides \(strides)")
        }
        return StoredTensor(
            info: TensorInfo(name: name, shape: shape, type: storageType), strides: strides,
            offset: offset, storage: entry)
    }

    /// Whether every element of the view lies in the storage. Axes of stride 0 (broadcasts) are
    /// refused when they would make the tensor larger than its storage.
    private func covers(
        _ shape: [Int], _ strides: [Int], _ offset: Int, _ capacity: Int
    ) -> Bool {
        var (last, elements) = (offset, 1)
        for (size, stride) in Swift.zip(shape, strides) {
            guard size >= 0, stride >= 0 else { return false }
            let (product, overflow) = elements.multipliedReportingOverflow(by: size)
            let (reach, far) = max(size - 1, 0).multipliedReportingOverflow(by: stride)
            let (sum, beyond) = last.addingReportingOverflow(reach)
            if overflow || far || beyond { return false }
            (elements, last) = (product, sum)
        }
        return elements == 0 || last < capacity && elements <= capacity
    }

    private func integers(_ index: Int) -> [Int]? {
        guard case .tuple(let items) = pickle.values[index], items.count <= 16 else { return nil }
        var integers: [Int] = []
        for item in items {
            guard case .integer(let value) = pickle.values[item] else { return nil }
            integers.append(value)
        }
        return integers
    }

    func typeName(_ index: Int) -> String {
        guard case .global(let module, let name) = pickle.values[index] else { return "no type" }
        return "\(module.prefix(80)).\(name.prefix(80))"
    }

    /// The element type of `torch.FloatStorage` and the like, or of `torch.float32`.
    func elementType(_ index: Int) -> ElementType? {
        guard case .global("torch", let name) = pickle.values[index] else { return nil }
        switch name {
        case "DoubleStorage", "float64", "double": return .float64
        case "FloatStorage", "float32", "float": return .float32
        case "HalfStorage", "float16", "half": return .float16
        case "BFloat16Storage", "bfloat16": return .bfloat16
        case "float8_e4m3fn": return .float8E4M3
        case "float8_e5m2": return .float8E5M2
        case "float8_e8m0fnu": return .float8E8M0
        case "uint64": return .uint64
        case "uint32": return .uint32
        case "uint16": return .uint16
        case "LongStorage", "int64", "long": return .int64
        case "IntStorage", "int32", "int": return .int32
        case "ShortStorage", "int16", "short": return .int16
        case "CharStorage", "int8": return .int8
        case "ByteStorage", "uint8": return .uint8
        case "BoolStorage", "bool": return .bool
        default: return nil
        }
    }
}
