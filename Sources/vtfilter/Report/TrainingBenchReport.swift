import VidTwin
import VidTwinTraining

/// What `bench --train` prints.
struct TrainingBenchReport: SpeedReport {
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
    let parts: [NamedSeconds]
    /// The part of the time that data was waited for, and threads that decode it; nil with made-up clips.
    let waitingForData: Double?
    let decodingThreads: Int?
    let peakMegabytes: Double

    init(
        _ result: TrainingBenchmark, _ model: VidTwinModel, batch: Int, lpips: Bool, gan: Bool,
        recomputing: Bool, decodingThreads: Int? = nil
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
        parts = result.parts.map { NamedSeconds(name: $0.name, seconds: $0.seconds) }
        peakMegabytes = Machine.peakMegabytes
        (waitingForData, self.decodingThreads) = (result.waiting, decodingThreads)
    }

    private var waitingLines: [String] {
        guard let waitingForData, let decodingThreads else { return [] }
        return [
            line(
                "waiting for data",
                "\(number(100 * waitingForData, 2)) % of a batch (decoding threads: \(decodingThreads))"
            )
        ]
    }

    var text: String {
        let what =
            "\(batch) clips\(withLPIPS ? ", LPIPS" : "")\(withDiscriminator ? ", discriminator" : "")"
            + (computesBlocksAgain ? ", blocks computed again" : "")
        return
            (machineLines + [
                line("batch", "\(parameters) weights, \(precision), \(what)"),
                line(
                    "seconds a batch",
                    "\(number(secondsPerBatch, 3)) (median of \(batchSeconds.count))"),
                line(
                    "operations a batch", "\(number(gigaOperationsPerBatch, 1)) GFLOP"),
            ] + rateLines
            + parts.map { line("  \($0.name)", "\(number($0.seconds, 3)) s") }
            + waitingLines + [memoryLine])
            .joined(separator: "\n")
    }
}
