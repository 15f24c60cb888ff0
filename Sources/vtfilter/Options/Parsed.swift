import ArgumentParser

/// What the text of an option means.
package protocol OptionValue: Sendable {
    /// What is expected where a text means nothing: `a size such as 224x224`.
    static var expected: String { get }

    /// The meaning of a text.
    init?(option text: String)
}

/// What an option was given: its meaning, found once. What means nothing is said by `check`, which
/// knows how the option is called.
package struct Parsed<Value: OptionValue>: ExpressibleByArgument, Sendable {
    /// The meaning; there is one after `check`.
    package let value: Value?
    private let text: String

    package init(argument text: String) {
        (self.text, value) = (text, Value(option: text))
    }

    /// Refuses what means nothing as the value of an option.
    ///
    /// - Throws: `ValidationError`.
    package func check(_ option: String) throws {
        if value == nil {
            throw ValidationError("\(option) \(text): expected \(Value.expected)")
        }
    }
}
