import FoundationEssentials
import TensorFiles

/// JSON for people and programs.
enum JSONText {
    /// A value with sorted keys, over several lines.
    static func pretty(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self).visibleJSON
    }
}
