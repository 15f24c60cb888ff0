import Synchronization
import VidTwinKernels

/// A PyTorch archive (`torch.save` since 1.6, Lightning's .ckpt): a zip with one pickle that
/// describes tensors, and one entry for the bytes of each storage.
final class PyTorchArchive: Sendable {
    /// A tensor: a strided view of a storage. Offsets and strides are in elements.
    struct Entry: Sendable {
        let info: TensorInfo
        let strides: [Int]
        let offset: Int
        let storage: ZipArchive.Entry
    }

    let tensors: [String: Entry]
    private let zip: ZipArchive
    private let bigEndian: Bool
    /// Storages that several tensors share, inflated once; the others are inflated when read.
    private let shared: Set<String>
    private let inflated = Mutex<[String: AlignedBuffer]>([:])
    private let verified = Mutex<Set<String>>([])

    init(_ file: MappedFile) throws(CheckpointError) {
        zip = try ZipArchive(file)
        let pickles = zip.entries.keys.filter { $0 == "data.pkl" || $0.hasSuffix("/data.pkl") }
        guard let name = pickles.min(by: { ($0.count, $0) < ($1.count, $1) }),
            let entry = zip.entries[name]
        else {
            throw .malformed(
                path: file.path, place: "zip directory", expected: "data.pkl, as torch.save writes",
                found: "\(zip.entries.count) other entries")
        }
        let prefix = String(name.dropLast("data.pkl".count))
        bigEndian = try PyTorchArchive.isBigEndian(zip, prefix)
        let pickle = try Pickle(
            try zip.contents(entry, limit: Pickle.maximumBytes), path: file.path, place: name)
        let reader = TensorReader(pickle: pickle, zip: zip, prefix: prefix)
        tensors = try reader.stateDictionary()
        var uses: [String: Int] = [:]
        for tensor in tensors.values { uses[tensor.storage.name, default: 0] += 1 }
        shared = Set(uses.filter { $0.value > 1 }.keys)
    }

    private static func isBigEndian(
        _ zip: ZipArchive, _ prefix: String
    ) throws(CheckpointError) -> Bool {
        guard let entry = zip.entries[prefix + "byteorder"] else { return false }
        let order = String(decoding: try zip.contents(entry, limit: 64), as: UTF8.self)
        switch order {
        case "little": return false
        case "big": return true
        default:
            throw .malformed(
                path: zip.file.path, place: entry.name, expected: "little or big", found: order)
        }
    }

    func read(_ name: String, into destination: UnsafeMutablePointer<Float>) throws {
        guard let tensor = tensors[name] else { return }
        try withStorage(tensor.storage) { bytes in
            let elements = Elements(bytes: bytes, type: tensor.info.type, bigEndian: bigEndian)
            copy(tensor, elements, into: destination)
        }
    }

    /// Calls `body` with the checked bytes of a storage.
    private func withStorage(
        _ entry: ZipArchive.Entry, _ body: (UnsafeRawPointer) -> Void
    ) throws {
        if !entry.deflated {
            guard let base = zip.file.bytes.baseAddress else { return }
            zip.file.prefetch(entry.range)
            if !verified.withLock({ $0.contains(entry.name) }) {
                try zip.verify(entry, UnsafeRawBufferPointer(rebasing: zip.file.bytes[entry.range]))
                verified.withLock { _ = $0.insert(entry.name) }
            }
            body(base + entry.range.lowerBound)
            zip.file.release(entry.range)
            return
        }
        let buffer = try shared.contains(entry.name) ? inflatedOnce(entry) : inflate(entry)
        withExtendedLifetime(buffer) { body(buffer.pointer) }
    }

    private func inflatedOnce(_ entry: ZipArchive.Entry) throws -> AlignedBuffer {
        try inflated.withLock { buffers in
            if let buffer = buffers[entry.name] { return buffer }
            let buffer = try inflate(entry)
            buffers[entry.name] = buffer
            return buffer
        }
    }

    private func inflate(_ entry: ZipArchive.Entry) throws -> AlignedBuffer {
        guard let buffer = AlignedBuffer(count: (entry.size + 3) / 4) else {
            throw CheckpointError.file(
                path: zip.file.path,
                problem: "no memory for the \(entry.size) bytes of \(entry.name)")
        }
        try zip.inflate(
            entry,
            into: UnsafeMutableRawBufferPointer(start: buffer.pointer, count: entry.size))
        return buffer
    }

