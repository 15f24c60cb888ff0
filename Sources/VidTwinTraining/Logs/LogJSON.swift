package import VidTwin

/// JSON for logs, without Foundation.
package enum LogJSON {
    /// A text in quotes.
    package static func text(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }

    /// A number; Python's words where it is not finite.
    package static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
        return MetricsLog.number(value)
    }

    /// A part of a configuration, its scalars as YAML means them.
    package static func value(_ tree: ConfigurationTree) -> String {
        switch tree {
        case .mapping(let pairs):
            return "{" + pairs.map { "\(text($0.key)): \(value($0.value))" }.joined(separator: ", ")
                + "}"
        case .list(let items): return "[" + items.map(value).joined(separator: ", ") + "]"
        case .scalar(let word, let quoted):
            if tree.isNull { return "null" }
            if quoted { return text(word) }
            if ["true", "false"].contains(word.lowercased()) { return word.lowercased() }
            if let whole = Int(word) { return "\(whole)" }
            if let number = Double(word), number.isFinite { return MetricsLog.number(number) }
            return text(word)
        }
    }
}
