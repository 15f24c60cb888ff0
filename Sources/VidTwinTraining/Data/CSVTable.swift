/// A CSV file (RFC 4180, UTF-8, a byte order mark tolerated) with a header.
package struct CSVTable {
    /// The names of the columns.
    package let header: [String]
    /// Rows with the number of the line where each begins, from 1; empty lines do not count.
    package private(set) var rows: [(line: Int, fields: [String])] = []

    /// What is wrong with a file, and in which line.
    package struct Failure: Error {
        package let line: Int
        package let expected, found: String
    }

    package init(_ bytes: [UInt8]) throws(Failure) {
        var bytes = bytes[...]
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { bytes = bytes.dropFirst(3) }
        var parser = Parser(bytes)
        guard let first = try parser.next() else {
            throw Failure(line: 1, expected: "a header", found: "an empty file")
        }
        header = first.fields
        while let row = try parser.next() {
            guard row.fields.count == header.count else {
                throw Failure(
                    line: row.line, expected: "\(header.count) fields, as in the header",
                    found: "\(row.fields.count)")
            }
            rows.append(row)
        }
    }

    /// The number of a column.
    package func column(_ name: String) -> Int? { header.firstIndex(of: name) }

    /// A field as it is written: quoted where it must be.
    package static func quoted(_ field: String) -> String {
        let special: Set<UInt8> = [44, 34, 10, 13]
        if field.utf8.allSatisfy({ !special.contains($0) }) && !field.isEmpty { return field }
        return "\""
            + field.split(separator: "\"", omittingEmptySubsequences: false)
            .joined(separator: "\"\"") + "\""
    }

    /// Goes through the bytes once.
    private struct Parser {
        private let bytes: ArraySlice<UInt8>
        private var at: Int
        private var line = 1

        init(_ bytes: ArraySlice<UInt8>) {
            self.bytes = bytes
            at = bytes.startIndex
        }

        private static let quote = UInt8(ascii: "\""), comma = UInt8(ascii: ",")

        mutating func next() throws(Failure) -> (line: Int, fields: [String])? {
            while at < bytes.endIndex, bytes[at] == 10 || bytes[at] == 13 {
                if bytes[at] == 10 { line += 1 }
                at += 1
            }
            guard at < bytes.endIndex else { return nil }
            let start = line
            var fields: [String] = []
            while true {
                fields.append(try field(start))
                guard at < bytes.endIndex, bytes[at] == Parser.comma else { break }
                at += 1
            }
            return (start, fields)
        }

        private mutating func field(_ start: Int) throws(Failure) -> String {
            var text: [UInt8] = []
            if at < bytes.endIndex, bytes[at] == Parser.quote {
                at += 1
                while true {
                    guard at < bytes.endIndex else {
                        throw Failure(line: start, expected: "a closing quote", found: "the end")
                    }
                    let byte = bytes[at]
                    at += 1
                    if byte == 10 { line += 1 }
                    if byte != Parser.quote {
                        text.append(byte)
                    } else if at < bytes.endIndex, bytes[at] == Parser.quote {
                        text.append(byte)
                        at += 1
                    } else {
                        break
                    }
                }
            }
            while at < bytes.endIndex, ![Parser.comma, 10, 13].contains(bytes[at]) {
                text.append(bytes[at])
                at += 1
            }
            guard let valid = String(validating: text, as: UTF8.self) else {
                throw Failure(line: start, expected: "text in UTF-8", found: "other bytes")
            }
            return valid
        }
    }
}
