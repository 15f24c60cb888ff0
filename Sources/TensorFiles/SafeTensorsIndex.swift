/// A checkpoint in several .safetensors files: `NAME.safetensors.index.json` says which tensor is in
/// which of the files beside it.
struct SafeTensorsIndex: Sendable {
    let tensors: [String: SafeTensors.Entry]
    private let files: [String: SafeTensors]
    private let places: [String: String]
    /// The files in the order of their names.
    private let mapped: [MappedFile]

    static let ending = ".safetensors.index.json"
    private static let maximumBytes = 16 << 20
    private static let maximumFiles = 1000

    init(_ index: MappedFile) throws(CheckpointError) {
        func malformed(_ place: String, _ expected: String, _ found: String) -> CheckpointError {
            .malformed(path: index.path, place: place, expected: expected, found: found)
        }
        guard index.bytes.count <= SafeTensorsIndex.maximumBytes else {
            throw malformed(
                "size", "at most \(SafeTensorsIndex.maximumBytes) bytes", "\(index.bytes.count)")
        }
        var scanner = SafeTensorsHeader(index.bytes, path: index.path)
        let places = try scanner.weightMap()
        let names = Set(places.values).sorted()
        guard !names.isEmpty, names.count <= SafeTensorsIndex.maximumFiles else {
            throw malformed(
                "weight_map", "1 to \(SafeTensorsIndex.maximumFiles) files", "\(names.count)")
        }
        let folder = index.path.lastIndex(of: "/").map { String(index.path[...$0]) } ?? ""
        var files: [String: SafeTensors] = [:]
        var mapped: [MappedFile] = []
        for name in names {
            guard !name.contains("/"), name != "..", name.hasSuffix(".safetensors") else {
                throw malformed("weight_map", "names of .safetensors files beside it", name)
            }
            let file = try MappedFile(path: folder + name, copied: index.isCopied)
            mapped.append(file)
            files[name] = try SafeTensors(file)
        }
        var tensors: [String: SafeTensors.Entry] = [:]
        for (name, place) in places {
            guard let entry = files[place]?.tensors[name] else {
                throw malformed(name, "it in \(place), as the index says", "no such tensor there")
            }
            tensors[name] = entry
        }
        for (place, file) in files {
            if let name = file.tensors.keys.filter({ places[$0] != place }).min() {
                throw malformed(name, "each tensor of \(place) in the index", "none of this one")
            }
        }
        (self.tensors, self.files, self.places) = (tensors, files, places)
        self.mapped = mapped
    }

    /// The SHA-256 of the files' digests.
    var sha256: String {
        FileDigest.sha256(text: mapped.map { FileDigest.sha256($0.bytes) }.joined())
    }

    /// The file that a tensor is in.
    func file(_ name: String) -> SafeTensors? { places[name].flatMap { files[$0] } }
}

extension SafeTensorsHeader {
    /// The text pairs under `weight_map` of an index.
    fileprivate mutating func weightMap() throws(CheckpointError) -> [String: String] {
        var map: [String: String] = [:]
        try object { parser, key throws(CheckpointError) in
            if key != "weight_map" { return try parser.skipValue() }
            try parser.object { parser, name throws(CheckpointError) in
                map[name] = try parser.string()
            }
        }
        return map
    }

    /// Goes past a value of any kind.
    private mutating func skipValue() throws(CheckpointError) {
        var depth = 0
        repeat {
            if accept("{") || accept("[") {
                depth += 1
            } else if accept("}") || accept("]") {
                depth -= 1
            } else if peek == UInt8(ascii: "\"") {
                _ = try string()
            } else if depth > 0, accept(",") || accept(":") {
            } else {
                try skipPlain()
            }
        } while depth > 0
    }
}
