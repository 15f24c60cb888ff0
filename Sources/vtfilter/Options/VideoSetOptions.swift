import ArgumentParser

/// A set of videos.
struct VideoSetOptions: ParsableArguments {
    @Option(help: ArgumentHelp("All videos under a folder.", valueName: "folder"))
    var dataDir: String?

    @Option(
        help: ArgumentHelp(
            "Only those that the column videos of a CSV file names.", valueName: "file"))
    var meta: String?

    func validate() throws {
        if meta != nil && dataDir == nil { throw ValidationError("--meta goes with --data-dir") }
    }
}
