/// A configuration as a tree of text, for merging files, changing keys and writing it again.
package indirect enum ConfigurationTree: Sendable {
    case scalar(String, quoted: Bool)
    case list([ConfigurationTree])
    case mapping([(key: String, value: ConfigurationTree)])

    /// Most values of a tree: aliases stand for what they name each time.
    private static let maximumValues = 100_000

    /// Reads a file.
    ///
    /// - Throws: `ModelError.configuration`.
    package init(path: String) throws {
        try self.init(text: Configuration.contents(of: path), path: path)
    }

    /// Reads YAML; `path` serves for messages.
    ///
    /// - Throws: `ModelError.configuration`.
    package init(text: [UInt8], path: String) throws {
        let document: YAMLDocument
        do {
            document = try YAMLDocument(text)
        } catch {
            throw ModelError.configuration(
                path: path, key: "line \(error.line)", expected: error.expected,
                found: error.found)
        }
        guard let root = document.root else {
            self = .scalar("", quoted: false)
            return
        }
        var left = ConfigurationTree.maximumValues
        guard let tree = ConfigurationTree(document, root, &left) else {
            throw ModelError.configuration(
                path: path, key: "the whole", expected: "at most \(Self.maximumValues) values",
                found: "more, by aliases")
        }
        self = tree
    }

    private init?(_ document: YAMLDocument, _ index: Int, _ left: inout Int) {
        left -= 1
        if left < 0 { return nil }
        switch document.entries[index].content {
        case .scalar(let text, let quoted): self = .scalar(text, quoted: quoted)
        case .sequence(let items):
            var values: [ConfigurationTree] = []
            for item in items {
                guard let value = ConfigurationTree(document, item, &left) else { return nil }
                values.append(value)
            }
            self = .list(values)
        case .mapping(let pairs):
            var values: [(key: String, value: ConfigurationTree)] = []
            for pair in pairs {
                guard let value = ConfigurationTree(document, pair.value, &left) else {
                    return nil
                }
                values.append((pair.key, value))
            }
            self = .mapping(values)
        }
    }

    /// This tree with its interpolations (`${a.b}`) resolved, as they stand after all changes; `path`
    /// serves for messages.
    ///
    /// - Throws: `ModelError.configuration` for circles and what leads nowhere.
    package func resolved(path: String) throws -> ConfigurationTree {
        let (document, root): (YAMLDocument, Int)
        do throws(YAMLDocument.Failure) {
            document = try YAMLDocument(Array(yaml.utf8))
            guard let found = document.root else { return self }
            root = found
        } catch {
            throw ModelError.configuration(
                path: path, key: "the whole", expected: error.expected, found: error.found)
        }
        var left = ConfigurationTree.maximumValues
        func build(_ index: Int, _ ancestors: [Int], _ key: String) throws -> ConfigurationTree {
            left -= 1
            var interpolation = Interpolation(document)
            let value: Interpolation.Value
            do {
                value = try interpolation.value(index, ancestors: ancestors)
            } catch {
                throw ModelError.configuration(
                    path: path, key: key, expected: error.expected, found: error.found)
            }
            guard left > 0, value.ancestors.count < ConfigurationTree.maximumDepth else {
                throw ModelError.configuration(
                    path: path, key: key, expected: "interpolations that end",
                    found: "more and more")
            }
            let inner = value.ancestors + (value.index.map { [$0] } ?? [])
            switch value.entry.content {
            case .scalar(let text, let quoted): return .scalar(text, quoted: quoted)
            case .sequence(let items):
                return .list(try items.enumerated().map { try build($1, inner, "\(key)[\($0)]") })
            case .mapping(let pairs):
                return .mapping(
                    try pairs.map { pair in
                        let name = key.isEmpty ? pair.key : "\(key).\(pair.key)"
                        return (pair.key, try build(pair.value, inner, name))
                    })
            }
        }
        return try build(root, [], "")
    }

    private static let maximumDepth = 200

    /// Whether nothing stands here.
    package var isNull: Bool {
        guard case .scalar(let text, false) = self else { return false }
        return ["", "~", "null", "Null", "NULL", "None"].contains(text)
    }

    /// The value under a path of keys.
    package subscript(_ path: [String]) -> ConfigurationTree? {
        guard let key = path.first else { return self }
        guard case .mapping(let pairs) = self else { return nil }
        return pairs.first { $0.key == key }?.value[Array(path.dropFirst())]
    }

    /// Puts a value under a path of keys, making mappings on the way.
    package mutating func set(_ path: [String], _ value: ConfigurationTree) {
        guard let key = path.first else {
            self = value
            return
        }
        var pairs: [(key: String, value: ConfigurationTree)] = []
        if case .mapping(let own) = self { pairs = own }
        let rest = Array(path.dropFirst())
        if let index = pairs.firstIndex(where: { $0.key == key }) {
            pairs[index].value.set(rest, value)
        } else {
            var inner = ConfigurationTree.mapping([])
            inner.set(rest, value)
            pairs.append((key, inner))
        }
        self = .mapping(pairs)
    }

    /// This tree with another laid over it: mappings key by key, everything else whole.
    package func merged(_ other: ConfigurationTree) -> ConfigurationTree {
        guard case .mapping(var pairs) = self, case .mapping(let others) = other else {
            return other
        }
        for (key, value) in others {
            if let index = pairs.firstIndex(where: { $0.key == key }) {
                pairs[index].value = pairs[index].value.merged(value)
            } else {
                pairs.append((key, value))
            }
        }
        return .mapping(pairs)
    }

    /// Every path to a scalar or list.
    package var paths: [[String]] {
        guard case .mapping(let pairs) = self else { return [[]] }
        return pairs.flatMap { pair in pair.value.paths.map { [pair.key] + $0 } }
    }

    /// What stands here, in words.
    package var words: String {
        switch self {
        case .scalar(let text, _): text.isEmpty ? "nothing" : String(text.prefix(80))
        case .list(let items): "[" + items.prefix(8).map(\.words).joined(separator: ", ") + "]"
        case .mapping(let pairs): "a mapping of \(pairs.count) keys"
        }
    }

    /// As YAML.
    package var yaml: String {
        var out = ""
        write(&out, indent: 0)
        return out
    }

    private func write(_ out: inout String, indent: Int) {
        let space = String(repeating: " ", count: indent)
        switch self {
        case .scalar: out += inline + "\n"
        case .list(let items):
            for item in items {
                if case .mapping(let pairs) = item, !pairs.isEmpty {
                    out += "\(space)-\n"
                    item.write(&out, indent: indent + 2)
                } else if case .list(let inner) = item, !inner.isEmpty {
                    out += "\(space)-\n"
                    item.write(&out, indent: indent + 2)
                } else {
                    out += "\(space)- \(item.inline)\n"
                }
            }
        case .mapping(let pairs):
            for (key, value) in pairs {
                out += space + ConfigurationTree.scalarText(key, quoted: false) + ":"
                switch value {
                case .mapping(let inner) where !inner.isEmpty:
                    out += "\n"
                    value.write(&out, indent: indent + 2)
                case .list(let items) where !items.isEmpty:
                    out += "\n"
                    value.write(&out, indent: indent)
                default: out += " \(value.inline)\n"
                }
            }
        }
    }

    private var inline: String {
        switch self {
        case .scalar(let text, let quoted): ConfigurationTree.scalarText(text, quoted: quoted)
        case .list: "[]"
        case .mapping: "{}"
        }
    }

    /// A scalar that reads back as the same text: plain where that is safe, else quoted.
    private static func scalarText(_ text: String, quoted: Bool) -> String {
        let isPlain =
            !quoted && !text.isEmpty
            && text.unicodeScalars.allSatisfy {
                $0.properties.isAlphabetic && $0.isASCII || ("0"..."9").contains($0)
                    || "._/+-~".unicodeScalars.contains($0)
            } && !text.hasPrefix("-") || !quoted && isNumber(text)
        if isPlain { return text }
        if text.isEmpty, !quoted { return "null" }
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": out += "\\\(scalar)"
            case "\n": out += "\\n"
            case "\t": out += "\\t"
            case _ where scalar.value < 32 || scalar.value == 127:
                let digits = String(scalar.value, radix: 16)
                out += "\\x" + String(repeating: "0", count: 2 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }

    private static func isNumber(_ text: String) -> Bool { Double(text) != nil }
}
