package import TensorFiles

/// Writes samples as a ustar stream in WebDataset layout; each is complete before the next begins.
public final class LatentWriter {
    private let tar: TarWriter
    private let type: LatentType

    /// Writes to an open descriptor, which stays the caller's; `place` names it in messages.
    public init(descriptor: Int32, place: String, type: LatentType) {
        tar = TarWriter(Descriptor(descriptor, place: place))
        self.type = type
    }

    /// Writes to an open descriptor.
    package init(_ output: Descriptor, type: LatentType) {
        (tar, self.type) = (TarWriter(output), type)
    }

    /// Writes a sample.
    ///
    /// - Throws: `LatentError`.
    public func write(_ sample: LatentSample) throws { try tar.write(try sample.members(type)) }

    /// Ends the archive.
    ///
    /// - Throws: `LatentError`.
    public func finish() throws { try tar.finish() }
}
