import ArgumentParser

/// How the latents of a set of videos are written.
struct EncodedSetOptions: ParsableArguments {
    @OptionGroup var videos: VideoSetOptions

    @Option(
        help: ArgumentHelp(
            "Clips after which a shard ends, with the video that it is in.", valueName: "n"))
    var shardSize = 1000

    @Option(
        help: ArgumentHelp(
            "Only part i of n, from 1 on, of the videos; auto: as MPI or Slurm numbers the process.",
            valueName: "i/n"))
    var shard: Parsed<ShardChoice>?

    @Flag(help: "Go on with a set that was begun: what is finished is not done again.")
    var resume = false

    @Flag(help: "Put what the parts of a set wrote together: stats.json and failed.csv; no videos.")
    var merge = false

    @Option(
        help: ArgumentHelp(
            "Store the files beside a video that have its name and these endings with each of its clips; "
                + "a json becomes KEY.source.json.", valueName: "ext,ext"))
    var passthrough: Parsed<Endings>?

    /// Whether a set is asked for.
    var isSet: Bool { videos.dataDir != nil || merge }

    func validate() throws {
        if shardSize < 1 { throw ValidationError("--shard-size \(shardSize): expected 1 or more") }
        try shard?.check("--shard")
        try passthrough?.check("--passthrough")
        if merge && videos.dataDir != nil {
            throw ValidationError("--merge reads what was written: no --data-dir")
        }
        if !isSet {
            for (name, isGiven) in [
                ("--shard", shard != nil), ("--resume", resume),
                ("--passthrough", passthrough != nil),
            ] where isGiven { throw ValidationError("\(name) goes with --data-dir") }
        }
    }
}

/// Endings of file names.
struct Endings: OptionValue, Equatable {
    static var expected: String { "endings like txt,json: letters, digits and dots; not npy" }

    /// Without a first dot.
    let names: [String]

    init?(option text: String) {
        names = text.split(separator: ",", omittingEmptySubsequences: false)
            .map { String($0.hasPrefix(".") ? $0.dropFirst() : $0) }
        let isGood = names.allSatisfy { name in
            !name.isEmpty && name.utf8.count <= 20 && !name.hasSuffix("npy")
                && name.utf8.allSatisfy { $0 == UInt8(ascii: ".") || Endings.isWord($0) }
        }
        if !isGood || Set(names).count != names.count { return nil }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}
