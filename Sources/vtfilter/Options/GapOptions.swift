import ArgumentParser
import VideoIO

/// How far apart frames may be where others are repeated between them.
struct GapOptions: ParsableArguments {
    @Option(
        name: .customLong("max-gap"),
        help: ArgumentHelp(
            "Longest time between two frames that is filled by repeating one, where a rate asks for "
                + "that (60).", valueName: "seconds"))
    var maximum = FrameSampler.maximumGap

    func validate() throws {
        if !(maximum > 0 && maximum.isFinite) {
            throw ValidationError("--max-gap \(maximum): expected seconds above 0")
        }
    }
}
