import Testing
import VideoIO

@Suite struct `CSV files` {
    private func rows(_ text: String) -> [(line: Int, fields: [String]?)] {
        CSVTable(Array(text.utf8)).rows.map { ($0.line, try? $0.fields.get()) }
    }

    @Test func `fields, rows and lines as RFC 4180 has them`() {
        let found = rows(
            "\u{feff}n,videos\r\n1,\"a,\"\"b\"\".mp4\"\r\n\r\n2,\"two\nlines\"\n3,c\" d\n,\n\"\"")
        #expect(
            found.map(\.fields) == [
                ["n", "videos"], ["1", "a,\"b\".mp4"], ["2", "two\nlines"], ["3", "c\" d"],
                ["", ""],
            ])
        #expect(found.map(\.line) == [1, 2, 4, 6, 7])
        #expect(rows("").isEmpty && rows("\n\r\n").isEmpty)
    }

    @Test func `what a row suffers from is its own`() {
        let text = Array("a\n".utf8) + [0xff, 10] + Array("b\n\"c\nd".utf8)
        let found = CSVTable(text).rows.map { row -> String in
            switch row.fields {
            case .success(let fields): "\(row.line) \(fields)"
            case .failure(let problem): "\(row.line) \(problem)"
            }
        }
        #expect(found == ["1 [\"a\"]", "2 notText", "3 [\"b\"]", "4 openQuote"])
    }

    @Test(arguments: ["", "a", "a,b", "\"", "a\nb", "\r", "'x'", "ü\"\","])
    func `what is written is read`(_ field: String) {
        #expect(rows("\(CSVTable.quoted(field)),x\n").map(\.fields) == [[field, "x"]])
    }
}
