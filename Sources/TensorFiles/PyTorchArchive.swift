import Glibc
import ForkSafety

/// A PyTorch archive (`torch.save` since 1.6, Lightning's .ckpt): a zip with one pickle that
/// describes tensors, and one entry for the bytes of each storage.
final class PyTorchArchive: Sendable {
    let tensors: [String: StoredTensor]
    /// What gives meaning to the rest of the object.
    let reader: TensorReader
    private let zip: ZipArchive
    private let bigEndian: Bool
    /// Storages that several tensors share, inflated once; the others are inflated when read.
    private let shared: Set<String>
    private let inflated = Guarded<[String: Memory]>([:])
    private let verified = Guarded<Set<String>>([])

    init(_ file: MappedFile) throws(CheckpointError) {
        let budget = ReadingBudget(file)
        zip = try ZipArchive(file, budget)
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
        try budget.spend(entry.size, name)
        let pickle = try Pickle(
            try zip.contents(entry, limit: Pickle.maximumBytes), path: file.path, place: name,
            budget)
        var storages: [String: ZipArchive.Entry] = [:]
        for (name, entry) in zip.entries where name.hasPrefix(prefix + "data/") {
            storages[String(name.dropFirst(prefix.count + "data/".count))] = entry
        }
        reader = TensorReader(
            pickle: pickle, budget: budget, storages: storages, path: file.path,
            place: "\(prefix)data/")
        tensors = try reader.stateDictionary()
        var uses: [String: Int] = [:]
        for tensor in tensors.values { uses[tensor.storage.name, default: 0] += 1 }
        shared = Set(uses.filter { $0.value > 1 }.keys)
        for name in uses.keys {
            guard let entry = zip.entries[name], entry.deflated else { continue }
            try budget.spend(entry.size, name)
        }
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
        try read(tensor, into: destination)
    }

    /// Reads a tensor wherever it stands in the object.
    func read(_ tensor: StoredTensor, into destination: UnsafeMutablePointer<Float>) throws {
        try withStorage(tensor.storage) { bytes in
            let elements = Elements(bytes: bytes, type: tensor.info.type, bigEndian: bigEndian)
            elements.copy(tensor, into: destination)
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

    private func inflatedOnce(_ entry: ZipArchive.Entry) throws -> Memory {
        try inflated.withLock { buffers in
            if let buffer = buffers[entry.name] { return buffer }
            let buffer = try inflate(entry)
            buffers[entry.name] = buffer
            return buffer
        }
    }

    private func inflate(_ entry: ZipArchive.Entry) throws -> Memory {
        guard let buffer = Memory(byteCount: entry.size) else {
            throw CheckpointError.file(
                path: zip.file.path,
                problem: "no memory for the \(entry.size) bytes of \(entry.name)")
        }
        try zip.inflate(entry, into: buffer.bytes)
        return buffer
    }

    /// Bytes that are freed with their owner.
    private final class Memory: @unchecked Sendable {
        let bytes: UnsafeMutableRawBufferPointer
        var pointer: UnsafeRawPointer { UnsafeRawPointer(start) }
        private let start: UnsafeMutableRawPointer

        init?(byteCount: Int) {
            guard let start = malloc(max(byteCount, 1)) else { return nil }
            self.start = start
            bytes = UnsafeMutableRawBufferPointer(start: start, count: byteCount)
        }

        deinit { free(start) }
    }
}
