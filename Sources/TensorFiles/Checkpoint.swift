/// A tensor that a checkpoint holds.
public struct TensorInfo: Sendable, Equatable {
    /// The name, as in PyTorch's state dict.
    public let name: String
    /// Sizes of the axes, slowest first.
    public let shape: [Int]
    /// Type of the elements in the file.
    public let type: ElementType
}

/// The named tensors of one file, memory-mapped: opened at once, read when asked for, in any
/// order, from any thread. Nothing in the file is ever executed.
public final class Checkpoint: Sendable {
    /// The file.
    public let path: String
    /// The tensors by name.
    public let tensors: [String: TensorInfo]
    /// The text pairs of a .safetensors header (`__metadata__`).
    public let metadata: [String: String]
    private let contents: Contents
    private let file: MappedFile
    /// Names of whole numbers `NAME` that stand for their product with `NAME.scale`, one scale a row.
    package let scaled: Set<String>

    private enum Contents: Sendable {
        case safeTensors(SafeTensors)
        case sharded(SafeTensorsIndex)
        case pyTorch(PyTorchArchive)
        case legacy(LegacyArchive)
    }

    /// Opens a .safetensors file, the index of some (`.safetensors.index.json`) or a PyTorch archive;
    /// the content decides, not the name.
    ///
    /// PyTorch's format from before 1.6, in which a flipped bit goes unnoticed, is refused unless
    /// `allowingLegacy`: metric networks are published in it, models are not.
    ///
    /// A file is mapped: where it becomes shorter while it is open, reading what was there ends the
    /// process by SIGBUS. `copied` reads all of it now, and it may become whatever it likes.
    ///
    /// - Throws: `CheckpointError`.
    public init(path: String, allowingLegacy: Bool = false, copied: Bool = false) throws {
        self.path = path
        file = try MappedFile(path: path, copied: copied)
        switch FileKind(file.bytes) {
        case _ where path.hasSuffix(SafeTensorsIndex.ending):
            let index = try SafeTensorsIndex(file)
            tensors = index.tensors.mapValues(\.info)
            metadata = [:]
            contents = .sharded(index)
        case .zip:
            let archive = try PyTorchArchive(file)
            tensors = archive.tensors.mapValues(\.info)
            metadata = [:]
            contents = .pyTorch(archive)
        case .safeTensors:
            let safeTensors = try SafeTensors(file)
            tensors = safeTensors.tensors.mapValues(\.info)
            metadata = safeTensors.metadata
            contents = .safeTensors(safeTensors)
        case .legacy where allowingLegacy:
            let archive = try LegacyArchive(file)
            tensors = archive.tensors.mapValues(\.info)
            metadata = [:]
            contents = .legacy(archive)
        case .legacy:
            throw CheckpointError.kind(
                path: path,
                found:
                    "PyTorch's old format from before 1.6; load it with PyTorch and save it again")
        case .other(let found):
            throw CheckpointError.kind(path: path, found: found)
        }
        var scaled: Set<String> = []
        for info in tensors.values where info.type == .int8 {
            guard let scale = tensors[Checkpoint.scaleName(info.name)] else { continue }
            let rows = Array(info.shape.prefix(1))
            if info.shape.isEmpty || scale.shape != rows || scale.type != .float32 {
                throw CheckpointError.malformed(
                    path: path, place: scale.name, expected: "F32 \(rows)",
                    found: "\(scale.type.rawValue) \(scale.shape)")
            }
            scaled.insert(info.name)
        }
        self.scaled = scaled
    }

    /// The SHA-256 of the file, or of the digests of the files that it is in; reads all of it.
    package var sha256: String {
        if case .sharded(let index) = contents { return index.sha256 }
        return FileDigest.sha256(file.bytes)
    }

    /// Where the scales of a tensor of whole numbers are.
    package static func scaleName(_ name: String) -> String { "\(name).scale" }

