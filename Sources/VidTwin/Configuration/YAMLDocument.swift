import CYAML

/// A YAML file as libyaml reads it: nodes in one array, children by index, so neither depth nor
/// aliases can make it grow beyond the file. Merge keys (`<<`) are resolved.
struct YAMLDocument {
    enum Content {
        case scalar(String, quoted: Bool)
        case sequence([Int])
        case mapping([(key: String, value: Int)])
    }
    struct Entry {
        var content: Content
        let line: Int
    }

    private(set) var entries: [Entry] = []
    private(set) var root: Int?

    static let maximumBytes = 1 << 20
    private static let maximumDepth = 64
    private static let maximumMerged = 1 << 16
    private var merged = 0

    /// Why a document cannot be read; `line` counts from 1.
    struct Failure: Error {
        let line: Int
        let expected: String
        let found: String
    }

    init(_ text: [UInt8]) throws(Failure) {
        var parser = yaml_parser_t()
        guard yaml_parser_initialize(&parser) == 1 else {
            throw Failure(line: 0, expected: "memory for the YAML parser", found: "none")
        }
        defer { yaml_parser_delete(&parser) }
        var failure: Failure?
        text.withUnsafeBufferPointer { bytes in
            yaml_parser_set_input_string(&parser, bytes.baseAddress, bytes.count)
            do throws(Failure) { try build(&parser) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// A collection that is not closed yet: for a mapping, the keys so far and the one that waits for
    /// its value.
    private struct Open {
        let index: Int
        var key: String?
        var keys: Set<String> = []
        /// The key that waits is `<<`, and what is merged so far.
        var isMerge = false
        var merges: [Int] = []
    }

    private mutating func build(_ parser: inout yaml_parser_t) throws(Failure) {
        var open: [Open] = []
        var anchors: [String: Int] = [:]
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(&parser, &event) == 1 else {
                let problem = parser.problem.map { String(cString: $0) } ?? "unreadable text"
                throw Failure(
                    line: Int(parser.problem_mark.line) + 1, expected: "YAML", found: problem)
            }
            defer { yaml_event_delete(&event) }
            let line = Int(event.start_mark.line) + 1
            switch event.type {
            case YAML_STREAM_END_EVENT:
                return
            case YAML_DOCUMENT_START_EVENT where root != nil:
                throw Failure(line: line, expected: "one document", found: "a second one")
            case YAML_ALIAS_EVENT:
                let name = text(event.data.alias.anchor)
                guard let index = anchors[name] else {
                    throw Failure(line: line, expected: "an anchor before its alias", found: name)
                }
                guard !open.contains(where: { $0.index == index }) else {
                    throw Failure(line: line, expected: "a finite document", found: "*\(name)")
                }
                try attach(index, &open, line)
            case YAML_SCALAR_EVENT:
                let scalar = event.data.scalar
                let value = String(
                    decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length),
                    as: UTF8.self)
                if let last = open.indices.last, open[last].key == nil,
                    case .mapping = entries[open[last].index].content
                {
                    guard open[last].keys.insert(value).inserted else {
                        throw Failure(line: line, expected: "each key once", found: value)
                    }
                    open[last].key = value
                    open[last].isMerge = value == "<<" && scalar.style == YAML_PLAIN_SCALAR_STYLE
                } else {
                    let quoted = scalar.style != YAML_PLAIN_SCALAR_STYLE
                    let index = add(.scalar(value, quoted: quoted), line)
                    if let anchor = scalar.anchor { anchors[text(anchor)] = index }
                    try attach(index, &open, line)
                }
            case YAML_SEQUENCE_START_EVENT, YAML_MAPPING_START_EVENT:
                let isSequence = event.type == YAML_SEQUENCE_START_EVENT
                let index = add(isSequence ? .sequence([]) : .mapping([]), line)
                let anchor =
                    isSequence ? event.data.sequence_start.anchor : event.data.mapping_start.anchor
                if let anchor { anchors[text(anchor)] = index }
                try attach(index, &open, line)
                open.append(Open(index: index))
                guard open.count <= YAMLDocument.maximumDepth else {
                    throw Failure(
                        line: line, expected: "at most \(YAMLDocument.maximumDepth) levels",
                        found: "more")
                }
            case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
                if let collection = open.popLast() { try merge(collection, line) }
            default:
                break
            }
        }
    }

    private mutating func add(_ content: Content, _ line: Int) -> Int {
        entries.append(Entry(content: content, line: line))
        return entries.count - 1
    }

    /// Puts a node into the innermost open collection, or makes it the root.
    private mutating func attach(
        _ index: Int, _ open: inout [Open], _ line: Int
    ) throws(Failure) {
        guard let last = open.indices.last else {
            root = index
            return
        }
        switch entries[open[last].index].content {
        case .sequence(var items):
            entries[open[last].index].content = .sequence([])
            items.append(index)
            entries[open[last].index].content = .sequence(items)
        case .mapping(var pairs):
            guard let key = open[last].key else {
                throw Failure(line: line, expected: "a plain key", found: "a collection as key")
            }
            open[last].key = nil
            if open[last].isMerge {
                open[last].merges.append(index)
                return
            }
            entries[open[last].index].content = .mapping([])
            pairs.append((key, index))
            entries[open[last].index].content = .mapping(pairs)
        case .scalar:
            break
        }
    }

    /// Adds the pairs of what a mapping merges: its own keys go first, then earlier mappings.
    private mutating func merge(_ collection: Open, _ line: Int) throws(Failure) {
        guard !collection.merges.isEmpty,
            case .mapping(var pairs) = entries[collection.index].content
        else { return }
        var keys = collection.keys
        var sources: [Int] = []
        for index in collection.merges {
            if case .sequence(let items) = entries[index].content {
                sources += items
            } else {
                sources.append(index)
            }
        }
        for source in sources {
            guard case .mapping(let found) = entries[source].content else {
                throw Failure(
                    line: line, expected: "a mapping, or some, under <<", found: "another")
            }
            merged += found.count
            guard merged <= YAMLDocument.maximumMerged else {
                throw Failure(
                    line: line, expected: "at most \(YAMLDocument.maximumMerged) merged keys",
                    found: "more")
            }
            pairs += found.filter { keys.insert($0.key).inserted }
        }
        entries[collection.index].content = .mapping(pairs)
    }

    private func text(_ pointer: UnsafePointer<yaml_char_t>?) -> String {
        pointer.map { String(cString: $0) } ?? ""
    }
}
