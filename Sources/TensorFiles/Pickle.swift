/// Reads a pickle as data: values and references, no classes, no calls.
///
/// Values live in one array and refer to each other by index, so that no depth of nesting costs
/// stack. A call that the file asks for becomes a `.call` value, which means nothing until
/// someone who knows the function looks at it.
struct Pickle {
    enum Value {
        case none
        case bool(Bool)
        case integer(Int)
        case float(Double)
        case string(String)
        case global(module: String, name: String)
        case tuple([Int])
        case list([Int])
        case dictionary([(key: Int, value: Int)])
        /// A dictionary of the pairs in a list, `[[key, value], ...]`, which is shared.
        case ordered(list: Int)
        case persistent(Int)
        case call(function: Int, arguments: Int)
        /// Something that weights do not need: bytes, sets, objects.
        case opaque
    }

    private(set) var values: [Value] = [.none, .bool(false), .bool(true), .opaque]
    /// The pickled object.
    private(set) var root = 0
    /// Where the pickle ends within the bytes.
    var end: Int { at }

    /// Limits of what is kept, beside the budget; files of PyTorch stay far below.
    static let maximumBytes = 64 << 20
    private static let maximumStack = 1 << 20
    /// What a value takes, its array or text apart; an item of an array; an entry of the memo.
    private static let (valueBytes, itemBytes, memoBytes) = (64, 16, 64)

    private static let noneIndex = 0, falseIndex = 1, trueIndex = 2, opaqueIndex = 3

    private let bytes: [UInt8]
    private let path: String
    private let place: String
    private let budget: ReadingBudget
    private var at = 0
    private var stack: [Int] = []
    private var marks: [Int] = []
    private var memo: [Int: Int] = [:]

    init(
        _ bytes: [UInt8], from start: Int = 0, path: String, place: String, _ budget: ReadingBudget
    ) throws(CheckpointError) {
        self.bytes = bytes
        self.budget = budget
        at = start
        self.path = path
        self.place = place
        try run()
        (stack, marks) = ([], [])
        memo = [:]
    }

    private func failure(_ expected: String, _ found: String) -> CheckpointError {
        .malformed(
            path: path, place: "\(place), byte \(at)", expected: expected, found: found)
    }

    // MARK: - Reading

    private mutating func take(_ count: Int) throws(CheckpointError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.count - at else {
            throw failure("\(count) more bytes", "\(bytes.count - at)")
        }
        defer { at += count }
        return bytes[at..<at + count]
    }

    /// A little-endian number of so many bytes.
    private mutating func number(_ width: Int) throws(CheckpointError) -> Int {
        var value: UInt64 = 0
        for (index, byte) in try take(width).enumerated() {
            value |= UInt64(byte) << UInt64(8 * index)
        }
        guard let number = Int(exactly: value) else {
            throw failure("a number below 2^63", "\(value)")
        }
        return number
    }

    private mutating func text(_ count: Int) throws(CheckpointError) -> String {
        try spend(max(count, 0))
        guard let text = String(validating: try take(count), as: UTF8.self) else {
            throw failure("text in UTF-8", "other bytes")
        }
        return text
    }

    private mutating func line() throws(CheckpointError) -> String {
        guard let end = bytes[at...].firstIndex(of: 10) else { throw failure("a line", "the end") }
        let line = try text(end - at)
        at += 1
        return line
    }

    // MARK: - The machine

    private func spend(_ bytes: Int) throws(CheckpointError) {
        try budget.spend(bytes, "\(place), byte \(at)")
    }

    private mutating func push(_ index: Int) throws(CheckpointError) {
        guard stack.count < Pickle.maximumStack else {
            throw failure("at most \(Pickle.maximumStack) values on the stack", "more")
        }
        stack.append(index)
    }

    private mutating func push(_ value: Value) throws(CheckpointError) {
        try spend(Pickle.valueBytes)
        values.append(value)
        try push(values.count - 1)
    }

    private mutating func pop() throws(CheckpointError) -> Int {
        guard stack.count > (marks.last ?? 0), let top = stack.popLast() else {
            throw failure("a value on the stack", "none")
        }
        return top
    }

    private func top() throws(CheckpointError) -> Int {
        guard let top = stack.last else { throw failure("a value on the stack", "none") }
        return top
    }

    private mutating func mark() throws(CheckpointError) {
        guard marks.count < Pickle.maximumStack else {
            throw failure("at most \(Pickle.maximumStack) marks", "more")
        }
        marks.append(stack.count)
    }

