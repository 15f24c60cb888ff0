import ArgumentParser

/// Which latents of their distribution are taken.
struct SamplingOptions: ParsableArguments {
    @Flag(help: "Sample the latents; their mean otherwise.")
    var sample = false

    @Option(help: ArgumentHelp("Seed of the sampling.", valueName: "n"))
    var seed: UInt64?

    func validate() throws {
        if seed != nil && !sample { throw ValidationError("--seed goes with --sample") }
    }

    /// The seed of sampled latents; nil takes the mean.
    var samplingSeed: UInt64? { sample ? seed ?? 0 : nil }
}
