import CVidTwinKernels
import TensorFiles

/// What the command line says, byte for byte: Swift's own list repairs what is not UTF-8, and such
/// names would name other files; and it is empty where /proc is missing.
enum Arguments {
    /// All but the program's own name.
    static let all: [String] = {
        var count: Int32 = 0
        guard let values = vt_program_arguments(&count) else { return [] }
        return (1..<max(Int(count), 1)).compactMap { values[$0].map { String(path: $0) } }
    }()

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
