import ArgumentParser
import Glibc
import TensorFiles
import VidTwin
import VideoIO

/// `vtfilter evaluate`
struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "PSNR, SSIM and LPIPS of reconstructions, or between any two videos.",
        discussion: """
            Videos are sampled by time at 25 frames a second (--sample-fps), scaled and cropped to \
            the model's size, and compared with their reconstruction frame by frame. Filled frames \
            of a last clip are not scored. FVD is not computed. A video that cannot be read is reported and skipped, and \
            the exit status is 3.

            Examples:
              vtfilter evaluate --data-dir videos --json result.json --report result.html
              vtfilter evaluate --reference a.mp4 --distorted b.mp4
            """)

    @Argument(help: "Videos.")
    var videos: [String] = []

    @OptionGroup var set: VideoSetOptions

    @Option(help: ArgumentHelp("A video to compare with --distorted; no model.", valueName: "file"))
    var reference: String?

    @Option(help: ArgumentHelp("The video to score against --reference.", valueName: "file"))
    var distorted: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Put the JSON files of shards together; no videos.", valueName: "json"))
    var merge: [String] = []

    @Option(
        name: .customLong("sample-fps"),
        help: ArgumentHelp(
            "Frames a second, or source for every frame (25; source with --reference).",
            valueName: "rate"))
    var sampleFPS: Parsed<EvaluatedFrames>?

    @OptionGroup var gap: GapOptions

    @Flag(help: "Make whole frames of interlaced ones, which have two fields.")
    var deinterlace = false

    @Option(help: "How frames are brought to the model's size; this version has crop.")
    var fit: Fit = .crop

    @Option(help: ArgumentHelp("Frames of each video at most.", valueName: "n"))
    var frames: Int?

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Words") var words: WordOptions

    @OptionGroup var sampling: SamplingOptions
    @OptionGroup var lpips: LPIPSOptions

    @Option(
        help: ArgumentHelp("Write everything as JSON; - for standard output.", valueName: "file"))
    var json: String?

    @Option(help: ArgumentHelp("Write a line a frame; - for standard output.", valueName: "file"))
    var csv: String?

    @Option(help: ArgumentHelp("Write a page to look at.", valueName: "file"))
    var report: String?

    @Option(help: ArgumentHelp("Only part i of n, from 1 on, of the videos.", valueName: "i/n"))
    var shard: Parsed<Shard>?

    @Flag(
        help: "Stop at the first video that cannot be read; two videos must have the same length.")
    var strict = false

    @Flag(name: [.customShort("y"), .customLong("overwrite")], help: "Replace existing reports.")
    var overwrite = false

    private var isComparison: Bool { reference != nil || distorted != nil }

    func validate() throws {
        if (reference == nil) != (distorted == nil) {
            throw ValidationError("--reference and --distorted go together")
        }
        if reference == "-" && distorted == "-" {
            throw ValidationError("only one of --reference and --distorted can be standard input")
        }
        let given = [
            !videos.isEmpty, set.dataDir != nil, isComparison, !merge.isEmpty,
        ].count { $0 }
        if given != 1 {
            throw ValidationError(
                "expected one of VIDEOS, --data-dir, --reference with --distorted, --merge; found "
                    + "\(given == 0 ? "none" : "\(given)")")
        }
        if fit != .crop {
            throw ValidationError("--fit \(fit.rawValue): this version has crop only")
        }
        if let frames, frames < 1 {
            throw ValidationError("--frames \(frames): expected 1 or more")
        }
        if [json, csv].count(where: { $0 == "-" }) > 1 {
            throw ValidationError("only one of --json and --csv can be standard output")
        }
        try sampleFPS?.check("--sample-fps")
        try shard?.check("--shard")
    }

    /// Frames a second; the published protocol has 25.
    private var rate: Rational? {
        sampleFPS?.value?.rate ?? (sampleFPS == nil && !isComparison ? Rational(25, 1) : nil)
    }

    func run() throws {
        words.configureLog()
        _ = Interruption(.atOnce)
        let entries = try set.dataDir == nil && videos.isEmpty ? [] : videoEntries()
        let outputs = try openOutputs(entries)
        let document: EvaluationDocument
        var moments = Moments()
        if !merge.isEmpty {
            document = try EvaluationDocument.merged(merge)
        } else {
            (document, moments) = try isComparison ? compare() : evaluate(entries)
        }
        try write(document, moments, outputs)
        if !document.failures.isEmpty { throw ExitCode(ExitStatus.badInput) }
    }

    /// What is written in the end, prepared before the work.
    private struct Outputs {
        let json, csv, report: NewFile?
        var all: [NewFile] { [json, csv, report].compactMap(\.self) }
    }

    /// Prepares the reports: none is another, or a file that is read.
    private func openOutputs(_ entries: [VideoEntry]) throws -> Outputs {
        var inputs: Set<FileIdentity> = []
        if json != nil || csv != nil || report != nil {
            var paths = entries.map(\.path) + merge + lpips.files
            paths += [set.meta, reference, distorted].compactMap(\.self)
            if merge.isEmpty && !isComparison { paths += try model.paths() }
            inputs = Set(paths.compactMap { FileIdentity(path: $0) })
        }
        func open(_ path: String?) throws -> NewFile? {
            try path.map { try NewFile($0, overwrite: overwrite, inputs: inputs) }
        }
        let outputs = Outputs(json: try open(json), csv: try open(csv), report: try open(report))
        for (i, a) in outputs.all.enumerated() {
            for b in outputs.all[..<i] where a.isSame(as: b) {
                throw UsageError("\(a.place): expected a file for each report, found one")
            }
        }
        return outputs
    }

    private func write(
        _ document: EvaluationDocument, _ moments: Moments, _ outputs: Outputs
    ) throws {
        if !words.quiet { Log.plain(document.table) }
        try outputs.json?.write(try document.json())
        try outputs.csv?.write(document.csv)
        if let report = outputs.report {
            let page = EvaluationReport(document: document, moments: moments).html.markup
            try report.write(Array(page.utf8))
        }
    }

    private func perceptual(_ device: Device) throws -> LPIPS? {
        lpips.files.isEmpty ? nil : try LPIPS(paths: lpips.files, device: device)
    }

    private func start(
        _ lpips: LPIPS?, _ model: EvaluationDocument.Model?, _ device: Device
    ) -> (EvaluationDocument, EvaluationRun) {
        let document = EvaluationDocument(
            options: EvaluationDocument.Options(
                reference: reference, sampleFPS: rate.map { "\($0)" },
                fit: model == nil ? nil : fit.rawValue,
                frames: frames,
                latents: model == nil
                    ? nil : sampling.samplingSeed.map { "sample, seed \($0)" } ?? "mean"),
            model: model,
            lpips: (lpips?.sources ?? []).map {
                EvaluationDocument.LPIPSFile(path: $0.path, sha256: $0.sha256)
            })
        let run = EvaluationRun(
            evaluator: Evaluator(device: device, lpips: lpips), rate: rate, limit: frames,
            gap: gap.maximum, deinterlaces: deinterlace, collectsMoments: report != nil)
        return (document, run)
    }

    private func compare() throws -> (EvaluationDocument, Moments) {
        let device = Device(threads: model.threads.count)
        var (document, run) = start(try perceptual(device), nil, device)
        let (score, note) = try run.comparison(reference ?? "", distorted ?? "")
        if strict, let note {
            throw VideoIOError.badInput(
                url: distorted ?? "",
                problem: "expected as many frames as in \(reference ?? ""); \(note)")
        }
        document.videos = [score]
        document.notes = note.map { [$0] } ?? []
        document.finish()
        return (document, run.moments)
    }

    private func evaluate(
        _ all: [VideoEntry]
    ) throws -> (EvaluationDocument, Moments) {
        var entries = all
        if let shard = shard?.value {
            entries = shard.part(of: entries)
        }
        let opened = try model.open()
        let loaded = try model.load(opened)
        let c = loaded.configuration
        let about = EvaluationDocument.Model(
            config: opened.files.configuration,
            configSHA256: try opened.configurationSHA256(),
            checkpoint: opened.files.checkpoint,
            checkpointSHA256: opened.checkpointSHA256,
            precision: loaded.precision.rawValue,
            weights: loaded.parameterCount,
            latentNumbersPerClip: c.latentCounts.structure + c.latentCounts.dynamics,
            compressionRate: c.compressionRate)
        var (document, run) = start(try perceptual(loaded.device), about, loaded.device)
        document.shard = shard?.value?.description
        for (index, entry) in entries.enumerated() {
            Log.notice("\(index + 1) of \(entries.count): \(entry.name.visible)")
            do {
                if let problem = entry.problem {
                    throw VideoIOError.badInput(url: entry.name, problem: problem)
                }
                document.videos.append(
                    try run.reconstruction(
                        of: entry, model: loaded, fit: fit, seed: sampling.samplingSeed))
            } catch let error as VideoIOError {
                if strict { throw error }
                Log.error("\(error); skipped")
                document.failures.append(
                    EvaluationDocument.Failure(name: entry.name, error: "\(error)"))
            }
        }
        document.finish()
        return (document, run.moments)
    }

    private func videoEntries() throws -> [VideoEntry] {
        var entries: [VideoEntry]
        if let dataDir = set.dataDir {
            entries = try VideoSet.entries(under: dataDir, meta: set.meta)
        } else {
            entries = videos.sorted().map { VideoEntry(name: $0, path: $0) }
        }
        for (a, b) in zip(entries, entries.dropFirst()) where a.name == b.name {
            throw UsageError("\(a.name) is named twice")
        }
        return entries
    }
}
