public import ArgumentParser
public import LatentIO
import VidTwin
import VideoIO

extension LatentType: ExpressibleByArgument {}
extension LatentLayout: ExpressibleByArgument {}

/// `vtfilter encode`
struct Encode: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Encode a stream to latents: a tar stream, one sample a clip.",
        discussion: """
            The stream is a ustar archive in WebDataset layout: KEY.structure.npy, \
            KEY.dynamics_x.npy, KEY.dynamics_y.npy and KEY.json for each clip. With -o \
            NAME.safetensors it is one file, its arrays with the clips as first axis.

            With --data-dir every video under a folder is encoded, in one process: shards of whole videos, \
            stats.json with mean and deviation of each channel, and failed.csv. Keys are made of the \
            paths, so that they are unique and stay when videos come or go. Videos in .tar, .tar.gz and .tgz \
            files of WebDataset's layout are taken too. With --shard i/n, n processes share the work, each \
            with files or tars of its own, and --merge puts stats.json and failed.csv together.

            Examples:
              vtfilter encode -i in.mp4 > latents.tar
              vtfilter encode -i in.mp4 -o latents.safetensors
              ffmpeg -i in.mp4 -f nut -c:v rawvideo - | vtfilter encode -o latents.tar
              vtfilter encode --data-dir videos -o 'latents/shard-%06d.tar' --shard-size 1000
              mpirun -n 4 vtfilter encode --data-dir videos -o latents/ --shard auto
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Streams") var streams: StreamOptions
    @OptionGroup(title: "Sets of videos") var set: EncodedSetOptions

    @Option(help: "Which latents are written: all, structure or dynamics.")
    var part: Part = .all

    @OptionGroup var sampling: SamplingOptions

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
        if set.isSet { try validateSet() }
    }

    /// What samples are to hold, for a model.
    func encoding(_ c: Configuration) throws -> ClipEncoder.Options {
        let step = stride ?? c.frames
        if step > c.frames {
            throw UsageError(
                "--stride \(step): expected 1 to \(c.frames), or frames would be lost")
        }
        try layout.check(c)
        var options = ClipEncoder.Options()
        (options.part, options.layout, options.withLogVariance) = (part, layout, withLogvar)
        options.seed = sampling.samplingSeed
        (options.stride, options.skip, options.fit) = (step, streams.skip, streams.fit)
        return options
    }

    func run() throws {
        streams.words.configureLog()
        if set.isSet { return try runSet() }
        let interruption = Interruption()
        let opened = try model.open()
        let loaded = try model.load(opened)
        let c = loaded.configuration
        let options = try encoding(c)
        let inputs = [streams.input] + opened.files.paths
        let reader = try streams.openInput(
            PictureSize(width: c.width, height: c.height), interruption.reading)
        let output = try LatentOutput(
            streams.output, type: latentDtype, overwrite: streams.file.overwrite, inputs: inputs,
            interruption.reading)
        let progress = try streams.progress.start(
            streams.words, total: streams.expectedFrames(reader.stream), inputs: inputs)
        let reading = BackgroundReader(
            reader, rate: streams.sampleRate, gap: streams.description.gap.maximum,
            capacity: 2 * c.frames)
        var encoder = ClipEncoder(
            loaded, ModelIdentity(opened), reader.stream.resampled(to: streams.sampleRate),
            name.map { SampleName(chosen: $0) } ?? SampleName(ofVideo: streams.input), options)
        var clips = ClipAssembler<RGBFrame>(length: c.frames, stride: options.stride)
        let job = StreamJob(interruption: interruption, progress: progress, ahead: 2)
        try job.run(reading: reading, writing: output) { send in
            func encode(_ clip: ClipAssembler<RGBFrame>.Clip) throws {
                try send((try encoder.sample(clip), clip.valid - clip.repeated))
            }
            while let frame = reading.queue.pop()?.frame {
                if let clip = clips.push(frame) { try encode(clip) }
                if interruption.signal != nil { return nil }
            }
            if interruption.signal != nil { return nil }
            if let clip = clips.finish() { try encode(clip) }
            return reading.fault
        }
    }
}
