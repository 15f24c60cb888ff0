public import ArgumentParser
import Glibc
public import LatentIO
import TensorFiles
import VidTwin
import VideoIO

extension LatentType: ExpressibleByArgument {}
extension LatentLayout: ExpressibleByArgument {}

/// `vtfilter encode`
struct Encode: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Encode a stream to latents: a tar stream, one sample a clip.",
        discussion: """
            vtfilter encode -i in.mp4 > latents.tar; vtfilter decode < latents.tar > out.y4m

            The stream is a ustar archive in WebDataset layout: KEY.structure.npy, \
            KEY.dynamics_x.npy, KEY.dynamics_y.npy and KEY.json for each clip. With -o \
            NAME.safetensors it is one file, its arrays with the clips as first axis.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Streams") var streams: StreamOptions

    @Option(help: "Which latents are written: all, structure or dynamics.")
    var part: Part = .all

    @Flag(help: "Sample the latents; their mean otherwise.")
    var sample = false

    @Option(help: ArgumentHelp("Seed of the sampling.", valueName: "n"))
    var seed: UInt64?

    @Option(help: "Numbers of 16 or 32 bits: f16, f32.")
    var latentDtype: LatentType = .f32

    @Flag(help: "Write log-variances too.")
    var withLogvar = false

    @Option(help: "vidtwin, or cowvla: one dynamics vector a clip.")
    var layout: LatentLayout = .vidtwin

    @Option(
        help: ArgumentHelp(
            "Frames from one clip to the next (default: a clip); clips that share frames fade into "
                + "each other when they are decoded.", valueName: "n"))
    var stride: Int?

    @Option(help: ArgumentHelp("Name of the samples (default: the input's).", valueName: "name"))
    var name: String?

    func validate() throws {
        if seed != nil && !sample { throw ValidationError("--seed goes with --sample") }
        if let stride, stride < 1 {
            throw ValidationError("--stride \(stride): expected 1 or more")
        }
        if streams.fit == .tile {
            throw ValidationError("--fit tile: latents are of one tile; use crop, pad or stretch")
        }
        if streams.file.codec != nil || streams.file.crf != nil {
            throw ValidationError("encode writes latents: --vcodec and --crf are for frames")
        }
        if streams.outputFormat != nil || streams.outputPixelFormat != nil {
            throw ValidationError(
                "encode writes latents: --output-format and --output-pix-fmt are "
                    + "for frames")
        }
    }

    func run() throws {
        streams.words.configureLog()
        let interruption = Interruption()
        let opened = try model.open()
        let loaded = try model.load(opened)
        let c = loaded.configuration
        let step = stride ?? c.frames
        if step > c.frames {
            throw VideoIOError.usage(
                "--stride \(step): expected 1 to \(c.frames), or frames would be lost")
        }
        try layout.check(c)
        let identity = ModelIdentity(opened)
        let reader = try streams.openInput(
            PictureSize(width: c.width, height: c.height), interruption.reading)
        let output = try NewFile.latents(
            streams.output, overwrite: streams.file.overwrite,
            inputs: [streams.input] + opened.files.paths, interruption.reading)
        let isArchive = streams.output.hasSuffix(".safetensors")
        let stream = LatentWriter(try output.open(), type: latentDtype)
        let archive = try LatentArchiveWriter(output, type: latentDtype)
        let progress = try Progress(
            streams.progress, quiet: streams.words.quiet,
            total: streams.expectedFrames(reader.stream),
            inputs: [streams.input] + opened.files.paths)

        let video = reader.stream.resampled(to: streams.sampleRate)
        let sampleName =
            name.map { SampleName(chosen: $0) } ?? SampleName(ofVideo: streams.input)
        let reading = try BackgroundReader(
            reader, rate: streams.sampleRate, gap: streams.description.gap.maximum,
            capacity: 2 * c.frames)
        var clips = ClipAssembler<RGBFrame>(length: c.frames, stride: step)
        var generator = sample ? TorchGenerator(seed: seed ?? 0) : nil
        var index = 0
        func write(_ clip: ClipAssembler<RGBFrame>.Clip) throws {
            let moments = try loaded.moments(loaded.clip(clip.elements.map(\.picture)))
            let latents = moments.latents(sampling: &generator)
            try latents.checkFinite()
            var arrays = latents.arrays(part, layout)
            if withLogvar {
                arrays.merge(moments.logVariance.arrays(part, layout, suffix: "_logvar")) { $1 }
            }
            let info = LatentInfo(
                video, frames: Array(clip.elements.prefix(clip.valid)),
                first: index * step + streams.skip, stride: step, fit: streams.fit, identity,
                seed: sample ? seed ?? 0 : nil, layout)
            let sample = LatentSample(key: sampleName.key(clip: index), info: info, arrays: arrays)
            if isArchive { try archive.write(sample) } else { try stream.write(sample) }
            progress.wrote(clip.valid - clip.repeated)
            index += 1
        }
        do {
            while let frame = reading.queue.pop()?.frame {
                if let clip = clips.push(frame) { try write(clip) }
                if interruption.signal != nil { break }
            }
            if interruption.signal == nil, let clip = clips.finish() { try write(clip) }
            if isArchive { try archive.finish() } else { try stream.finish() }
        } catch {
            interruption.reading.cancel()
            reading.close()
            progress.end()
            output.abandon()
            throw error
        }
        reading.close()
        progress.end()
        let isEmptyFile = index == 0 && output.isSeekable
        if isEmptyFile { output.abandon() } else { try output.finish() }
        if let signal = interruption.signal { throw Interrupted(signal: signal) }
        if let fault = reading.fault ?? reader.emptiness { throw fault }
        if isEmptyFile {
            throw VideoIOError.badInput(url: streams.output, problem: VideoWriter.nothing)
        }
        if index == 0 { Log.warning("no frames came: the output has no samples") }
    }
}

extension Latents {
    /// - Throws: `ModelError.nonFinite` where the latents are worthless.
    func checkFinite() throws {
        for tensor in [structure, dynamicsX, dynamicsY] {
            let bad = tensor.values.count { !$0.isFinite }
            if bad > 0 { throw ModelError.nonFinite(what: "latents", count: bad, of: tensor.count) }
        }
    }
}

extension LatentInfo {
    /// What is known of the frames of a clip.
    init(
        _ stream: VideoStreamInfo, frames: [RGBFrame], first: Int, stride: Int, fit: Fit,
        _ identity: ModelIdentity, seed: UInt64?, _ layout: LatentLayout
    ) {
        self.init(
            firstFrame: first, validFrames: frames.count, stride: stride,
            rate: stream.frameRate.map { "\($0)" }, timeBase: "\(stream.timeBase)",
            pts: frames.map(\.pts), lastDuration: frames.last?.duration ?? 0,
            width: stream.size.width, height: stream.size.height,
            pixelFormat: stream.pixelFormat, colorSpace: stream.colors.space,
            colorRange: stream.colors.range, sampleAspect: "\(stream.sampleAspect)",
            fit: fit.rawValue, configSHA256: identity.configSHA256,
            checkpointSHA256: identity.checkpointSHA256, latents: seed == nil ? "mean" : "sample",
            seed: seed, layout: layout.tag, vtfilter: VTFilter.version)
        let marks = stream.marks
        (chromaLocation, colorPrimaries) = (marks.chromaLocation, marks.primaries)
        (colorTransfer, masteringDisplay) = (marks.transfer, marks.masteringDisplay)
        contentLight = marks.contentLight
    }
}
