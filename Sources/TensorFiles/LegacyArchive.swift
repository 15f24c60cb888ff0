/// What `torch.save` wrote before 1.6, as published metric networks still are: four small pickles,
/// the list of storages, their bytes. Nothing in it has a checksum.
final class LegacyArchive: Sendable {
    let tensors: [String: StoredTensor]
    private let file: MappedFile

    init(_ file: MappedFile) throws(CheckpointError) {
        self.file = file
        let head = Array(file.bytes.prefix(Pickle.maximumBytes))
        let budget = ReadingBudget(file)
        var at = 0
        func next(_ place: String) throws(CheckpointError) -> Pickle {
            let pickle = try Pickle(head, from: at, path: file.path, place: place, budget)
            at = pickle.end
            return pickle
        }
        func malformed(_ place: String, _ expected: String, _ found: String) -> CheckpointError {
            .malformed(path: file.path, place: place, expected: expected, found: found)
        }
        _ = try next("magic number")
        let version = try next("version")
        guard case .integer(1001) = version.values[version.root] else {
            throw malformed("version", "1001", "another")
        }
        let system = try next("system")
        guard LegacyArchive.isLittleEndian(system) else {
            throw malformed("system", "little_endian: true", "another byte order")
        }
        let pickle = try next("object")
        let order = try next("list of storages")
        guard case .list(let keys) = order.values[order.root] else {
            throw malformed("list of storages", "a list", "something else")
        }
        let sizes = LegacyArchive.elementSizes(pickle, budget, file.path)
        var storages: [String: ZipArchive.Entry] = [:]
        for index in keys {
            guard case .string(let key) = order.values[index], let size = sizes[key] else {
                throw malformed("list of storages", "keys of the object's storages", "another")
            }
            let (bytes, overflow) = (file.number(at, UInt64.self) ?? .max)
                .multipliedReportingOverflow(by: size)
            at += 8
            guard !overflow, at <= file.bytes.count, bytes <= file.bytes.count - at else {
                throw malformed(
                    "storage \(key)", "its length and bytes within the file",
                    "the end at \(file.bytes.count)")
            }
            let entry = ZipArchive.Entry(
                name: key, range: at..<at + bytes, size: bytes, crc: 0, deflated: false)
            if storages.updateValue(entry, forKey: key) != nil {
                throw malformed("storage \(key)", "each key once", "it twice")
            }
            at += bytes
        }
        guard at == file.bytes.count else {
            throw malformed("end of the file", "\(at) bytes", "\(file.bytes.count)")
        }
        let reader = TensorReader(
            pickle: pickle, budget: budget, storages: storages, path: file.path,
            place: "storage ")
        tensors = try reader.stateDictionary()
    }

    private static func isLittleEndian(_ system: Pickle) -> Bool {
        guard let pairs = system.dictionary(system.root) else { return false }
        return pairs.contains {
            guard case .string("little_endian") = system.values[$0.key],
                case .bool(true) = system.values[$0.value]
            else { return false }
            return true
        }
    }

    /// Bytes of an element of each storage that the object refers to.
    private static func elementSizes(
        _ pickle: Pickle, _ budget: ReadingBudget, _ path: String
    ) -> [String: Int] {
        let reader = TensorReader(
            pickle: pickle, budget: budget, storages: [:], path: path, place: "")
        var sizes: [String: Int] = [:]
        for index in pickle.values.indices {
            if let storage = reader.storage(index), let type = reader.elementType(storage.type) {
                sizes[storage.key] = type.byteCount
            }
        }
        return sizes
    }

    func read(_ name: String, into destination: UnsafeMutablePointer<Float>) {
        guard let tensor = tensors[name], let base = file.bytes.baseAddress else { return }
        let range = tensor.storage.range
        file.prefetch(range)
        Elements(bytes: base + range.lowerBound, type: tensor.info.type, bigEndian: false)
            .copy(tensor, into: destination)
        file.release(range)
    }
}
