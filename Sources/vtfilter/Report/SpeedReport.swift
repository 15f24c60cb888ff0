import VidTwin

/// What `bench` prints, of a model or of its training: as JSON with these keys and its own, and as
/// lines.
protocol SpeedReport: Encodable {
    var machine: String { get }
    var cpuLevel: String { get }
    var productLevel: String { get }
    var threads: Int { get }
    var gigaOperationsPerSecond: Double { get }
    var ceilingGigaOperationsPerSecond: Double { get }
    var ratioToCeiling: Double { get }
    var peakMegabytes: Double { get }

    /// All lines.
    var text: String { get }
}

extension SpeedReport {
    /// Where it was measured.
    var machineLines: [String] {
        [
            line("machine", "\(machine), \(threads) threads"),
            line(
                "CPU features",
                "\(cpuLevel) (loops), \(productLevel) (\(Capabilities.productLibrary))"),
        ]
    }

    /// How fast, beside what the machine's products reach.
    var rateLines: [String] {
        [
            line("rate", "\(number(gigaOperationsPerSecond, 1)) GFLOP/s"),
            line("products alone", "\(number(ceilingGigaOperationsPerSecond, 1)) GFLOP/s"),
            line("rate / products alone", number(ratioToCeiling, 3)),
        ]
    }

    /// The most that the process held.
    var memoryLine: String {
        let known = peakMegabytes > 0  // not so without /proc
        return line("peak memory", known ? "\(number(peakMegabytes, 0)) MB" : "unknown")
    }

    /// A name, and its value in the second column.
    func line(_ name: String, _ value: String) -> String {
        name + String(repeating: " ", count: max(26 - name.count, 1)) + value
    }

    /// A number with so many digits behind the point.
    func number(_ value: Double, _ digits: Int) -> String { Clock.decimal(value, digits: digits) }
}

/// What a part of a computation took.
struct NamedSeconds: Encodable {
    let name: String
    let seconds: Double
}
