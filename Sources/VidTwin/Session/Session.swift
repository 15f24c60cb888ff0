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
    /// The last frames of the clip before, not limited, and their depths: the next clip's first.
    private var held: (values: [Float], depths: [Picture.Depth]) = ([], [])

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
        if let clip = clips.finish() { return try reconstruct(clip, isLast: true) }
        if held.depths.isEmpty { return [] }
        let c = model.configuration
        let (height, width) = (options.tiling?.height ?? c.height, options.tiling?.width ?? c.width)
        let rest = Tensor(
            [1, held.depths.count, height, width, 3], held.values, on: model.device)
        defer { held = ([], []) }
        return try model.pictures(rest, count: held.depths.count, depths: held.depths)
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
        let depths = clip.elements.map(\.depth)
        if options.overlap == 0 {
            return try model.pictures(decoded, count: clip.valid, depths: depths)
        }
        fadeIn(decoded)
        let ready = isLast ? clip.valid : clip.valid - options.overlap
        let frame = decoded.count / decoded.dim(1)
        held =
            isLast
            ? ([], [])
            : (
                Array(decoded.values[ready * frame..<clip.valid * frame]),
                Array(depths[ready..<clip.valid])
            )
        return try model.pictures(decoded, count: ready, depths: depths)
    }

    /// A clip of the model's size through the model: `[1, T, height, width, 3]`, not limited.
    private func decoded(of pictures: [Picture]) throws -> Tensor {
        let moments = try model.moments(model.clip(pictures))
        return try model.decode(moments.latents(sampling: &generator), part: options.part)
    }

    /// The frames that were held back fade into the first ones of a clip.
    private func fadeIn(_ decoded: Tensor) {
        let (count, frame) = (held.depths.count, decoded.count / decoded.dim(1))
        decoded.withPointer { values in
            for t in 0..<count {
                let weight = Float(t + 1) / Float(count + 1)
                for i in t * frame..<(t + 1) * frame {
                    values[i] = held.values[i] + weight * (values[i] - held.values[i])
                }
            }
        }
    }
}
