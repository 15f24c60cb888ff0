import Glibc

/// Seconds that only go forward.
package enum Clock {
    static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
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
