import TensorFiles

/// Cells of CSV files.
package enum CSVText {
    /// Foreign text as a quoted cell: in one line, and such that no spreadsheet takes it for a
    /// formula (an apostrophe in front makes it text).
    package static func cell(_ text: String) -> String {
        let visible = text.visible
        let isFormula = visible.first.map { "=+-@".contains($0) } ?? false
        let quoted = visible.split(separator: "\"", omittingEmptySubsequences: false)
            .joined(separator: "\"\"")
        return "\"\(isFormula ? "'" : "")\(quoted)\""
    }
}
