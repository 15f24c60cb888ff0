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

            Examples:
              vtfilter bench --clips 10
              vtfilter bench --config model.yaml --random-weights 1 --precision int8
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
        let report = try report()
        try StandardOutput.print(json ? try JSONText.pretty(report) : report.text)
    }

    private func report() throws -> any SpeedReport {
        if train { return try training.report(model, clips: clips) }
        let start = Clock.now
        let loaded =
            try randomWeights.map { try model.load(randomWeights: $0) }
            ?? model.load(try model.open())
        let loadSeconds = Clock.now - start
        return BenchReport(
            loaded, try Benchmark(loaded, clips: clips), loadSeconds: loadSeconds,
            weights: randomWeights.map { "random, seed \($0)" } ?? "checkpoint")
    }
}
