import ArgumentParser
import Glibc
import VidTwin

/// `vtfilter bench`
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure speed beside what this machine's products can reach.",
        discussion: """
            Runs clips through the model, pixels to pixels, and before each one the model's large \
            products alone: what no program built on the same library can beat. Both in one run, \
            as a lone time means little on a shared machine.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions

    @Option(
        help: ArgumentHelp(
            "Weights made of a seed instead of a checkpoint's; --config names the configuration.",
            valueName: "seed"))
    var randomWeights: UInt64?

    @Option(name: .customLong("clips"), help: "Clips to measure, after one to warm up.")
    var clips = 5

    @Flag(help: "A batch of training instead: its parts, both optimizers, memory.")
    var train = false

    @OptionGroup(title: "With --train") var training: TrainingBenchOptions

    @Flag(help: "As JSON.")
    var json = false

    @OptionGroup var words: WordOptions

    func validate() throws {
        if !(1...10_000).contains(clips) {
            throw ValidationError("--clips \(clips): expected 1 to 10000")
        }
    }

    func run() throws {
        words.configureLog()
        if train {
            let report = try training.report(model, clips: clips)
            try StandardOutput.print(json ? try JSONText.pretty(report) : report.text)
            return
        }
        let start = Clock.now
        let loaded =
            try randomWeights.map { try model.load(randomWeights: $0) }
            ?? model.load(try model.open())
        let loadSeconds = Clock.now - start
        let report = BenchReport(
            loaded, try Benchmark(loaded, clips: clips), loadSeconds: loadSeconds,
            weights: randomWeights.map { "random, seed \($0)" } ?? "checkpoint")
        try StandardOutput.print(json ? try JSONText.pretty(report) : report.text)
    }
}

/// What `bench` prints.
private struct BenchReport: Encodable {
    struct StageTime: Encodable {
        let name: String
        let seconds: Double
    }
    let version = VTFilter.version
    let machine: String
    let cpuLevel: String
    let productLevel: String
    let threads: Int
    let precision: String
    let precisionMeans: String
    let weights: String
    let parameters: Int
    let clip: String
    let clips: Int
    let secondsPerClip: Double
    let clipSeconds: [Double]
    let framesPerSecond: Double
    let gigaOperationsPerClip: Double
    let gigaOperationsPerSecond: Double
    let ceilingGigaOperationsPerSecond: Double
    let ratioToCeiling: Double
    let stages: [StageTime]
    let loadSeconds: Double
    let peakMegabytes: Double

    init(_ model: VidTwinModel, _ result: Benchmark, loadSeconds: Double, weights: String) {
        let c = model.configuration
        machine = Machine.cpuName
        (cpuLevel, productLevel) = (
            Capabilities.loopLevel, Capabilities.productLevel
        )
        threads = model.device.threads
        (precision, precisionMeans) = (model.precision.rawValue, model.precision.means)
        (self.weights, parameters) = (weights, model.parameterCount)
        clip = "\(c.frames)x\(c.height)x\(c.width)"
        clips = result.clipSeconds.count
        (secondsPerClip, clipSeconds) = (result.medianSeconds, result.clipSeconds)
        framesPerSecond = Double(c.frames) / result.medianSeconds
        gigaOperationsPerClip = result.operations * 1e-9
        gigaOperationsPerSecond = result.rate * 1e-9
        ceilingGigaOperationsPerSecond = result.ceiling * 1e-9
        ratioToCeiling = result.rate / result.ceiling
        stages = result.stages.map { StageTime(name: $0.name, seconds: $0.seconds) }
        self.loadSeconds = loadSeconds
        peakMegabytes = Machine.peakMegabytes
    }

    var text: String {
        func line(_ name: String, _ value: String) -> String { BenchText.line(name, value) }
        func number(_ value: Double, _ digits: Int) -> String {
            Clock.decimal(value, digits: digits)
        }
        let total = max(clipSeconds.reduce(0, +) / Double(clipSeconds.count), 1e-9)
        return
            ([
                line("machine", "\(machine), \(threads) threads"),
                line("CPU features", "\(cpuLevel) (loops), \(productLevel) (oneDNN)"),
                line("precision", "\(precision): \(precisionMeans)"),
                line("model", "\(parameters) weights (\(weights)), clip \(clip)"),
                line("clip", "\(number(secondsPerClip, 3)) s (median of \(clips))"),
                line("frames a second", number(framesPerSecond, 2)),
                line("operations a clip", "\(number(gigaOperationsPerClip, 1)) GFLOP"),
                line("rate", "\(number(gigaOperationsPerSecond, 1)) GFLOP/s"),
                line(
                    "products alone", "\(number(ceilingGigaOperationsPerSecond, 1)) GFLOP/s"),
                line("rate / products alone", number(ratioToCeiling, 3)),
            ]
            + stages.map {
                line(
                    "  \($0.name)",
                    "\(number($0.seconds, 3)) s  \(number(100 * $0.seconds / total, 1)) %")
            }
            + [
                line("loading", "\(number(loadSeconds, 2)) s"),
                line("peak memory", "\(number(peakMegabytes, 0)) MB"),
            ]).joined(separator: "\n")
    }
}

/// How `bench` prints.
enum BenchText {
    /// A name, and its value in the second column.
    static func line(_ name: String, _ value: String) -> String {
        name + String(repeating: " ", count: max(26 - name.count, 1)) + value
    }
}
