import Glibc

/// What this machine is, for reports.
enum Machine {
    /// The CPU's name, as the kernel has it.
    static var cpuName: String {
        guard let file = fopen("/proc/cpuinfo", "r") else { return "unknown CPU" }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(
                decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            let parts = text.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].hasPrefix("model name") else { continue }
            return parts[1].split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
        return "unknown CPU"
    }

    /// The most memory that this process held at once, in units of 10^6 bytes.
    static var peakMegabytes: Double {
        var usage = rusage()
        getrusage(RUSAGE_SELF.rawValue, &usage)
        return Double(usage.ru_maxrss) * 1024e-6
    }
}
