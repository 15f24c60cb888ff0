import VidTwin

/// Regular expressions that are matched at the start of a weight's name, as Python's `re.match`.
package struct NamePatterns {
    private let patterns: [(text: String, regex: Regex<AnyRegexOutput>)]

    /// - Throws: `ModelError.configuration` with the key and the pattern that is none.
    package init(_ texts: [String], file: String, key: String) throws {
        patterns = try texts.map { text in
            do {
                return (text, try Regex(text))
            } catch {
                throw ModelError.configuration(
                    path: file, key: key, expected: "a regular expression", found: "\"\(text)\"")
            }
        }
    }

    /// The number of the first pattern that a name matches.
    package func match(_ name: String) -> Int? {
        patterns.firstIndex { (try? $0.regex.prefixMatch(in: name)) != nil }
    }

    /// The patterns that none of the names match.
    package func unmatched(_ names: [String]) -> [String] {
        patterns.indices.filter { i in
            !names.contains { (try? patterns[i].regex.prefixMatch(in: $0)) != nil }
        }.map { patterns[$0].text }
    }
}
