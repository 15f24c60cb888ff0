/// The rows of a CSV file, as RFC 4180 has them: fields between commas, in quotes where they hold
/// commas, quotes (twice) or line breaks; rows end with LF or CRLF. A byte order mark is passed over.
package struct CSVTable {
    /// A row that is not empty.
    package struct Row {
        /// Where it begins, from 1 on.
        package let line: Int
        /// Its fields, or why they are not known.
        package let fields: Result<[String], Problem>
    }

    /// What a row may suffer from.
    package enum Problem: Error {
        /// A quote is not closed.
        case openQuote
        /// Other bytes than UTF-8.
        case notText
    }

    /// All rows, a header among them.
    package private(set) var rows: [Row] = []

    private static let quote = UInt8(ascii: "\"")
    private static let comma = UInt8(ascii: ",")
    private static let (lineFeed, carriageReturn): (UInt8, UInt8) = (10, 13)

    /// Reads a file.
    package init(_ text: [UInt8]) {
        var rest = text[...]
        if rest.starts(with: [0xef, 0xbb, 0xbf]) { rest = rest.dropFirst(3) }
        var line = 1
        while !rest.isEmpty {
            let (row, count, lines) = CSVTable.row(rest, line: line)
            if (try? row.fields.get()) != [""] { rows.append(row) }
            rest = rest.dropFirst(count)
            line += lines
        }
    }

    /// A field as it is written: in quotes where it must be.
    package static func quoted(_ field: String) -> String {
        let special = [comma, quote, lineFeed, carriageReturn]
        if field.utf8.allSatisfy({ !special.contains($0) }) && !field.isEmpty { return field }
        return "\""
            + field.split(separator: "\"", omittingEmptySubsequences: false)
            .joined(separator: "\"\"") + "\""
    }

    /// The first row, how many bytes it takes and how many lines.
    private static func row(
        _ text: ArraySlice<UInt8>, line: Int
    ) -> (row: Row, count: Int, lines: Int) {
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
        let valid = texts.compactMap { $0 }
        let found: Result<[String], Problem> =
            isQuoted
            ? .failure(.openQuote)
            : valid.count < texts.count ? .failure(.notText) : .success(valid)
        return (Row(line: line, fields: found), at - text.startIndex, lines)
    }
}