    private mutating func popMark() throws(CheckpointError) -> [Int] {
        guard let mark = marks.popLast(), mark <= stack.count else {
            throw failure("a mark on the stack", "none")
        }
        try spend(Pickle.itemBytes * (stack.count - mark))
        defer { stack.removeSubrange(mark...) }
        return Array(stack[mark...])
    }

    private mutating func tuple(_ count: Int) throws(CheckpointError) {
        try spend(Pickle.itemBytes * count)
        var items: [Int] = []
        for _ in 0..<count { items.append(try pop()) }
        try push(.tuple(items.reversed()))
    }

    /// Puts pairs into the dictionary on top of the stack; anything else swallows them.
    private mutating func setItems(_ items: [Int]) throws(CheckpointError) {
        let target = try top()
        var pairs: [(key: Int, value: Int)]
        switch values[target] {
        case .dictionary(let found): pairs = found
        case .ordered(let list):
            pairs = self.pairs(list)
            try spend(Pickle.itemBytes * pairs.count)
        default: return
        }
        values[target] = .none
        try spend(Pickle.itemBytes * items.count)
        for i in stride(from: 0, to: items.count - 1, by: 2) {
            pairs.append((items[i], items[i + 1]))
        }
        values[target] = .dictionary(pairs)
    }

    /// Puts values at the end of the list on top of the stack; anything else swallows them.
    private mutating func append(_ items: [Int]) throws(CheckpointError) {
        let target = try top()
        guard case .list(var list) = values[target] else { return }
        values[target] = .none
        try spend(Pickle.itemBytes * items.count)
        list += items
        values[target] = .list(list)
    }

    /// The pairs of a dictionary, nil where a value is none.
    func dictionary(_ index: Int) -> [(key: Int, value: Int)]? {
        switch values[index] {
        case .dictionary(let pairs): pairs
        case .ordered(let list): pairs(list)
        default: nil
        }
    }

    /// The pairs in a list `[[key, value], ...]`.
    private func pairs(_ list: Int) -> [(key: Int, value: Int)] {
        guard case .list(let items) = values[list] else { return [] }
        return items.compactMap { index in
            switch values[index] {
            case .list(let pair) where pair.count == 2, .tuple(let pair) where pair.count == 2:
                (pair[0], pair[1])
            default: nil
            }
        }
    }

    private mutating func remember(_ key: Int) throws(CheckpointError) {
        try spend(Pickle.memoBytes)
        memo[key] = try top()
    }

    private mutating func recall(_ key: Int) throws(CheckpointError) {
        guard let index = memo[key] else { throw failure("a value memorised as \(key)", "none") }
        try push(index)
    }

    private mutating func call(new: Bool) throws(CheckpointError) {
        let (arguments, function) = (try pop(), try pop())
        if case .global("collections", "OrderedDict") = values[function] {
            // Python 2 makes one of `([[key, value], ...],)`.
            if case .tuple(let items) = values[arguments], let first = items.first,
                case .list = values[first]
            {
                try push(.ordered(list: first))
            } else {
                try push(.dictionary([]))
            }
        } else if new {
            try push(Pickle.opaqueIndex)
        } else {
            try push(.call(function: function, arguments: arguments))
        }
    }

