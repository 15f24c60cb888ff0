import Glibc

/// The most memory that this process held at once, in bytes.
func peakMemory() -> Double {
    guard let file = fopen("/proc/self/status", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
        let text = String(
            decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        guard text.hasPrefix("VmHWM:") else { continue }
        return
            (text.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) }
            ?? 0) * 1024
    }
    return 0
}
