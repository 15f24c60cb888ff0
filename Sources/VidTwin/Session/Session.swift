/// One stream of frames through a model: as many frames come out as went in, a clip at a time.
///
/// One thread at a time; any number of sessions may share a model.
public final class Session {
    /// How a stream is reconstructed.
    public struct Options: Sendable {
        /// Which latents the decoder gets.
        public var part = Part.all
        /// The seed of sampled latents; nil takes the mean.
        public var samplingSeed: UInt64?

        /// Mean latents, both parts.
        public init() {}
    }

    /// The model.
    public let model: VidTwinModel
    private let options: Options
    private var clips: ClipAssembler<Picture>
    private var generator: TorchGenerator?

    /// A session at the start of a stream.
    public init(model: VidTwinModel, options: Options = Options()) {
        self.model = model
        self.options = options
        clips = ClipAssembler(length: model.configuration.frames)
        generator = options.samplingSeed.map { TorchGenerator(seed: $0) }
    }

    /// Takes the next frame of the stream and returns the frames that are ready: none, or a clip.
    ///
    /// - Throws: `ModelError.shape` for a frame of another size than the model's,
    ///   `ModelError.nonFinite` when the model's result is no picture.
    public func push(_ picture: Picture) throws -> [Picture] {
        try model.check(picture)
        return try clips.push(picture).map(reconstruct) ?? []
    }

    /// Ends the stream: returns the frames of the last clip, without its filling.
    public func finish() throws -> [Picture] { try clips.finish().map(reconstruct) ?? [] }

    private func reconstruct(_ clip: ClipAssembler<Picture>.Clip) throws -> [Picture] {
        let moments = try model.moments(model.clip(clip.elements))
        let latents = moments.latents(sampling: &generator)
        return try model.pictures(
            try model.decode(latents, part: options.part), count: clip.valid,
            depths: clip.elements.map(\.depth))
    }
}
