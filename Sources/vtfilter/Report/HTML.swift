import TensorFiles

/// Markup. What is interpolated is text, of which nothing becomes markup, unless it is markup itself.
package struct HTML: ExpressibleByStringInterpolation, Sendable {
    /// As a browser reads it.
    package private(set) var markup: String

    /// Text that is markup already, as it is.
    package init(markup: String) { self.markup = markup }

    package init(stringLiteral value: String) { markup = value }

    package init(stringInterpolation: StringInterpolation) { markup = stringInterpolation.markup }

    /// Puts literals and values together.
    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var markup = ""

        package init(literalCapacity: Int, interpolationCount: Int) {
            markup.reserveCapacity(literalCapacity)
        }

        package mutating func appendLiteral(_ literal: String) { markup += literal }

        /// Names come from outside: escaped, and visible.
        package mutating func appendInterpolation(_ text: String) {
            for character in text.visible.unicodeScalars {
                switch character {
                case "&": markup += "&amp;"
                case "<": markup += "&lt;"
                case ">": markup += "&gt;"
                case "\"": markup += "&quot;"
                case "'": markup += "&#39;"
                default: markup.unicodeScalars.append(character)
                }
            }
        }

        package mutating func appendInterpolation(_ number: Int) { markup += "\(number)" }

        package mutating func appendInterpolation(_ number: Double) { markup += "\(number)" }

        package mutating func appendInterpolation(_ value: Bool) { markup += "\(value)" }

        package mutating func appendInterpolation(_ html: HTML) { markup += html.markup }
    }

    package static func + (a: HTML, b: HTML) -> HTML { HTML(markup: a.markup + b.markup) }

    package static func += (a: inout HTML, b: HTML) { a.markup += b.markup }
}

extension Sequence<HTML> {
    /// One after the other.
    package func joined(separator: HTML = "") -> HTML {
        HTML(markup: map(\.markup).joined(separator: separator.markup))
    }
}
