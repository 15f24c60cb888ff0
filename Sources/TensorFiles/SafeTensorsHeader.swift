/// Reads the header of a .safetensors file: JSON of one fixed form, so a scanner without
/// recursion suffices, and nothing else is accepted.
struct SafeTensorsHeader {
    struct Tensor {
        var name: String
        var type = ""
        var shape: [Int] = []
        var offsets = (0, 0)
    }

    private let bytes: UnsafeRawBufferPointer
    private let path: String
    private var at = 0

    init(_ bytes: UnsafeRawBufferPointer, path: String) {
        self.bytes = bytes
        self.path = path
    }

    mutating func parse() throws(CheckpointError) -> (
        tensors: [Tensor], metadata: [String: String]
    ) {
        var tensors: [Tensor] = []
        var metadata: [String: String] = [:]
        try object { parser, key throws(CheckpointError) in
            if key == "__metadata__" {
                try parser.object { parser, key throws(CheckpointError) in
                    metadata[key] = try parser.string()
                }
            } else {
                tensors.append(try parser.tensor(key))
            }
        }
        skipSpace()
        if at < bytes.count { throw failure("the end of the header") }
        return (tensors, metadata)
    }

    private mutating func tensor(_ name: String) throws(CheckpointError) -> Tensor {
        var tensor = Tensor(name: name)
        var seen: Set<String> = []
        try object { parser, key throws(CheckpointError) in
            guard seen.insert(key).inserted else {
                throw parser.failure("each key once in \(name)")
            }
            switch key {
            case "dtype": tensor.type = try parser.string()
            case "shape": tensor.shape = try parser.numbers(atMost: 16)
            case "data_offsets":
                let offsets = try parser.numbers(atMost: 2)
                guard offsets.count == 2 else { throw parser.failure("two offsets") }
                tensor.offsets = (offsets[0], offsets[1])
            default: throw parser.failure("dtype, shape or data_offsets in \(name)")
            }
        }
        guard seen.count == 3 else { throw failure("dtype, shape and data_offsets in \(name)") }
        return tensor
    }

    /// `{ "key": value, ... }`, where `value` reads each value.
    mutating func object(
        _ value: (inout SafeTensorsHeader, String) throws(CheckpointError) -> Void
    ) throws(CheckpointError) {
        try expect("{")
        if accept("}") { return }
        repeat {
            let key = try string()
            try expect(":")
            try value(&self, key)
        } while accept(",")
        try expect("}")
    }

    private mutating func numbers(atMost limit: Int) throws(CheckpointError) -> [Int] {
        try expect("[")
        var numbers: [Int] = []
        if accept("]") { return numbers }
        repeat {
            skipSpace()
            var value = 0
            let start = at
            while at < bytes.count,
                let digit = Character(Unicode.Scalar(bytes[at])).wholeNumberValue,
                bytes[at] < 128
            {
                let (times, overflow) = value.multipliedReportingOverflow(by: 10)
                let (sum, carry) = times.addingReportingOverflow(digit)
                if overflow || carry { throw failure("a number that fits 63 bits") }
                value = sum
                at += 1
            }
            if at == start { throw failure("a whole number") }
            numbers.append(value)
            if numbers.count > limit { throw failure("at most \(limit) numbers") }
        } while accept(",")
        try expect("]")
        return numbers
    }

    mutating func string() throws(CheckpointError) -> String {
        try expect("\"")
        var text: [UInt8] = []
        while at < bytes.count, bytes[at] != UInt8(ascii: "\"") {
            if bytes[at] == UInt8(ascii: "\\") {
                at += 1
                try escape(&text)
            } else {
                if bytes[at] < 32 { throw failure("no control character in text") }
                text.append(bytes[at])
                at += 1
            }
        }
        guard at < bytes.count else { throw failure("a closing quote") }
        at += 1
        guard let string = String(validating: text, as: UTF8.self) else {
            throw failure("UTF-8 before here")
        }
        return string
    }

    private mutating func escape(_ text: inout [UInt8]) throws(CheckpointError) {
        guard at < bytes.count else { throw failure("an escaped character") }
        let letter = bytes[at]
        at += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(letter)
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "u"):
            var unit = try hexadecimal()
            if unit & 0xfc00 == 0xd800 {
                guard at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"),
                    bytes[at + 1] == UInt8(ascii: "u")
                else { throw failure("the second half of a surrogate pair") }
                at += 2
                let low = try hexadecimal()
                guard low & 0xfc00 == 0xdc00 else { throw failure("a low surrogate") }
                unit = 0x10000 + (unit - 0xd800) << 10 + (low - 0xdc00)
            }
            guard let scalar = Unicode.Scalar(unit) else { throw failure("a Unicode character") }
            text.append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? [])
        default: throw failure("a known escape")
        }
    }

    private mutating func hexadecimal() throws(CheckpointError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard at < bytes.count,
                let digit = Character(Unicode.Scalar(bytes[at])).hexDigitValue, bytes[at] < 128
            else { throw failure("four hexadecimal digits") }
            value = value << 4 | UInt32(digit)
            at += 1
        }
        return value
    }

    private mutating func skipSpace() {
        while at < bytes.count, [32, 9, 10, 13].contains(bytes[at]) { at += 1 }
    }

    mutating func accept(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard at < bytes.count, bytes[at] == UInt8(ascii: character) else { return false }
        at += 1
        return true
    }

    /// The next byte that is no space.
    var peek: UInt8? {
        mutating get {
            skipSpace()
            return at < bytes.count ? bytes[at] : nil
        }
    }

    /// Goes past a number or a word.
    mutating func skipPlain() throws(CheckpointError) {
        let start = at
        while at < bytes.count, ![32, 9, 10, 13].contains(bytes[at]),
            !",:]}{[\"".utf8.contains(bytes[at])
        { at += 1 }
        if at == start { throw failure("a value") }
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(CheckpointError) {
        if !accept(character) { throw failure("\"\(character)\"") }
    }

    private func failure(_ expected: String) -> CheckpointError {
        .malformed(
            path: path, place: "JSON header, byte \(at)", expected: expected,
            found: at < bytes.count
                ? "\"\(String(decoding: bytes[at..<min(at + 12, bytes.count)], as: UTF8.self))\""
                : "the end")
    }
}
