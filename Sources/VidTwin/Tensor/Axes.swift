/// An axis of the tokens `[B, T, S, C]`.
package enum TokenAxis: Sendable {
    case time, space
}

/// Size of a patch: frames, rows, columns.
public struct PatchSize: Hashable, Sendable {
    /// Frames, pixel rows and pixel columns of one patch.
    public let time, height, width: Int

    /// A patch of this size.
    public init(time: Int, height: Int, width: Int) {
        (self.time, self.height, self.width) = (time, height, width)
    }

    /// Pixels of a patch.
    public var pixels: Int { time * height * width }
}
