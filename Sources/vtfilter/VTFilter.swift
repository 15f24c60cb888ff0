import ArgumentParser
import Glibc
import VidTwin
import VideoIO

/// The command `vtfilter`.
struct VTFilter: ParsableCommand {
    static let version = "\(Release.version)"

    static let configuration = CommandConfiguration(
        commandName: "vtfilter",
        abstract: "VidTwin on video streams: frames in, frames out.",
        discussion: """
            VidTwin splits video into a structure latent (what stays) and a dynamics latent (what \
            moves) and puts it together again. Data goes from standard input to standard output \
            unless -i and -o say otherwise; words go to standard error.

            Exit status: 0 done, 1 failure while running, 2 usage, 3 bad input, 4 bad model or \
            checkpoint, 129, 130 or 143 ended by a signal.

            Examples:
              ffmpeg -i in.mp4 -f yuv4mpegpipe - | vtfilter reconstruct | ffplay -
              vtfilter encode -i in.mp4 | vtfilter decode -o out.mp4
              vtfilter help encode
            """,
        // Only where it is asked for: it looks for files.
        version: Arguments.all.contains("--version") ? VersionReport.text : version,
        subcommands: [
            Reconstruct.self, Encode.self, Decode.self, CrossReenact.self, Evaluate.self,
            Convert.self, Info.self, Bench.self, Train.self, Prepare.self,
        ])
}

@main
enum Main {
    static func main() {
        StandardDescriptors.open()
        signal(SIGPIPE, SIG_IGN)  // EPIPE instead
        signal(SIGXFSZ, SIG_IGN)  // EFBIG instead
        ShrunkFile.watch()
        NoMemory.watch()
        do {
            var command = try VTFilter.parseAsRoot(Arguments.all)
            try command.run()
        } catch {
            exit(ExitStatus.report(error))
        }
    }
}
