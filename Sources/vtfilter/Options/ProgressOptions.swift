import ArgumentParser

/// How far a stream of frames has come.
struct ProgressOptions: ParsableArguments {
    @Flag(name: .customLong("no-progress"), help: "No progress line on a terminal.")
    var noProgress = false

    @Option(
        help: ArgumentHelp(
            "Write key=value progress to a file, or - for standard error.", valueName: "file"))
    var progress: String?

    /// Whether a line is wanted on a terminal.
    func showsLine(_ words: WordOptions) -> Bool { !noProgress && !words.quiet }

    /// The file, which is none of `inputs`.
    func file(inputs: [String]) throws -> ProgressFile? {
        try progress.map { try ProgressFile($0, inputs: inputs) }
    }

    /// Starts to tell, of `total` frames where that is known.
    func start(_ words: WordOptions, total: Int?, inputs: [String]) throws -> Progress {
        Progress(showsLine: showsLine(words), file: try file(inputs: inputs), total: total)
    }
}
