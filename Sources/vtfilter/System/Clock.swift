import Glibc

/// Seconds that only go forward.
package enum Clock {
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// `2026-01-31 23:59`, local time.
    static var localTime: String {
        var (now, parts) = (time(nil), tm())
        localtime_r(&now, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
            + "\(two(parts.tm_hour)):\(two(parts.tm_min))"
    }

    /// Two digits after the point.
    static func format(_ seconds: Double) -> String { decimal(seconds, digits: 2) }

    /// A number with so many digits after the point.
    package static func decimal(_ value: Double, digits: Int) -> String {
        guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
        let scale = pow(10, Double(digits))
        let scaled = Int64((value * scale).rounded())
        let fraction = String(abs(scaled) % Int64(scale))
        let sign = scaled < 0 ? "-" : ""
        if digits == 0 { return "\(sign)\(abs(scaled))" }
        return "\(sign)\(abs(scaled) / Int64(scale))."
            + String(repeating: "0", count: digits - fraction.count) + fraction
    }
}
