/// What is done to training clips so that they differ from epoch to epoch; ours, the reference has none.
package struct Augmentations: OptionSet, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: Int

    package init(rawValue: Int) { self.rawValue = rawValue }

    /// Half of the clips are mirrored, left to right.
    package static let flip = Augmentations(rawValue: 1)
    /// The part of the picture that is cut out lies anywhere, and not in the middle.
    package static let crop = Augmentations(rawValue: 2)

    private static let names: [(String, Augmentations)] = [("flip", .flip), ("crop", .crop)]

    /// Those that a list names, `flip,crop` or `none`; nil where it names others.
    package init?(_ text: String) {
        var found: Augmentations = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            if part == "none", text == part { break }
            guard let one = Augmentations.names.first(where: { $0.0 == part })?.1 else {
                return nil
            }
            found.insert(one)
        }
        self = found
    }

    /// The list that `init` reads.
    package var description: String {
        let named = Augmentations.names.filter { contains($0.1) }.map(\.0)
        return named.isEmpty ? "none" : named.joined(separator: ",")
    }
}
