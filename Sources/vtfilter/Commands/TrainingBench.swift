import ArgumentParser
import TensorFiles
import VidTwin
import VidTwinTraining

/// What `bench --train` measures.
struct TrainingBenchOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Clips of a batch.", valueName: "n"))
    var batch = 1

    @Flag(
        inversion: .prefixedNo,
        help: "With LPIPS, whose weights are made up: their values cost no time.")
    var lpips = true

    @Flag(inversion: .prefixedNo, help: "With the discriminator, and both sides of its game.")
    var gan = true

    @Option(
        help: ArgumentHelp("Compute blocks again on the way back: on or off.", valueName: "on|off"))
    var checkpointActivations = Switch.off

    enum Switch: String, ExpressibleByArgument, CaseIterable { case on, off }

    func validate() throws {
        if !(1...64).contains(batch) {
            throw ValidationError("--batch \(batch): expected 1 to 64")
        }
    }

    /// Measures `clips` batches of the model's configuration, its weights made up.
    func report(_ options: ModelOptions, clips batches: Int) throws -> TrainingBenchReport {
        let path = try options.configurationPath()
        let configuration = try Configuration(path: path)
        let precision = options.precision.precision
        guard precision != .int8 else {
            throw ValidationError("--precision int8: training is f32 or bf16")
        }
        let device = Device(threads: options.threads)
        var loss = LossConfiguration(adversarialStart: 0)
        (loss.adversarialWeight, loss.perceptualWeight, loss.klWeight) = (0.05, 0.05, 0.001)
        (loss.discriminatorKind, loss.learnsLogVariance) = (.pictures, true)
        if !lpips { loss.perceptualWeight = 0 }
        var how = Objective.Options()
        how.recomputesBlocks = checkpointActivations == .on
        let objective = try Objective(
            configuration, loss,
            weights: InitialWeights(
                Objective.shapes(configuration, loss), configuration: configuration, seed: 1,
                logVariance: 0),
            perceptual: lpips
                ? try LPIPS(
                    RandomWeights(LPIPS.shapes, seed: 1), sources: [], device: device,
                    precision: precision, leadsBack: true) : nil,
            on: device, precision: precision, how)
        let result = try TrainingBenchmark(
            objective, AdamOptions(kind: .adamW, betas: (0, 0.9), weightDecay: 1e-4),
            clips: batch, batches: batches, adversarial: gan)
        return TrainingBenchReport(
            result, objective.model, batch: batch, lpips: lpips, gan: gan,
            recomputing: checkpointActivations == .on)
    }
}

/// What `bench --train` prints.
struct TrainingBenchReport: Encodable {
    struct Part: Encodable {
        let name: String
        let seconds: Double
    }
    let version = VTFilter.version
    let machine: String
    let cpuLevel: String
    let productLevel: String
    let threads: Int
    let precision: String
    let parameters: Int
    let batch: Int
    let withLPIPS, withDiscriminator, computesBlocksAgain: Bool
    let batchSeconds: [Double]
    let secondsPerBatch: Double
    let gigaOperationsPerBatch: Double
    let gigaOperationsPerSecond: Double
    let ceilingGigaOperationsPerSecond: Double
    let ratioToCeiling: Double
    let parts: [Part]
    let peakMegabytes: Double

    init(
        _ result: TrainingBenchmark, _ model: VidTwinModel, batch: Int, lpips: Bool, gan: Bool,
        recomputing: Bool
    ) {
        machine = Machine.cpuName
        (cpuLevel, productLevel) = (Capabilities.loopLevel, Capabilities.productLevel)
        (threads, precision) = (model.device.threads, model.precision.rawValue)
        (parameters, self.batch) = (model.parameterCount, batch)
        (withLPIPS, withDiscriminator, computesBlocksAgain) = (lpips, gan, recomputing)
        (batchSeconds, secondsPerBatch) = (result.batchSeconds, result.medianSeconds)
        gigaOperationsPerBatch = result.operations * 1e-9
        gigaOperationsPerSecond = result.rate * 1e-9
        ceilingGigaOperationsPerSecond = result.ceiling * 1e-9
        ratioToCeiling = result.rate / result.ceiling
        parts = result.parts.map { Part(name: $0.name, seconds: $0.seconds) }
        peakMegabytes = Machine.peakMegabytes
    }

    var text: String {
        func number(_ value: Double, _ digits: Int) -> String {
            Clock.decimal(value, digits: digits)
        }
        let what =
            "\(batch) clips\(withLPIPS ? ", LPIPS" : "")\(withDiscriminator ? ", discriminator" : "")"
            + (computesBlocksAgain ? ", blocks computed again" : "")
        return
            ([
                BenchText.line("machine", "\(machine), \(threads) threads"),
                BenchText.line("CPU features", "\(cpuLevel) (loops), \(productLevel) (oneDNN)"),
                BenchText.line("batch", "\(parameters) weights, \(precision), \(what)"),
                BenchText.line(
                    "seconds a batch",
                    "\(number(secondsPerBatch, 3)) (median of \(batchSeconds.count))"),
                BenchText.line(
                    "operations a batch", "\(number(gigaOperationsPerBatch, 1)) GFLOP"),
                BenchText.line("rate", "\(number(gigaOperationsPerSecond, 1)) GFLOP/s"),
                BenchText.line(
                    "products alone", "\(number(ceilingGigaOperationsPerSecond, 1)) GFLOP/s"),
                BenchText.line("rate / products alone", number(ratioToCeiling, 3)),
            ]
            + parts.map { BenchText.line("  \($0.name)", "\(number($0.seconds, 3)) s") }
            + [BenchText.line("peak memory", "\(number(peakMegabytes, 0)) MB")])
            .joined(separator: "\n")
    }
}