    /// Row-major order out of any strides.
    private func copy(
        _ tensor: Entry, _ elements: Elements, into destination: UnsafeMutablePointer<Float>
    ) {
        let shape = tensor.info.shape
        var inner = 1  // elements that lie in order, from the last axis up
        var axes = shape.count
        while axes > 0, tensor.strides[axes - 1] == inner || shape[axes - 1] == 1 {
            inner *= shape[axes - 1]
            axes -= 1
        }
        var index = [Int](repeating: 0, count: axes)
        let outer = shape.prefix(axes).reduce(1, *)
        for row in 0..<outer {
            let start = Swift.zip(index, tensor.strides).reduce(tensor.offset) { $0 + $1.0 * $1.1 }
            elements.convert(from: start, count: inner, into: destination + row * inner)
            var axis = axes - 1
            while axis >= 0 {
                index[axis] += 1
                if index[axis] < shape[axis] { break }
                index[axis] = 0
                axis -= 1
            }
        }
    }
}

/// Gives meaning to the few calls and types of a pickle that tensors are made of.
private struct TensorReader {
    let pickle: Pickle
    let zip: ZipArchive
    let prefix: String

    /// The state dict: the root itself, or what stands under the usual keys.
    func stateDictionary() throws(CheckpointError) -> [String: PyTorchArchive.Entry] {
        var root = pickle.root
        for key in ["state_dict", "model_state_dict", "model"] {
            if let inner = value(of: key, in: root), case .dictionary = pickle.values[inner] {
                root = inner
                break
            }
        }
        guard case .dictionary(let pairs) = pickle.values[root] else {
            throw malformed("data.pkl", "a state dict", "another object")
        }
        var tensors: [String: PyTorchArchive.Entry] = [:]
        for (key, value) in pairs {
            guard case .string(let name) = pickle.values[key] else { continue }
            if let entry = try tensor(name, value) { tensors[name] = entry }
        }
        if tensors.isEmpty { throw malformed("data.pkl", "tensors in the state dict", "none") }
        return tensors
    }

    private func value(of key: String, in dictionary: Int) -> Int? {
        guard case .dictionary(let pairs) = pickle.values[dictionary] else { return nil }
        return pairs.last {
            if case .string(key) = pickle.values[$0.key] { return true }
            return false
        }?.value
    }

    private func malformed(
        _ place: String, _ expected: String, _ found: String
    ) -> CheckpointError {
        .malformed(path: zip.file.path, place: place, expected: expected, found: found)
    }

    /// The tensor that a call makes, or nil where the value is no tensor.
    private func tensor(
        _ name: String, _ index: Int
    ) throws(CheckpointError) -> PyTorchArchive.Entry? {
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

    private func view(
        _ name: String, _ items: [Int], _ given: ElementType?
    ) throws(CheckpointError) -> PyTorchArchive.Entry {
        guard case .persistent(let reference) = pickle.values[items[0]],
            case .tuple(let storage) = pickle.values[reference], storage.count >= 5,
            case .string("storage") = pickle.values[storage[0]],
            case .string(let key) = pickle.values[storage[2]],
            case .integer(let count) = pickle.values[storage[4]], count >= 0
        else { throw malformed(name, "a reference to a storage", "something else") }
        guard let storageType = given ?? elementType(storage[1]) else {
            throw malformed(name, "a storage of a known type", typeName(storage[1]))
        }
        let itemBytes = given == nil ? storageType.byteCount : 1  // untyped storages count bytes
        guard let entry = zip.entries[prefix + "data/" + key] else {
            throw malformed(name, "the zip entry \(prefix)data/\(key)", "no such entry")
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: itemBytes)
        guard !overflow, bytes == entry.size else {
            throw malformed(
                name, "\(count) elements of \(itemBytes) bytes in \(entry.name)",
                "\(entry.size) bytes")
        }
        guard case .integer(let offset) = pickle.values[items[1]], offset >= 0,
            let shape = integers(items[2]), let strides = integers(items[3]),
            shape.count == strides.count, shape.count <= 16
        else { throw malformed(name, "offset, shape and strides", "something else") }
        let capacity = entry.size / storageType.byteCount
        guard covers(shape, strides, offset, capacity) else {
            throw malformed(
                name, "a view within the \(capacity) elements of \(entry.name)",
                "offset \(offset), shape \(shape), strides \(strides)")
        }
        return PyTorchArchive.Entry(
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
        guard case .tuple(let items) = pickle.values[index] else { return nil }
        var integers: [Int] = []
        for item in items {
            guard case .integer(let value) = pickle.values[item] else { return nil }
            integers.append(value)
        }
        return integers
    }

    private func typeName(_ index: Int) -> String {
        guard case .global(let module, let name) = pickle.values[index] else { return "no type" }
        return "\(module).\(name)"
    }

    /// The element type of `torch.FloatStorage` and the like, or of `torch.float32`.
    private func elementType(_ index: Int) -> ElementType? {
        guard case .global("torch", let name) = pickle.values[index] else { return nil }
        switch name {
        case "DoubleStorage", "float64", "double": return .float64
        case "FloatStorage", "float32", "float": return .float32
        case "HalfStorage", "float16", "half": return .float16
        case "BFloat16Storage", "bfloat16": return .bfloat16
        case "float8_e4m3fn": return .float8E4M3
        case "float8_e5m2": return .float8E5M2
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
