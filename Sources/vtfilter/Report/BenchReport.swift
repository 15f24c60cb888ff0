import VidTwin

/// What `bench` prints.
struct BenchReport: SpeedReport {
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
    let stages: [NamedSeconds]
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
        stages = result.stages.map { NamedSeconds(name: $0.name, seconds: $0.seconds) }
        self.loadSeconds = loadSeconds
        peakMegabytes = Machine.peakMegabytes
    }

    var text: String {
        let total = max(clipSeconds.reduce(0, +) / Double(clipSeconds.count), 1e-9)
        return
            (machineLines + [
                line("precision", "\(precision): \(precisionMeans)"),
                line("model", "\(parameters) weights (\(weights)), clip \(clip)"),
                line("clip", "\(number(secondsPerClip, 3)) s (median of \(clips))"),
                line("frames a second", number(framesPerSecond, 2)),
                line("operations a clip", "\(number(gigaOperationsPerClip, 1)) GFLOP"),
            ] + rateLines
            + stages.map {
                line(
                    "  \($0.name)",
                    "\(number($0.seconds, 3)) s  \(number(100 * $0.seconds / total, 1)) %")
            }
            + [
                line("loading", "\(number(loadSeconds, 2)) s"),
                memoryLine,
            ]).joined(separator: "\n")
    }
}
