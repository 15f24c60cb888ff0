import Glibc

/// What this machine is, for reports.
enum Machine {
    /// The CPU's name, as the kernel has it.
    static var cpuName: String { field("model name", of: "/proc/cpuinfo") ?? "unknown CPU" }

    /// The most memory that this process held at once, in units of 10^6 bytes.
    ///
    /// Not `getrusage`'s figure, which begins with that of the program that started this one.
    static var peakMegabytes: Double {
        let words = field("VmHWM", of: "/proc/self/status")?.split(separator: " ") ?? []
        return (words.first.flatMap { Double($0) } ?? 0) * 1024e-6
    }

    /// The value of the first line `name: value` of a file of the kernel's.
    private static func field(_ name: String, of path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(
                decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            let parts = text.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].hasPrefix(name) else { continue }
            return parts[1].split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
        return nil
    }
}
