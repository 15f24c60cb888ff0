import TensorFiles

/// What the command line says, byte for byte: Swift's own list repairs what is not UTF-8, and such
/// names would name other files.
enum Arguments {
    /// All but the program's own name.
    static let all: [String] = (1..<max(Int(CommandLine.argc), 1)).compactMap { index in
        CommandLine.unsafeArgv[index].map { String(path: $0) }
    }

    /// A text of several lines in which arguments are quoted, so that they are visible in it.
    static func visible(in text: String) -> String {
        var text = text
        for argument in all {
            let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
            for part in [argument] + parts where part.visible != part {
                text = text.split(separator: part, omittingEmptySubsequences: false)
                    .joined(separator: part.visible)
            }
        }
        return text.visibleLines
    }
}
