/// One of the equal parts of a set: `i/n`, counted from 1.
package struct Shard: OptionValue, Equatable, CustomStringConvertible {
    package static var expected: String { "i/n with i from 1 to n" }

    /// Which part, from 1 on.
    package let index: Int
    /// How many parts.
    package let count: Int

    package init?(option text: String) {
        let numbers = text.split(separator: "/", omittingEmptySubsequences: false)
        guard numbers.count == 2, let index = Int(numbers[0]), let count = Int(numbers[1]),
            (1...1_000_000).contains(count), (1...count).contains(index)
        else { return nil }
        (self.index, self.count) = (index, count)
        if description != text { return nil }
    }

    /// `i/n`
    package var description: String { "\(index)/\(count)" }
}
