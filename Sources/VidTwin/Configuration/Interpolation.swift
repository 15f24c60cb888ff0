/// OmegaConf's interpolations: `${a.b}` is the value under that key path, `${.b}` that beside the
/// value itself, `${..b}` one mapping further up, `${a[0]}` or `${a.0}` an item of a list; alone or
/// within a text, also within each other. They are resolved when a value is asked for; those that
/// come back to themselves are refused.
struct Interpolation {
    /// A value, and the collections that it is in, from the root on.
    struct Value {
        let entry: YAMLDocument.Entry
        let ancestors: [Int]
        /// Nil for a text that was put together.
        let index: Int?
    }

    /// Why a value cannot be resolved.
    struct Failure: Error {
        let expected: String
        let found: String
    }

    private let document: YAMLDocument
    /// Values that are being resolved: meeting one again is a circle.
    private var open: Set<Int> = []
    private var steps = 0
    private var braces = 0

    private static let maximumSteps = 1000
    /// Interpolations that wait for each other: a small stack suffices.
    private static let maximumDepth = 16
    private static let maximumText = 1 << 16

    init(_ document: YAMLDocument) { self.document = document }

    /// The value of a node, whose own text may be an interpolation.
    mutating func value(_ index: Int, ancestors: [Int]) throws(Failure) -> Value {
        let entry = document.entries[index]
        guard case .scalar(let text, let quoted) = entry.content, text.contains("${") else {
            return Value(entry: entry, ancestors: ancestors, index: index)
        }
        steps += 1
        guard open.insert(index).inserted, open.count <= Interpolation.maximumDepth,
            steps <= Interpolation.maximumSteps
        else {
            throw Failure(expected: "interpolations that end", found: "\(text.prefix(80))")
        }
        defer { open.remove(index) }
        var rest = text.unicodeScalars[...]
        let pieces = try pieces(&rest, ancestors, isInner: false)
        if pieces.count == 1, case .value(let found) = pieces[0] {
            return Value(
                entry: YAMLDocument.Entry(content: found.entry.content, line: entry.line),
                ancestors: found.ancestors, index: found.index)
        }
        let joined = try joined(pieces)
        return Value(
            entry: YAMLDocument.Entry(content: .scalar(joined, quoted: quoted), line: entry.line),
            ancestors: ancestors, index: nil)
    }

    private enum Piece {
        case text(String)
        case value(Value)
    }

    /// A text up to its end, or to the brace that closes an interpolation.
    private mutating func pieces(
        _ rest: inout Substring.UnicodeScalarView, _ ancestors: [Int], isInner: Bool
    ) throws(Failure) -> [Piece] {
        var pieces: [Piece] = []
        var text = ""
        while let scalar = rest.popFirst() {
            if scalar == "}" && isInner {
                return text.isEmpty ? pieces : pieces + [.text(text)]
            }
            if scalar == "\\", rest.starts(with: "${".unicodeScalars) {
                text += "${"
                rest = rest.dropFirst(2)
            } else if scalar == "$", rest.first == "{" {
                if !text.isEmpty { pieces.append(.text(text)) }
                text = ""
                rest = rest.dropFirst()
                (steps, braces) = (steps + 1, braces + 1)
                defer { braces -= 1 }
                guard steps <= Interpolation.maximumSteps, braces <= Interpolation.maximumDepth
                else { throw Failure(expected: "interpolations that end", found: "more and more") }
                let path = try joined(try self.pieces(&rest, ancestors, isInner: true))
                pieces.append(.value(try lookUp(path, ancestors)))
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        if isInner { throw Failure(expected: "a closing } after ${", found: "the end") }
        return text.isEmpty ? pieces : pieces + [.text(text)]
    }

    private func joined(_ pieces: [Piece]) throws(Failure) -> String {
        var text = ""
        for piece in pieces {
            switch piece {
            case .text(let part): text += part
            case .value(let value):
                guard case .scalar(let part, _) = value.entry.content else {
                    throw Failure(
                        expected: "a plain value within a text", found: "a list or mapping")
                }
                text += part
            }
            if text.utf8.count > Interpolation.maximumText {
                throw Failure(
                    expected: "at most \(Interpolation.maximumText) bytes of text", found: "more")
            }
        }
        return text
    }

    /// The value under a key path.
    private mutating func lookUp(_ path: String, _ ancestors: [Int]) throws(Failure) -> Value {
        func missing(_ found: String) -> Failure {
            Failure(expected: "the key path of a value in ${\(path.prefix(80))}", found: found)
        }
        if path.contains(":") {
            throw missing("a resolver, which this version has none of")
        }
        let dots = path.prefix { $0 == "." }.count
        guard let root = document.root, dots <= ancestors.count else {
            throw missing("more dots than there are mappings around it")
        }
        let around = dots == 0 ? [] : Array(ancestors.dropLast(dots - 1))
        var value = Value(
            entry: document.entries[around.last ?? root], ancestors: Array(around.dropLast()),
            index: around.last ?? root)
        var keys = path.dropFirst(dots).replacing("[", with: ".").replacing("]", with: "")
        if path.dropFirst(dots).first == "[" { keys.removeFirst() }
        for key in keys.split(separator: ".", omittingEmptySubsequences: false) {
            let inner: Int?
            switch value.entry.content {
            case .mapping(let pairs): inner = pairs.first { $0.key == key }?.value
            case .sequence(let items):
                inner = Int(key).flatMap { $0 < items.count && $0 >= 0 ? items[$0] : nil }
            case .scalar: inner = nil
            }
            guard let inner else { throw missing("no \(key.isEmpty ? "key" : String(key))") }
            value = try self.value(
                inner, ancestors: value.ancestors + (value.index.map { [$0] } ?? []))
        }
        return value
    }
}
