/// One stream of frames through a model: as many frames come out as went in, a clip at a time.
///
/// One thread at a time; any number of sessions may share a model.
public final class Session {
    /// How a stream is reconstructed.
    public struct Options: Sendable {
        /// Which latents the decoder gets.
        public var part = Part.all
        /// Frames that clips share, 0 to one less than a clip has: there the end of one clip fades
        /// into the beginning of the next.
        public var overlap = 0
        /// How pictures of another size than the model's are covered by tiles; nil takes pictures of
        /// the model's size.
        public var tiling: Tiling?
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
    private var fade = CrossFade()
    /// The number of the next clip's first frame.
    private var first = 0
    /// Depths of the frames that were taken and not returned.
    private var depths: [Picture.Depth] = []

    /// A session at the start of a stream.
    public init(model: VidTwinModel, options: Options = Options()) {
        self.model = model
        self.options = options
        let frames = model.configuration.frames
        clips = ClipAssembler(length: frames, stride: frames - options.overlap)
        generator = options.samplingSeed.map { TorchGenerator(seed: $0) }
    }

    /// Takes the next frame of the stream and returns the frames that are ready: none, or a clip.
    ///
    /// - Throws: `ModelError.shape` for a frame of another size than the model's,
    ///   `ModelError.nonFinite` when the model's result is no picture.
    public func push(_ picture: Picture) throws -> [Picture] {
        let c = model.configuration
        try picture.check(
            width: options.tiling?.width ?? c.width, height: options.tiling?.height ?? c.height)
        return try clips.push(picture).map { try reconstruct($0, isLast: false) } ?? []
    }

    /// Ends the stream: returns the frames of the last clip, without its filling.
    public func finish() throws -> [Picture] {
        defer { (fade, first, depths) = (CrossFade(), 0, []) }
        if let clip = clips.finish() { return try reconstruct(clip, isLast: true) }
        return pictures(fade.finish())
    }

    private func reconstruct(
        _ clip: ClipAssembler<Picture>.Clip, isLast: Bool
    ) throws -> [Picture] {
        let decoded: Tensor
        if let tiling = options.tiling {
            decoded = try tiling.map(clip.elements, on: model.device, decoded(of:))
        } else {
            decoded = try self.decoded(of: clip.elements)
        }
        depths += clip.elements[clip.repeated..<clip.valid].map(\.depth)
        defer { first += clips.stride }
        return pictures(
            fade.take(
                decoded, first: first, valid: clip.valid,
                stride: isLast ? clip.valid : clips.stride))
    }

    private func pictures(_ runs: [CrossFade.Run]) -> [Picture] {
        runs.flatMap { run in
            defer { depths.removeFirst(run.frames.count) }
            return run.pictures(depths: Array(depths.prefix(run.frames.count)))
        }
    }

    /// A clip of the model's size through the model: `[1, T, height, width, 3]`, not limited.
    private func decoded(of pictures: [Picture]) throws -> Tensor {
        let moments = try model.moments(model.clip(pictures))
        return try model.decoded(moments.latents(sampling: &generator), part: options.part)
    }
}
