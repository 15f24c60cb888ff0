import ArgumentParser
import FoundationEssentials
import LatentIO
import TensorFiles
import VidTwin

/// `vtfilter info`
struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Say what a model is, and check that its files fit each other; or what latents are.",
        discussion: """
            Examples:
              vtfilter info
              vtfilter info --model folder --json
              vtfilter info latents.tar
            """)

    @Argument(help: "Latents of vtfilter encode; without it, the model.")
    var latents: String?

    @OptionGroup(title: "Model") var model: ModelOptions

    @OptionGroup(title: "Words") var words: WordOptions

    @Flag(help: "As JSON.")
    var json = false

    func run() throws {
        words.configureLog()
        if let latents { return try describe(latents) }
        let opened = try model.open(saysNotes: false)
        let summary = Summary(opened, weights: try opened.parameterCount())
        if json {
            try StandardOutput.print(try JSONText.pretty(summary))
        } else {
            try StandardOutput.print(summary.text)
        }
    }
}

extension Info {
    /// Prints a line for each clip, or the JSON of each.
    private func describe(_ path: String) throws {
        let input = try LatentInput(path)
        let stream = try input.samples()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var clips = 0
        while let sample = try stream.next() {
            clips += 1
            if json {
                try StandardOutput.print(
                    String(decoding: try encoder.encode(sample.info), as: UTF8.self).visibleJSON)
                continue
            }
            let info = sample.info
            if clips == 1 {
                let about =
                    "latents of \(info.width)x\(info.height) \(info.pixelFormat) at "
                    + "\(info.rate ?? "variable") frames/s, --fit \(info.fit), \(info.latents), "
                    + "layout \(info.layout), by vtfilter \(info.vtfilter)"
                try StandardOutput.print(
                    "\(about.visible)\nconfiguration \(info.configSHA256.visible)\n"
                        + "checkpoint    \(info.checkpointSHA256.visible)")
            }
            let arrays = sample.arrays.sorted { $0.key < $1.key }
                .map { "\($0.key.visible) \($0.value.shape)" }.joined(separator: ", ")
            try StandardOutput.print(
                "\(sample.key.visible): frames \(info.firstFrame) to \(info.firstFrame + info.validFrames - 1), "
                    + arrays)
        }
        if clips == 0 { throw input.noLatents }
    }
}

/// What `info` prints.
private struct Summary: Encodable {
    let version = VTFilter.version
    let config: String
    let checkpoint: String
    let weights: Int
    let weightsInFile: Int
    let weightTypes: [String: Int]
    let frames: Int
    let height: Int
    let width: Int
    let hiddenSize: Int
    let encoderBlocks: Int
    let decoderBlocks: Int
    let causal: Bool
    let structureShape: [Int]
    let dynamicsXShape: [Int]
    let dynamicsYShape: [Int]
    let latentNumbers: Int
    let compressionRate: Double
    let notes: [String]

    init(_ opened: OpenedModel, weights: Int) {
        let (c, checkpoint) = (opened.configuration, opened.checkpoint)
        config = opened.files.configuration
        self.checkpoint = opened.files.checkpoint
        self.weights = weights
        weightsInFile = checkpoint.tensors.values.lazy
            .filter { !$0.name.contains("pos_embed") && !$0.name.hasPrefix("loss.") }
            .reduce(0) { $0 + $1.shape.reduce(1, *) }
        weightTypes = Dictionary(
            checkpoint.tensors.values.map { ($0.type.rawValue, 1) }, uniquingKeysWith: +)
        (frames, height, width) = (c.frames, c.height, c.width)
        hiddenSize = c.encoder.width
        (encoderBlocks, decoderBlocks) = (c.encoder.depth, c.decoder.depth)
        causal = c.encoder.causal
        structureShape = c.structureShape
        (dynamicsXShape, dynamicsYShape) = (c.dynamicsXShape, c.dynamicsYShape)
        latentNumbers = c.latentCounts.structure + c.latentCounts.dynamics
        compressionRate = c.compressionRate
        notes = opened.notes
    }

    var text: String {
        func shape(_ sizes: [Int]) -> String { sizes.map(String.init).joined(separator: " x ") }
        let types = weightTypes.sorted { $0.key < $1.key }
            .map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        let structure = structureShape.reduce(1, *)
        return
            ([
                "config       \(config.visible)",
                "checkpoint   \(checkpoint.visible)",
                "weights      \(weightsInFile) in the file, \(weights) in use (tensors: \(types))",
                "clip         \(frames) frames of \(width)x\(height)",
                "transformer  hidden size \(hiddenSize), \(encoderBlocks) + \(decoderBlocks) blocks"
                    + (causal ? ", causal in time" : ""),
                "structure    \(shape(structureShape)) = \(structure) numbers",
                "dynamics     \(shape(dynamicsXShape)) and \(shape(dynamicsYShape)) = "
                    + "\(latentNumbers - structure) numbers",
                "compression  \(latentNumbers) numbers a clip, "
                    + "\(Clock.decimal(100 * compressionRate, digits: 3)) % of its pixels",
            ] + notes.map { "note         \($0.visible)" }).joined(separator: "\n")
    }
}
