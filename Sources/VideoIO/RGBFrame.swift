/// Bits of a sample.
public enum SampleDepth: Sendable {
    /// `rgb24`
    case eight
    /// `rgb48` in this machine's byte order
    case sixteen

    /// Bytes of a sample.
    public var byteCount: Int { self == .eight ? 1 : 2 }
}

/// One picture in packed RGB: rows without gaps, R, G and B side by side.
public struct RGBFrame: Sendable {
    /// Pixels of a row.
    public let width: Int
    /// Rows.
    public let height: Int
    /// Bits of a sample.
    public let depth: SampleDepth
    /// `height · width · 3` samples.
    public var bytes: [UInt8]
    /// When it is shown, in the time base of its stream.
    public let pts: Int64
    /// How long, in the time base of its stream; 0 where unknown.
    public let duration: Int64

    /// A frame of these samples.
    public init(
        width: Int, height: Int, depth: SampleDepth, bytes: [UInt8], pts: Int64, duration: Int64
    ) {
        (self.width, self.height, self.depth) = (width, height, depth)
        (self.bytes, self.pts, self.duration) = (bytes, pts, duration)
    }

    /// The frame with another duration.
    func shown(for duration: Int64) -> RGBFrame {
        RGBFrame(
            width: width, height: height, depth: depth, bytes: bytes, pts: pts, duration: duration)
    }
}
