/// The rows of a CSV file, as RFC 4180 has them: fields between commas, in quotes where they hold
/// commas, quotes (twice) or line breaks; rows end with LF or CRLF. A byte order mark is passed over.
struct CSVTable {
    /// A row that is not empty.
    struct Row {
        /// Where it begins, from 1 on.
        let line: Int
        /// Nil where the row is no UTF-8 or a quote is not closed.
        let fields: [String]?
    }

    private(set) var rows: [Row] = []

    private static let quote = UInt8(ascii: "\"")
    private static let comma = UInt8(ascii: ",")
    private static let (lineFeed, carriageReturn): (UInt8, UInt8) = (10, 13)

    init(_ text: [UInt8]) {
        var rest = text[...]
        if rest.starts(with: [0xef, 0xbb, 0xbf]) { rest = rest.dropFirst(3) }
        var line = 1
        while !rest.isEmpty {
            let (fields, count, lines) = CSVTable.row(rest)
            if fields != [""] { rows.append(Row(line: line, fields: fields)) }
            rest = rest.dropFirst(count)
            line += lines
        }
    }

    /// The first row, how many bytes it takes and how many lines.
    private static func row(
        _ text: ArraySlice<UInt8>
    ) -> (fields: [String]?, count: Int, lines: Int) {
        var (fields, field): ([[UInt8]], [UInt8]) = ([], [])
        var (isQuoted, mayOpen, lines) = (false, true, 1)
        var at = text.startIndex
        while at < text.endIndex {
            let byte = text[at]
            let next = at + 1 < text.endIndex ? text[at + 1] : nil
            if isQuoted {
                if byte == lineFeed { lines += 1 }
                if byte != quote {
                    field.append(byte)
                } else if next == quote {
                    field.append(quote)
                    at += 1
                } else {
                    isQuoted = false
                }
            } else if byte == quote && mayOpen {
                isQuoted = true
            } else if byte == comma {
                fields.append(field)
                field = []
            } else if byte == lineFeed || byte == carriageReturn && (next ?? lineFeed) == lineFeed {
                at += byte == carriageReturn && next != nil ? 2 : 1
                break
            } else {
                field.append(byte)
            }
            mayOpen = byte == comma && !isQuoted
            at += 1
        }
        fields.append(field)
        let texts = fields.map { String(validating: $0, as: UTF8.self) }
        let isWhole = !isQuoted && texts.allSatisfy { $0 != nil }
        return (isWhole ? texts.compactMap { $0 } : nil, at - text.startIndex, lines)
    }
}
