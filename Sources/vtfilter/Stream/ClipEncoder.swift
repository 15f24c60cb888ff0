import LatentIO
import VidTwin
import VideoIO

/// Clips of a video to samples of latents.
struct ClipEncoder {
    /// What the samples are to hold.
    struct Options {
        var part = Part.all
        var layout = LatentLayout.vidtwin
        /// Log-variances too.
        var withLogVariance = false
        /// Sampled latents; nil takes the mean.
        var seed: UInt64?
        /// Frames from one clip to the next.
        var stride = 1
        /// Frames of the video that were left out before the first.
        var skip = 0
        var fit = Fit.crop
        /// The video's path below the folder of its set.
        var source: String?

        /// What changes the samples, as text.
        var text: String {
            "\(part.rawValue) \(layout.rawValue)\(withLogVariance ? " logvar" : "") "
                + "\(seed.map { "seed \($0)" } ?? "mean"), stride \(stride), \(fit.rawValue)"
        }
    }

    private let model: VidTwinModel
    private let identity: ModelIdentity
    private let video: VideoStreamInfo
    private let name: SampleName
    private let options: Options
    private var generator: TorchGenerator?
    private var index = 0

    init(
        _ model: VidTwinModel, _ identity: ModelIdentity, _ video: VideoStreamInfo,
        _ name: SampleName, _ options: Options
    ) {
        (self.model, self.identity, self.video) = (model, identity, video)
        (self.name, self.options) = (name, options)
        generator = options.seed.map { TorchGenerator(seed: $0) }
    }

    /// The sample of the next clip.
    ///
    /// - Throws: `ModelError.nonFinite` where the latents are worthless.
    mutating func sample(_ clip: ClipAssembler<RGBFrame>.Clip) throws -> LatentSample {
        let (part, layout) = (options.part, options.layout)
        let moments = try model.moments(model.clip(clip.elements.map(\.picture)))
        var arrays = moments.latents(sampling: &generator).arrays(part, layout)
        if options.withLogVariance {
            arrays.merge(moments.logVariance.arrays(part, layout, suffix: "_logvar")) { $1 }
        }
        defer { index += 1 }
        return LatentSample(
            key: name.key(clip: index), info: info(Array(clip.elements.prefix(clip.valid))),
            arrays: arrays)
    }

    /// What is known of the frames of the clip.
    private func info(_ frames: [RGBFrame]) -> LatentInfo {
        var info = LatentInfo(
            firstFrame: index * options.stride + options.skip, validFrames: frames.count,
            stride: options.stride, rate: video.frameRate.map { "\($0)" },
            timeBase: "\(video.timeBase)", pts: frames.map(\.pts),
            lastDuration: frames.last?.duration ?? 0, width: video.size.width,
            height: video.size.height, pixelFormat: video.pixelFormat,
            colorSpace: video.colors.space, colorRange: video.colors.range,
            sampleAspect: "\(video.sampleAspect)", fit: options.fit.rawValue,
            configSHA256: identity.configSHA256, checkpointSHA256: identity.checkpointSHA256,
            latents: options.seed == nil ? "mean" : "sample", seed: options.seed,
            layout: options.layout.tag, vtfilter: VTFilter.version)
        let marks = video.marks
        (info.chromaLocation, info.colorPrimaries) = (marks.chromaLocation, marks.primaries)
        (info.colorTransfer, info.masteringDisplay) = (marks.transfer, marks.masteringDisplay)
        info.contentLight = marks.contentLight
        info.source = options.source
        return info
    }
}
