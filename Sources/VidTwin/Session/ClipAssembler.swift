/// Gathers a stream of elements into clips of one length; the last clip is filled by repeating
/// its last element.
public struct ClipAssembler<Element> {
    /// A full clip.
    public struct Clip {
        /// As many as a clip has.
        public let elements: [Element]
        /// How many of them came from the stream; the rest is filling.
        public let valid: Int
    }

    /// Elements of a clip.
    public let length: Int
    private var waiting: [Element] = []

    /// An empty assembler for clips of `length` elements, at least 1.
    public init(length: Int) {
        self.length = max(length, 1)
        waiting.reserveCapacity(self.length)
    }

    /// Elements that wait for their clip to be full.
    public var pending: Int { waiting.count }

    /// Takes an element; returns the clip that it completes.
    public mutating func push(_ element: Element) -> Clip? {
        waiting.append(element)
        if waiting.count < length { return nil }
        defer { waiting.removeAll(keepingCapacity: true) }
        return Clip(elements: waiting, valid: length)
    }

    /// Fills and returns the last clip, if elements wait.
    public mutating func finish() -> Clip? {
        guard let last = waiting.last else { return nil }
        defer { waiting.removeAll(keepingCapacity: true) }
        return Clip(
            elements: waiting + Array(repeating: last, count: length - waiting.count),
            valid: waiting.count)
    }
}
