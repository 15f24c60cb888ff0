import Glibc
import VidTwinTraining

/// What `train --measure-steps` prints: a configuration to lay over the run's own (`-b`).
struct StepReport {
    private let lines: [String]

    /// Of steps over so many clips, for a learning rate that is `rate` at its highest.
    init(_ sizes: StepSizes, clips: Int, rate: Double) {
        let loss = Clock.decimal(sizes.loss, digits: 4)
        lines =
            [
                "# Loss \(loss) over \(clips) clips. Behind each weight: the largest step along its",
                "# gradient's signs that does not raise it, the others at rest. A factor makes the",
                "# highest rate, \(rate), a tenth of that.",
                "model:", "  params:", "    optimizer_config:", "      params:",
                "        lr_scale:",
            ]
            + sizes.weights.map { weight in
                let pattern = StepReport.pattern(weight.name)
                guard let step = weight.step else { return "          # \(pattern): no gradient" }
                let factor = StepReport.short(StepSizes.scale(step: step, rate: rate))
                return "          \(pattern): \(factor)  # \(StepReport.short(step))"
            }
    }

    /// - Throws: `StreamError`.
    func print() throws { try StandardOutput.print(lines.joined(separator: "\n")) }

    /// A regular expression of a name; patterns match where names begin.
    private static func pattern(_ name: String) -> String {
        name.replacing(".", with: "\\.") + "$"
    }

    /// To two digits.
    private static func short(_ value: Double) -> String {
        if value == 0 || value == 1 { return "\(Int(value))" }
        let exponent = log10(value * 1.0001).rounded(.down)
        return "\(Clock.decimal(value / pow(10, exponent), digits: 1))e\(Int(exponent))"
    }
}
