/// One of the equal parts of a set: `i/n`, counted from 1.
package struct Shard: OptionValue, Equatable, CustomStringConvertible {
    package static var expected: String { "i/n with i from 1 to n" }

    /// Which part, from 1 on.
    package let index: Int
    /// How many parts.
    package let count: Int

    /// The first part that is lacking beside others.
    package static func missing(of parts: [Shard]) -> Shard? {
        for count in Set(parts.map(\.count)).sorted() {
            for index in 1...count where !parts.contains(Shard(index: index, count: count)) {
                return Shard(index: index, count: count)
            }
        }
        return nil
    }

    /// All of it.
    package static let whole = Shard(index: 1, count: 1)

    private init(index: Int, count: Int) { (self.index, self.count) = (index, count) }

    package init?(option text: String) {
        let numbers = text.split(separator: "/", omittingEmptySubsequences: false)
        guard numbers.count == 2, let index = Int(numbers[0]), let count = Int(numbers[1]),
            (1...1_000_000).contains(count), (1...count).contains(index)
        else { return nil }
        (self.index, self.count) = (index, count)
        if description != text { return nil }
    }

    /// What falls to it: every n-th, so that neighbours, which are often alike, go to different ones.
    package func part<Element>(of all: [Element]) -> [Element] {
        all.indices.filter { $0 % count == index - 1 }.map { all[$0] }
    }

    /// How many parts there are, in words.
    var division: String { count == 1 ? "one part" : "\(count) parts" }

    /// `i-of-n`, as it stands in the names of files.
    var fileName: String { "\(index)-of-\(count)" }

    /// A part as it stands in the name of a file.
    init?(fileName text: some StringProtocol) {
        let numbers = text.split(separator: "-of-", omittingEmptySubsequences: false)
        guard numbers.count == 2 else { return nil }
        self.init(option: "\(numbers[0])/\(numbers[1])")
    }

    /// `i/n`
    package var description: String { "\(index)/\(count)" }
}
