import ArgumentParser
import VideoIO

/// How much is said: the same for every subcommand.
struct WordOptions: ParsableArguments {
    @Flag(name: .shortAndLong, help: "Only errors.")
    var quiet = false

    @Flag(name: .shortAndLong, help: "More words.")
    var verbose = false

    /// Words as the options ask for.
    func configureLog() {
        Log.configure(quiet: quiet, verbose: verbose)
        if verbose { LibavMessages.showWarnings() } else { LibavMessages.silence() }
    }
}
