/// A place in a configuration file, which knows its key path for messages.
struct ConfigurationNode {
    let document: YAMLDocument
    let file: String
    let path: String
    private let value: Interpolation.Value

    /// The root of a document.
    init(_ document: YAMLDocument, root: Int, file: String) {
        (self.document, self.file, path) = (document, file, "")
        value = Interpolation.Value(entry: document.entries[root], ancestors: [], index: root)
    }

    /// A value within another, its interpolations resolved.
    private init(_ index: Int, of outer: ConfigurationNode, path: String) throws {
        (document, file, self.path) = (outer.document, outer.file, path)
        var interpolation = Interpolation(document)
        do {
            value = try interpolation.value(
                index,
                ancestors: outer.value.ancestors + (outer.value.index.map { [$0] } ?? []))
        } catch {
            throw ModelError.configuration(
                path: file, key: "\(path) (line \(document.entries[index].line))",
                expected: error.expected, found: error.found)
        }
    }

    private var content: YAMLDocument.Content { value.entry.content }

    /// `path (line n)`, as messages name the place.
    var place: String { "\(path) (line \(value.entry.line))" }

    /// What stands here, in words.
    var found: String {
        switch content {
        case .scalar(let text, _): return text.isEmpty ? "nothing" : "\"\(text.prefix(80))\""
        case .sequence(let items): return "a list of \(items.count)"
        case .mapping(let pairs): return "a mapping of \(pairs.count) keys"
        }
    }

    func failure(expected: String, found: String? = nil) -> ModelError {
        .configuration(path: file, key: place, expected: expected, found: found ?? self.found)
    }

    var keys: [String] {
        guard case .mapping(let pairs) = content else { return [] }
        return pairs.map(\.key)
    }

    /// The value under a key, nil where the key is absent or null.
    func optional(_ key: String) throws -> ConfigurationNode? {
        guard case .mapping(let pairs) = content else {
            throw failure(expected: "a mapping with the key \(key)")
        }
        guard let pair = pairs.first(where: { $0.key == key }) else { return nil }
        let node = try ConfigurationNode(
            pair.value, of: self, path: path.isEmpty ? key : "\(path).\(key)")
        return node.isNull ? nil : node
    }

    /// The value under a key that must be there.
    func required(_ key: String, _ expected: String) throws -> ConfigurationNode {
        guard let node = try optional(key) else {
            throw ModelError.configuration(
                path: file, key: path.isEmpty ? key : "\(path).\(key)", expected: expected,
                found: "no such key")
        }
        return node
    }

    private var isNull: Bool {
        guard case .scalar(let text, false) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    func integer(_ range: ClosedRange<Int>) throws -> Int {
        guard case .scalar(let text, _) = content, let value = Int(text),
            range.contains(value)
        else {
            throw failure(
                expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func number(_ range: ClosedRange<Double>) throws -> Double {
        guard case .scalar(let text, _) = content,
            let value = Double(text), range.contains(value)
        else {
            throw failure(expected: "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func boolean() throws -> Bool {
        if case .scalar(let text, false) = content {
            if ["true", "True", "TRUE", "yes", "Yes", "on", "On"].contains(text) { return true }
            if ["false", "False", "FALSE", "no", "No", "off", "Off"].contains(text) {
                return false
            }
        }
        throw failure(expected: "true or false")
    }

    /// Three positive whole numbers.
    func triple(_ range: ClosedRange<Int>) throws -> (Int, Int, Int) {
        guard case .sequence(let items) = content, items.count == 3 else {
            throw failure(expected: "a list of three whole numbers")
        }
        let values = try items.enumerated().map { position, item in
            try ConfigurationNode(item, of: self, path: "\(path)[\(position)]").integer(range)
        }
        return (values[0], values[1], values[2])
    }
}