    /// Writes a tensor's values as float32 in row-major order.
    ///
    /// - Precondition: `destination` has as many elements as the tensor.
    /// - Throws: `CheckpointError` where the name is missing, the bytes are damaged or a value is
    ///   NaN or infinite.
    public func read(_ name: String, into destination: UnsafeMutableBufferPointer<Float>) throws {
        guard let info = tensors[name] else {
            throw CheckpointError.missing(path: path, name: name)
        }
        precondition(
            destination.count == info.shape.reduce(1, *), "\(name): \(destination.count) elements")
        guard let base = destination.baseAddress, destination.count > 0 else { return }
        try readNumbers(name, into: base)
        if scaled.contains(name), let rows = info.shape.first, rows > 0 {
            var scales = [Float](repeating: 0, count: rows)
            try scales.withUnsafeMutableBufferPointer {
                try read(Checkpoint.scaleName(name), into: $0)
            }
            let columns = destination.count / rows
            for row in 0..<rows {
                for i in row * columns..<(row + 1) * columns { base[i] *= scales[row] }
            }
        }
        let bad = Checkpoint.countNonFinite(destination)
        if bad > 0 { throw CheckpointError.nonFinite(path: path, name: name, count: bad) }
    }
}

extension Checkpoint {
    /// Calls `body` with a tensor's elements as they stand in the file.
    ///
    /// - Returns: what `body` does; nil where they do not stand there in order and aligned.
    package func withElements<Element, Result>(
        _ name: String, of: Element.Type, _ body: (UnsafePointer<Element>) throws -> Result
    ) throws -> Result? {
        switch contents {
        case .safeTensors(let file): try file.withElements(name, body)
        case .sharded(let index): try index.file(name)?.withElements(name, body) ?? nil
        default: nil
        }
    }

    private func readNumbers(_ name: String, into base: UnsafeMutablePointer<Float>) throws {
        switch contents {
        case .safeTensors(let file): file.read(name, into: base)
        case .sharded(let index): index.file(name)?.read(name, into: base)
        case .pyTorch(let archive): try archive.read(name, into: base)
        case .legacy(let archive): archive.read(name, into: base)
        }
    }

    /// How many values are NaN or infinite.
    private static func countNonFinite(_ values: UnsafeMutableBufferPointer<Float>) -> Int {
        var count: UInt32 = 0
        for value in values where value.bitPattern & 0x7f80_0000 == 0x7f80_0000 { count &+= 1 }
        return Int(count)
    }
}

/// What a file is, by its first bytes.
private enum FileKind {
    case zip, safeTensors, legacy
    case other(String)

    init(_ bytes: UnsafeRawBufferPointer) {
        let head = Array(bytes.prefix(512))
        func starts(_ text: String) -> Bool { head.starts(with: text.utf8) }
        // A pickle that begins with PyTorch's magic number, 0x1950a86a20f9469cfc6c.
        let legacyMagic: [UInt8] = [
            0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19,
        ]
        if starts("PK\u{3}\u{4}") || starts("PK\u{5}\u{6}") {
            self = .zip
        } else if head.count > 14, head[0] == 0x80, Array(head[2..<14]) == legacyMagic {
            self = .legacy
        } else if head.count >= 262, Array(head[257..<262]) == Array("ustar".utf8) {
            self = .other(
                "a tar file (PyTorch's oldest format?); load it with PyTorch and save it again")
        } else if starts("version https://git-lfs") {
            self = .other("a Git LFS pointer: the file itself was not fetched")
        } else if head.count >= 9, head[8] == UInt8(ascii: "{") {
            self = .safeTensors
        } else if head.count > 2, head[0] == 0x80, head[1] <= 5 {
            self = .other("a bare pickle; save it with torch.save of PyTorch 1.6 or later")
        } else if head.allSatisfy({ $0 >= 32 && $0 < 127 || $0 == 9 || $0 == 10 || $0 == 13 }) {
            let line = head.prefix(40).split(whereSeparator: { $0 < 32 }).first ?? []
            self = .other("text: \"\(String(decoding: line, as: UTF8.self))\"")
        } else {
            self = .other("unknown data")
        }
    }
}