    /// Runs to STOP. Names are those of Python's pickletools.
    private mutating func run() throws(CheckpointError) {
        while true {
            let code = try take(1).first ?? 0
            switch code {
            case 0x80:  // PROTO
                let version = try number(1)
                guard (2...5).contains(version) else {
                    throw failure("pickle protocol 2 to 5", "\(version)")
                }
            case 0x95: _ = try number(8)  // FRAME
            case UInt8(ascii: "."):  // STOP
                root = try pop()
                return
            case UInt8(ascii: "("): try mark()  // MARK
            case UInt8(ascii: "0"): _ = try pop()  // POP
            case UInt8(ascii: "1"): _ = try popMark()  // POP_MARK
            case UInt8(ascii: "2"): try push(try top())  // DUP
            case UInt8(ascii: "N"): try push(Pickle.noneIndex)
            case 0x88: try push(Pickle.trueIndex)  // NEWTRUE
            case 0x89: try push(Pickle.falseIndex)  // NEWFALSE
            case UInt8(ascii: "K"): try push(.integer(try number(1)))  // BININT1
            case UInt8(ascii: "M"): try push(.integer(try number(2)))  // BININT2
            case UInt8(ascii: "J"):  // BININT
                let value = Int32(truncatingIfNeeded: try number(4))
                try push(.integer(Int(value)))
            case 0x8a: try long(try number(1))  // LONG1
            case 0x8b: try long(try number(4))  // LONG4
            case UInt8(ascii: "G"):  // BINFLOAT
                let bits = try take(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                try push(.float(Double(bitPattern: bits)))
            case 0x8c: try push(.string(try text(try number(1))))  // SHORT_BINUNICODE
            case UInt8(ascii: "X"): try push(.string(try text(try number(4))))  // BINUNICODE
            case 0x8d: try push(.string(try text(try number(8))))  // BINUNICODE8
            case UInt8(ascii: "U"): try bytesOrText(try number(1))  // SHORT_BINSTRING
            case UInt8(ascii: "T"): try bytesOrText(try number(4))  // BINSTRING
            case UInt8(ascii: "C"): try skip(try number(1))  // SHORT_BINBYTES
            case UInt8(ascii: "B"): try skip(try number(4))  // BINBYTES
            case 0x8e, 0x96: try skip(try number(8))  // BINBYTES8, BYTEARRAY8
            case UInt8(ascii: ")"): try push(.tuple([]))  // EMPTY_TUPLE
            case UInt8(ascii: "t"): try push(.tuple(try popMark()))  // TUPLE
            case 0x85: try tuple(1)
            case 0x86: try tuple(2)
            case 0x87: try tuple(3)
            case UInt8(ascii: "]"): try push(.list([]))  // EMPTY_LIST
            case UInt8(ascii: "l"):  // LIST
                try push(.list(try popMark()))
            case UInt8(ascii: "a"): try append([try pop()])  // APPEND
            case UInt8(ascii: "e"): try append(try popMark())  // APPENDS
            case UInt8(ascii: "}"): try push(.dictionary([]))  // EMPTY_DICT
            case UInt8(ascii: "d"):  // DICT
                let items = try popMark()
                try push(.dictionary([]))
                try setItems(items)
            case UInt8(ascii: "s"):  // SETITEM
                let (value, key) = (try pop(), try pop())
                try setItems([key, value])
            case UInt8(ascii: "u"): try setItems(try popMark())  // SETITEMS
            case 0x8f: try push(Pickle.opaqueIndex)  // EMPTY_SET
            case 0x90: _ = try popMark()  // ADDITEMS
            case 0x91:  // FROZENSET
                _ = try popMark()
                try push(Pickle.opaqueIndex)
            case UInt8(ascii: "q"): try remember(try number(1))  // BINPUT
            case UInt8(ascii: "r"): try remember(try number(4))  // LONG_BINPUT
            case 0x94: try remember(memo.count)  // MEMOIZE
            case UInt8(ascii: "h"): try recall(try number(1))  // BINGET
            case UInt8(ascii: "j"): try recall(try number(4))  // LONG_BINGET
            case UInt8(ascii: "c"):  // GLOBAL
                let (module, name) = (try line(), try line())
                try push(.global(module: module, name: name))
            case 0x93:  // STACK_GLOBAL
                let (name, module) = (try pop(), try pop())
                guard case .string(let nameText) = values[name],
                    case .string(let moduleText) = values[module]
                else { throw failure("a module and a name", "other values") }
                try push(.global(module: moduleText, name: nameText))
            case UInt8(ascii: "Q"): try push(.persistent(try pop()))  // BINPERSID
            case UInt8(ascii: "R"): try call(new: false)  // REDUCE
            case 0x81: try call(new: true)  // NEWOBJ
            case 0x92:  // NEWOBJ_EX
                _ = try pop()
                try call(new: true)
            case UInt8(ascii: "b"): _ = try pop()  // BUILD: the object's state
            default:
                throw failure(
                    "a pickle opcode of protocols 2 to 5", "0x\(String(code, radix: 16))")
            }
        }
    }

    /// An integer of any size; only those that fit an Int mean something.
    private mutating func long(_ count: Int) throws(CheckpointError) {
        let digits = Array(try take(count))
        guard count <= 8 else { return try push(Pickle.opaqueIndex) }
        var value: UInt64 = digits.last.map { $0 & 0x80 != 0 } ?? false ? .max : 0
        for byte in digits.reversed() { value = value << 8 | UInt64(byte) }
        try push(.integer(Int(Int64(bitPattern: value))))
    }

    /// A string of Python 2: text where it is UTF-8.
    private mutating func bytesOrText(_ count: Int) throws(CheckpointError) {
        guard let text = String(validating: try take(count), as: UTF8.self) else {
            return try push(Pickle.opaqueIndex)
        }
        try push(.string(text))
    }

    private mutating func skip(_ count: Int) throws(CheckpointError) {
        _ = try take(count)
        try push(Pickle.opaqueIndex)
    }
}
