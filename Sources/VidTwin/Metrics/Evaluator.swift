/// Scores frames against each other, and a model's reconstructions against its input.
public final class Evaluator: Sendable {
    private let device: Device
    private let lpips: LPIPS?

    /// An evaluator on a device; without `lpips`, LPIPS is left out.
    public init(device: Device, lpips: LPIPS?) {
        self.device = device
        self.lpips = lpips
    }

    /// The metrics of each pair of frames.
    ///
    /// - Throws: `MetricError` for frames that differ in size or are too small.
    public func scores(_ reference: [MetricFrame], _ distorted: [MetricFrame]) throws
        -> [FrameScore]
    {
        let results = Results(count: reference.count)
        device.parallel(reference.count) { i, _ in
            results[i] = Result {
                (try psnr(reference[i], distorted[i]), try ssim(reference[i], distorted[i]))
            }
        }
        return try reference.indices.map { i in
            let (psnr, ssim) = try results[i].get()
            return FrameScore(
                psnr: psnr, ssim: ssim, lpips: try lpips.map { try $0(reference[i], distorted[i]) })
        }
    }

    /// One slot a task.
    private final class Results: @unchecked Sendable {
        private var slots: UnsafeMutablePointer<Result<(Double, Double), any Error>>
        private let count: Int

        init(count: Int) {
            self.count = count
            slots = .allocate(capacity: count)
            slots.initialize(repeating: .success((0, 0)), count: count)
        }

        deinit {
            slots.deinitialize(count: count)
            slots.deallocate()
        }

        subscript(i: Int) -> Result<(Double, Double), any Error> {
            get { slots[i] }
            set { slots[i] = newValue }
        }
    }
}

extension MetricFrame {
    /// A picture's samples as 0…1.
    public init(_ picture: Picture) {
        var values = [Float](repeating: 0, count: picture.width * picture.height * 3)
        values.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            picture.write(to: base)
            for i in buffer.indices { base[i] = (base[i] + 1) / 2 }
        }
        self.init(height: picture.height, width: picture.width, values: values)
    }
}

extension VidTwinModel {
    /// Encodes and decodes the frames of one clip, filled by its last frame where there are fewer.
    ///
    /// - Returns: as many frames as given, limited to 0…1 and not rounded, as the published
    ///   evaluation takes them.
    /// - Throws: `ModelError.shape` for other sizes or counts, `.nonFinite` for a worthless result.
    public func reconstruction(
        _ pictures: [Picture], sampling generator: inout TorchGenerator?
    ) throws -> [MetricFrame] {
        guard let last = pictures.last, pictures.count <= configuration.frames else {
            throw ModelError.shape(
                what: "frames of a clip", expected: [configuration.frames], found: [pictures.count])
        }
        for picture in pictures {
            try picture.check(width: configuration.width, height: configuration.height)
        }
        let filling = Array(repeating: last, count: configuration.frames - pictures.count)
        let moments = try moments(clip(pictures + filling))
        let latents = moments.latents(sampling: &generator)
        let values = try decoded(latents).values
        let frame = values.count / configuration.frames
        return pictures.indices.map { t in
            MetricFrame(
                height: configuration.height, width: configuration.width,
                values: values[t * frame..<(t + 1) * frame].map { (min(max($0, -1), 1) + 1) / 2 })
        }
    }
}
