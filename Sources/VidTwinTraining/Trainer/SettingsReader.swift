package import VidTwin

/// Reads typed values out of a merged configuration; each key that is read counts as used.
package struct SettingsReader {
    package let tree: ConfigurationTree
    /// The files, for messages.
    package let place: String

    package init(_ tree: ConfigurationTree, place: String) {
        (self.tree, self.place) = (tree, place)
    }

    /// The error of a key.
    package func failure(_ key: String, expected: String, found: String? = nil) -> ModelError {
        .configuration(
            path: place, key: key, expected: expected,
            found: found ?? value(key)?.words ?? "no such key")
    }

    /// What stands under a key; nil where nothing does.
    package func value(_ key: String) -> ConfigurationTree? {
        let found = tree[key.split(separator: ".").map(String.init)]
        return found?.isNull ?? true ? nil : found
    }

    package func text(_ key: String) throws -> String? {
        guard let value = value(key) else { return nil }
        guard case .scalar(let text, _) = value else { throw failure(key, expected: "a text") }
        return text
    }

    package func integer(_ key: String, _ range: ClosedRange<Int>) throws -> Int? {
        guard let text = try text(key) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw failure(
                key, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    package func number(_ key: String, _ range: ClosedRange<Double>) throws -> Double? {
        guard let text = try text(key) else { return nil }
        guard let number = Double(text), range.contains(number) else {
            throw failure(
                key, expected: "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    package func boolean(_ key: String) throws -> Bool? {
        guard let text = try text(key) else { return nil }
        switch text.lowercased() {
        case "true", "yes", "on": return true
        case "false", "no", "off": return false
        default: throw failure(key, expected: "true or false")
        }
    }

    package func texts(_ key: String) throws -> [String]? {
        guard let value = value(key) else { return nil }
        guard case .list(let items) = value else { throw failure(key, expected: "a list") }
        return try items.map {
            guard case .scalar(let text, _) = $0 else {
                throw failure(key, expected: "a list of texts")
            }
            return text
        }
    }

    package func numbers(_ key: String) throws -> [Double]? {
        try texts(key)?.map {
            guard let number = Double($0), number.isFinite else {
                throw failure(key, expected: "a list of numbers")
            }
            return number
        }
    }

    /// A number of batches, or a part of something where it is written with a decimal point.
    package enum Amount: Equatable, Sendable {
        case whole(Int)
        case part(Double)

        /// How many of `count` it comes to, at least 1.
        package func of(_ count: Int) -> Int {
            switch self {
            case .whole(let number): number
            case .part(let part): max(1, Int(part * Double(count)))
            }
        }
    }

    package func amount(_ key: String) throws -> Amount? {
        guard let text = try text(key) else { return nil }
        if let whole = Int(text), whole >= 0 { return .whole(whole) }
        guard let part = Double(text), (0...1).contains(part) else {
            throw failure(key, expected: "a number of batches, or a part from 0.0 to 1.0")
        }
        return .part(part)
    }

    /// One of a few words.
    package func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String, of _: Choice.Type
    ) throws -> Choice? where Choice.RawValue == String {
        guard let text = try text(key) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw failure(
                key, expected: Choice.allCases.map(\.rawValue).joined(separator: " or "))
        }
        return choice
    }
}
