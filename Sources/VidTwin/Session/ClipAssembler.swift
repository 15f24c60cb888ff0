/// Gathers a stream of elements into clips of one length, which may overlap; the last clip is
/// filled by repeating its last element.
public struct ClipAssembler<Element> {
    /// A full clip.
    public struct Clip {
        /// As many as a clip has.
        public let elements: [Element]
        /// How many of them came from the stream; the rest is filling.
        public let valid: Int
        /// How many of them, from the first on, were in the clip before.
        public let repeated: Int
    }

    /// Elements of a clip.
    public let length: Int
    /// Elements from one clip's start to the next one's.
    public let stride: Int
    private var waiting: [Element] = []
    private var repeated = 0

    /// An empty assembler for clips of `length` elements, at least 1, each `stride` after the one
    /// before (1 to `length`; nil for clips that do not overlap).
    public init(length: Int, stride: Int? = nil) {
        self.length = max(length, 1)
        self.stride = min(max(stride ?? self.length, 1), self.length)
        waiting.reserveCapacity(self.length)
    }

    /// Elements that wait for their clip to be full.
    public var pending: Int { waiting.count }

    /// Takes an element; returns the clip that it completes.
    public mutating func push(_ element: Element) -> Clip? {
        waiting.append(element)
        if waiting.count < length { return nil }
        defer {
            waiting.removeFirst(stride)
            repeated = length - stride
        }
        return Clip(elements: waiting, valid: length, repeated: repeated)
    }

    /// Fills and returns the last clip, if elements wait that were in none.
    public mutating func finish() -> Clip? {
        guard let last = waiting.last, waiting.count > repeated else { return nil }
        defer {
            waiting.removeAll(keepingCapacity: true)
            repeated = 0
        }
        return Clip(
            elements: waiting + Array(repeating: last, count: length - waiting.count),
            valid: waiting.count, repeated: repeated)
    }
}
