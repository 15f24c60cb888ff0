/// A JSON array of `LatentInfo`, read one at a time: what each takes in memory while it is read is
/// bounded, however many there are.
public struct LatentInfoList: Sendable {
    private let json: [UInt8]
    private let elements: [Range<Int>]
    private let place: String

    /// Finds the elements of an array.
    ///
    /// - Throws: `LatentError.malformed` where it is none.
    public init(_ json: String, place: String) throws(LatentError) {
        (self.json, self.place) = (Array(json.utf8), place)
        elements = try LatentInfoList.elements(self.json, place)
    }

    /// Number of clips.
    public var count: Int { elements.count }

    /// What is known of a clip.
    ///
    /// - Throws: `LatentError.malformed`.
    public func info(_ index: Int) throws(LatentError) -> LatentInfo {
        let (range, place) = (elements[index], "\(place): clip \(index)")
        guard range.count <= LatentInfo.maximumBytes else {
            throw .malformed(
                place: place, expected: "at most \(LatentInfo.maximumBytes) bytes of JSON",
                found: "\(range.count)")
        }
        let info = try LatentInfo.decode(LatentInfo.self, Array(json[range]), place)
        try info.check(place)
        return info
    }

    /// Where the objects of an array of objects are; what is in them is looked at later.
    private static func elements(
        _ json: [UInt8], _ place: String
    ) throws(LatentError) -> [Range<Int>] {
        var (elements, start, depth): ([Range<Int>], Int, Int) = ([], 0, 0)
        var (isText, isEscaped) = (false, false)
        for (at, byte) in json.enumerated() {
            if isText {
                if !isEscaped && byte == UInt8(ascii: "\"") { isText = false }
                isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isText = true
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                if depth == 2 { start = at }
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
                if depth == 1 { elements.append(start..<at + 1) }
            default: break
            }
        }
        guard json.first == UInt8(ascii: "["), depth == 0, !isText else {
            throw .malformed(place: place, expected: "a JSON array of clips", found: "another text")
        }
        return elements
    }
}
