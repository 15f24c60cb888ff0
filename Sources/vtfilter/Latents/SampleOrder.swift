import LatentIO

extension LatentSample {
    /// The key without the number of the clip.
    var video: String { numberMark.map { String(key[..<$0]) } ?? key }

    /// The number of the clip in its video, where the key has one.
    var number: Int? { numberMark.flatMap { Int(key[key.index(after: $0)...]) } }

    private var numberMark: String.Index? {
        guard let mark = key.lastIndex(where: { $0 == "_" || $0 == "+" }),
            case let digits = key[key.index(after: mark)...],
            !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber })
        else { return nil }
        return mark
    }

    /// The same for the same arrays, in this process.
    var fingerprint: Int {
        var hasher = Hasher()
        for (name, array) in arrays.sorted(by: { $0.key < $1.key }) {
            hasher.combine(name)
            hasher.combine(array.shape)
            array.values.withUnsafeBytes { hasher.combine(bytes: $0) }
        }
        return hasher.finalize()
    }

    /// Memory that the arrays take.
    var byteCount: Int { arrays.values.reduce(1024) { $0 + 4 * $1.values.count } }
}
