import ArgumentParser
import Glibc
import ForkSafety
import TensorFiles
import VidTwin
import VidTwinTraining
import VideoIO

/// `vtfilter prepare`
struct Prepare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look through videos: write the CSV that train, evaluate and encode read.",
        discussion: """
            Decodes every video once and writes a row for each: videos (its path below the folder), \
            seconds, frames, size, rate and motion (mean difference of neighbouring frames, 0 to 255). \
            What is broken is named and left out, and the exit status is 3. A look that was stopped goes \
            on where it was. With --validation, that part of the videos goes to a list of its own, \
            chosen by a hash of the path: a video stays where it is when others come.

            Examples:
              vtfilter prepare --data-dir videos -o meta.csv --validation 0.05
            """)

    @Option(help: ArgumentHelp("All videos under a folder.", valueName: "folder"))
    var dataDir: String

    @Option(
        name: [.customShort("o"), .long], help: ArgumentHelp("The CSV file.", valueName: "csv"))
    var output: String

    @Option(
        help: ArgumentHelp(
            "Part of the videos for a validation list, NAME.validation.csv.", valueName: "part"))
    var validation: Double = 0

    @Option(help: ArgumentHelp("Videos that are decoded at once (all CPUs).", valueName: "n"))
    var threads: Parsed<ThreadCount>?

    @Flag(name: [.customShort("y"), .customLong("overwrite")], help: "Replace an existing output.")
    var overwrite = false

    @OptionGroup var words: WordOptions

    func validate() throws {
        if !(0..<1).contains(validation) {
            throw ValidationError("--validation \(validation): expected a part from 0 to below 1")
        }
        try threads?.check("--threads")
        if output == "-" { throw ValidationError("-o -: expected a file's name") }
    }

    private var validationOutput: String {
        let stem = output.hasSuffix(".csv") ? String(output.dropLast(4)) : output
        return "\(stem).validation.csv"
    }

    func run() throws {
        words.configureLog()
        for path in validation > 0 ? [output, validationOutput] : [output]
        where path.withPathBytes({ access($0, F_OK) }) == 0 && !overwrite {
            throw UsageError("\(path) exists; -y replaces it")
        }
        let entries = try VideoFolder.videos(under: dataDir)
        if entries.isEmpty {
            throw VideoIOError.badInput(url: dataDir, problem: "expected videos, found none")
        }
        let interruption = Interruption()
        let journal = try SurveyJournal("\(output).part")
        let device = Device(threads: threads?.value?.count)
        let broken = Guarded<[String: String]>([:])
        device.parallel(entries.count) { task, _ in
            let entry = entries[task]
            if interruption.signal != nil || journal.has(entry.name) { return }
            do {
                if let problem = entry.problem {
                    throw VideoIOError.badInput(url: entry.name, problem: problem)
                }
                let facts = try VideoFacts(path: entry.path, cancellation: interruption.reading)
                try journal.add(entry.name, VideoSurvey.row(entry.name, facts))
            } catch VideoIOError.cancelled {
            } catch {
                broken.withLock { $0[entry.name] = "\(error)" }
            }
        }
        if let signal = interruption.signal {
            Log.notice("stopped; the same command goes on")
            throw Interrupted(signal: signal)
        }
        if let problem = journal.problem { throw problem }
        let problems = broken.withLock { $0 }
        for (_, problem) in problems.sorted(by: { $0.key < $1.key }) { Log.error("\(problem)") }
        var (rows, held): ([String], [String]) = ([], [])
        for entry in entries {
            guard let row = journal.row(entry.name) else { continue }
            if isForValidation(entry.name) { held.append(row) } else { rows.append(row) }
        }
        if rows.isEmpty && held.isEmpty {
            throw VideoIOError.badInput(url: dataDir, problem: "no video can be read")
        }
        func write(_ rows: [String], to path: String) throws {
            let text = ([VideoSurvey.header] + rows).joined(separator: "\n") + "\n"
            try NewFile.write(text, to: path)
        }
        if validation > 0 { try write(held, to: validationOutput) }
        try write(rows, to: output)
        journal.remove()
        Log.notice(
            "\(output): \(rows.count) videos"
                + (validation > 0 ? "; \(validationOutput): \(held.count)" : "")
                + (problems.isEmpty ? "" : "; \(problems.count) cannot be read"))
        if !problems.isEmpty { throw ExitCode(ExitStatus.badInput) }
    }

    /// By the first 32 bits of a hash of the path.
    private func isForValidation(_ name: String) -> Bool {
        guard validation > 0 else { return false }
        let word = UInt32(FileDigest.sha256(text: name).prefix(8), radix: 16) ?? 0
        return Double(word) / 0x1p32 < validation
    }
}
