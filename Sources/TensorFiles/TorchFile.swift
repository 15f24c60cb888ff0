/// A PyTorch archive as the object that it holds: dictionaries, lists, numbers and tensors, for
/// whoever reads more than the weights. Nothing in the file is ever executed; a call that is not
/// known (NumPy's numbers, for instance) is a value that is nothing.
package final class TorchFile: Sendable {
    package let path: String
    private let archive: PyTorchArchive

    /// Opens a file.
    ///
    /// - Throws: `CheckpointError`.
    package init(path: String) throws(CheckpointError) {
        self.path = path
        let file = try MappedFile(path: path)
        guard file.bytes.starts(with: Array("PK".utf8)) else {
            throw .kind(path: path, found: "no zip")
        }
        archive = try PyTorchArchive(file)
    }

    /// The whole object.
    package var root: Node { Node(file: self, index: archive.reader.pickle.root, place: "") }

    /// A value within the object.
    package struct Node: Sendable {
        fileprivate let file: TorchFile
        fileprivate let index: Int
        /// Where it stands, for messages: `optimizer_states[0].state`.
        package let place: String

        private var value: Pickle.Value { file.archive.reader.pickle.values[index] }

        private func inner(_ index: Int, _ place: String) -> Node {
            Node(file: file, index: index, place: place)
        }

        /// The value of a name in a dictionary.
        package subscript(key: String) -> Node? {
            guard let pairs = file.archive.reader.pickle.dictionary(index) else { return nil }
            let found = pairs.last {
                if case .string(key) = file.archive.reader.pickle.values[$0.key] { return true }
                return false
            }
            return found.map { inner($0.value, place.isEmpty ? key : "\(place).\(key)") }
        }

        /// The values of a list or tuple.
        package var items: [Node]? {
            switch value {
            case .list(let items), .tuple(let items):
                items.enumerated().map { inner($1, "\(place)[\($0)]") }
            default: nil
            }
        }

        /// The pairs of a dictionary with names.
        package var named: [(name: String, value: Node)]? {
            guard let pairs = file.archive.reader.pickle.dictionary(index) else { return nil }
            return pairs.compactMap { pair in
                guard case .string(let name) = file.archive.reader.pickle.values[pair.key] else {
                    return nil
                }
                return (name, inner(pair.value, place.isEmpty ? name : "\(place).\(name)"))
            }
        }

        /// The pairs of a dictionary with numbers.
        package var numbered: [(number: Int, value: Node)]? {
            guard let pairs = file.archive.reader.pickle.dictionary(index) else { return nil }
            return pairs.compactMap { pair in
                guard case .integer(let number) = file.archive.reader.pickle.values[pair.key]
                else { return nil }
                return (number, inner(pair.value, "\(place)[\(number)]"))
            }
        }

        package var integer: Int? {
            if case .integer(let value) = value { value } else { nil }
        }

        /// A number, whole or not.
        package var number: Double? {
            switch value {
            case .float(let value): value
            case .integer(let value): Double(value)
            default: nil
            }
        }

        package var text: String? {
            if case .string(let value) = value { value } else { nil }
        }

        package var bool: Bool? {
            if case .bool(let value) = value { value } else { nil }
        }

        /// The shape, where it is a tensor.
        ///
        /// - Throws: `CheckpointError` for a tensor that is none of the file's bytes.
        package func shape() throws -> [Int]? { try stored()?.info.shape }

        /// The values of a tensor, as float32.
        ///
        /// - Throws: `CheckpointError` where it is no tensor, or damaged, or not finite.
        package func floats() throws -> [Float] {
            guard let tensor = try stored() else {
                throw CheckpointError.malformed(
                    path: file.path, place: place, expected: "a tensor", found: "another value")
            }
            let count = tensor.info.shape.reduce(1, *)
            var values = [Float](repeating: 0, count: count)
            try values.withUnsafeMutableBufferPointer {
                if let base = $0.baseAddress { try file.archive.read(tensor, into: base) }
            }
            let bad = values.count { !$0.isFinite }
            if bad > 0 {
                throw CheckpointError.nonFinite(path: file.path, name: place, count: bad)
            }
            return values
        }

        private func stored() throws -> StoredTensor? {
            try file.archive.reader.tensor(place, index)
        }
    }
}
